import {
  InvalidKeyError,
  InvalidOptionError,
  isSyncError,
  TimeoutError,
  UnsupportedOptionError,
} from '../api/errors.ts'
import { assertKey } from '../api/key.ts'
import type { Replacement, ReplaceResult, ReplaceTurn } from '../api/served.ts'
import type { CommitOptions, Io, Op, RawPair, Transport } from '../api/transport.ts'
import { listOf } from '../kit/list-of.ts'
import { coverOf, PrefixIndex } from '../kit/prefix-index.ts'
import { sameBytes } from '../source/watch-loop.ts'
import type { Registration } from './registration.ts'
import type { ResyncGate } from './resync-gate.ts'
import type { Arrivals } from './arrivals.ts'
import type { Writer } from './writer.ts'

/** Each try reads what is there; who writes faster than that is overwritten in the end. */
const CONDITIONAL_TRIES = 5

export interface ReplacerParts {
  readonly transport: Transport
  readonly io: Io
  readonly writer: Writer
  readonly gate: ResyncGate
  readonly arrivals: Arrivals
  readonly registrations: () => Iterable<Registration>
}

interface Written {
  readonly put: number
  readonly deleted: number
  readonly versions: ReadonlyMap<string, string>
}

/**
 * Makes given pairs everything that there is under prefixes (datasync.md §5, PUT of a prefix): one conditional
 * transaction of the differences, then a run of RESYNCs in place of the changes. One is written at a time.
 */
export class Replacer {
  readonly #parts: ReplacerParts
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: ReplacerParts) {
    this.#parts = parts
  }

  async replace(
    prefixes: readonly string[],
    pairs: readonly Replacement[],
    options: CommitOptions,
  ): Promise<ReplaceResult> {
    const { io, gate, transport } = this.#parts
    if (!transport.capabilities.transactions) {
      throw new UnsupportedOptionError('replace', transport.name, 'it has no transactions')
    }
    const startedAt = io.clock.now()
    const restMs = (): number => options.timeoutMs - (io.clock.now() - startedAt)
    const cover = coverOf(prefixes)
    const wanted = wantedPairs(cover, pairs)
    const { written, registrations } = await this.#inTurn(
      () => this.#store(cover, wanted, { ...options, timeoutMs: Math.max(1, restMs()) }),
      options.timeoutMs,
    )
    const open = registrations.filter(({ closed }) => !closed)
    // A run of nobody would wait for those that are under way.
    if (open.length === 0) return { ...written, turns: [] }
    const run = gate.resync(open.map(({ name }) => name))
    if (options.waitFor === 'stored') {
      run.catch(() => {}) // the agent closes
      return { ...written, turns: [] }
    }
    const report = await this.#within(run, restMs(), options.timeoutMs)
    const byName = new Map(registrations.map((registration) => [registration.name, registration]))
    const turns = report.turns.flatMap(({ name, outcome }): ReplaceTurn[] => {
      const registration = byName.get(name)
      if (registration === undefined) return []
      const { prefixes: watched, status } = registration
      const failed = outcome === 'refused' || outcome === 'timeout'
      return [
        {
          registration: name,
          prefixes: watched,
          outcome,
          ...(failed ? { error: status.lastError } : {}),
        },
      ]
    })
    return { ...written, turns }
  }

  /** After the writes of those that came before; their receivers are not waited for. */
  #inTurn<T>(work: () => Promise<T>, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      let late = false
      const timer = this.#parts.io.clock.after(
        timeoutMs,
        () => {
          late = true
          const outcome = 'not-applied'
          reject(new TimeoutError('waiting for other replacements', timeoutMs, { outcome }))
        },
        { keepAlive: true },
      )
      this.#last = this.#last.then(async () => {
        timer.stop()
        if (!late) await work().then(resolve, reject)
      })
    })
  }

  /** Until it is written, those that watch there get nothing of it; then a RESYNC comes first. */
  async #store(
    cover: readonly string[],
    wanted: ReadonlyMap<string, Replacement>,
    options: CommitOptions,
  ): Promise<{ readonly written: Written; readonly registrations: readonly Registration[] }> {
    const registrations = this.#watching(cover)
    for (const registration of registrations) registration.hold()
    try {
      const written = await this.#write(cover, wanted, options)
      for (const registration of registrations) registration.releaseAtResync()
      return { written, registrations }
    } catch (error) {
      // What became of it may be unknown: then the changes tell.
      for (const registration of registrations) registration.release()
      throw error
    }
  }

  /**
   * Optimistic: the differences are written on condition that nothing of what they replace has changed meanwhile. When
   * others write all the time, everything is written, whatever it replaces: what they wrote before is gone, and what they
   * write later comes later.
   */
  async #write(
    cover: readonly string[],
    wanted: ReadonlyMap<string, Replacement>,
    options: CommitOptions,
  ): Promise<Written> {
    for (let tries = 1; ; tries++) {
      const present = await this.#present(cover)
      const firm = tries > CONDITIONAL_TRIES
      const ops = this.#differences(present, wanted, firm)
      const versions = new Map<string, string>()
      for (const [key, { version }] of present) if (wanted.has(key)) versions.set(key, version)
      if (ops.length === 0) return { put: 0, deleted: 0, versions }
      const arrived = this.#parts.arrivals.expect(this.#certain(ops, present, firm))
      try {
        const result = await this.#parts.writer.commit(ops, { ...options, waitFor: 'stored' })
        for (const [i, op] of ops.entries()) {
          if (op.type === 'put') versions.set(op.key, result.versions[i] ?? '')
        }
        const puts = ops.filter((op) => op.type === 'put').length
        await arrived.within(options.timeoutMs)
        return { put: puts, deleted: ops.length - puts, versions }
      } catch (error) {
        if (!isSyncError(error, 'SYNC_VERSION_CONFLICT') || firm) throw error
      } finally {
        arrived.stop()
      }
    }
  }

  async #present(cover: readonly string[]): Promise<Map<string, RawPair>> {
    const { transport, io } = this.#parts
    const inside = new PrefixIndex<true>()
    for (const prefix of cover) inside.set(prefix, true)
    const present = new Map<string, RawPair>()
    for (const prefix of cover) {
      for await (const page of listOf(transport, prefix, io)) {
        for (const pair of page) if (inside.covers(pair.key)) present.set(pair.key, pair)
      }
    }
    return present
  }

  #differences(
    present: ReadonlyMap<string, RawPair>,
    wanted: ReadonlyMap<string, Replacement>,
    firm: boolean,
  ): Exclude<Op, { type: 'delete-prefix' }>[] {
    const conditionalPut = this.#parts.transport.capabilities.conditionalPut && !firm
    const ops: Exclude<Op, { type: 'delete-prefix' }>[] = []
    for (const [key, { version }] of present) {
      if (wanted.has(key)) continue
      ops.push({ type: 'delete', key, ...(conditionalPut ? { ifVersion: version } : {}) })
    }
    for (const { key, value, ttlMs } of wanted.values()) {
      const held = present.get(key)
      // Whether a time to live is set cannot be read: it is written anew.
      const same = held !== undefined && ttlMs === undefined && sameBytes(held.value, value)
      if (same && !firm) continue
      const condition = held === undefined ? { ifAbsent: true } : { ifVersion: held.version }
      const ttl = ttlMs === undefined ? {} : { ttlMs }
      ops.push({ type: 'put', key, value, ...ttl, ...(conditionalPut ? condition : {}) })
    }
    return ops
  }

  /** Keys whose changes come back for certain: the same bytes may be no news (C5), nor what somebody else has deleted. */
  #certain(
    ops: readonly Exclude<Op, { type: 'delete-prefix' }>[],
    present: ReadonlyMap<string, RawPair>,
    firm: boolean,
  ): string[] {
    return ops.flatMap((op) => {
      if (op.type === 'delete') return firm ? [] : [op.key]
      const held = present.get(op.key)
      return held !== undefined && sameBytes(held.value, op.value) ? [] : [op.key]
    })
  }

  /** Those that watch something under the prefixes, in registration order. */
  #watching(cover: readonly string[]): Registration[] {
    return Array.from(this.#parts.registrations()).filter((registration) =>
      registration.prefixes.some((watched) =>
        cover.some((prefix) => watched.startsWith(prefix) || prefix.startsWith(watched)),
      ),
    )
  }

  async #within<T>(work: Promise<T>, restMs: number, timeoutMs: number): Promise<T> {
    let stop = (): void => {}
    const late = new Promise<never>((_, reject) => {
      const timer = this.#parts.io.clock.after(
        Math.max(0, restMs),
        () => reject(new TimeoutError('waiting for applied', timeoutMs, { outcome: 'stored' })),
        { keepAlive: true },
      )
      stop = () => timer.stop()
    })
    try {
      return await Promise.race([work, late])
    } finally {
      stop()
    }
  }
}

function wantedPairs(
  cover: readonly string[],
  pairs: readonly Replacement[],
): Map<string, Replacement> {
  const wanted = new Map<string, Replacement>()
  for (const pair of pairs) {
    assertKey(pair.key)
    if (!cover.some((prefix) => pair.key.startsWith(prefix))) {
      throw new InvalidKeyError(pair.key, 'it is not under what is replaced')
    }
    if (wanted.has(pair.key))
      throw new InvalidOptionError('key', `${JSON.stringify(pair.key)} is given twice`)
    wanted.set(pair.key, pair)
  }
  return wanted
}
