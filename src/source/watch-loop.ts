import { BugError, TransportUnavailableError } from '../api/errors.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type {
  Batch,
  BatchIterator,
  Io,
  Position,
  RawChange,
  RawPair,
  Receipt,
  Transport,
} from '../api/transport.ts'
import { backoffMs } from '../kit/backoff.ts'
import { IdleMonitor } from '../kit/idle-monitor.ts'
import { nextTurn } from '../kit/next-task.ts'
import { PrefixIndex } from '../kit/prefix-index.ts'
import { LatestValues } from './latest-values.ts'
import { initialWatchState, transition } from './watch-state.ts'
import type { WatchEffect, WatchEvent, WatchState } from './watch-state.ts'

/** A change that is one (C5), with what was there before. */
export interface SourceChange {
  readonly key: string
  readonly prev: RawPair | undefined
  /** Undefined: deleted. */
  readonly next: RawPair | undefined
  readonly revision: number
}

/** Who is told what happens to the watched state. The calls come one after the other, never from inside `start`. */
export interface WatchSink {
  /** Continuity is lost; the held state stays until `listed`. */
  resetting(): void
  /** The held state was replaced in one step. */
  listed(reason: ResyncReason): void
  /** `before` and `after` are borders of transactions. */
  changed(
    changes: readonly SourceChange[],
    before: Position | undefined,
    after: Position | undefined,
    receipt: Receipt | undefined,
  ): void
  /** `live` is whether the stream is open and listed. */
  status(live: boolean): void
  lost(error: unknown): void
}

/** Numbers changes where the store does not; one per open transport (datasync.md §5, Redis). */
export class RevisionCounter {
  #last = 0

  get last(): number {
    return this.#last
  }

  next(): number {
    return ++this.#last
  }
}

export interface WatchLoopOptions {
  readonly transport: Transport
  readonly prefixes: readonly string[]
  readonly io: Io
  readonly revisions: RevisionCounter
  readonly sink: WatchSink
  /** Where and with what state to go on. */
  readonly resume?: { readonly position: Position; readonly pairs: readonly RawPair[] } | undefined
}

/** Reconnects of every transport (datasync.md §4). */
export const RECONNECT_BACKOFF = { baseMs: 100, capMs: 30_000 } as const

/** After so many changes without a pause the loop lets timers and sockets run. */
const CHANGES_PER_TURN = 2_048

/**
 * Drives {@link transition} with a transport's streams: one state, kept whole across lost links, resets and silence.
 * It never ends before `close`.
 */
export class WatchLoop {
  readonly prefixes: readonly string[]
  readonly #options: WatchLoopOptions
  readonly #cover: PrefixIndex<true> = new PrefixIndex()
  #state: WatchState = initialWatchState
  #values = new LatestValues()
  #staged = new LatestValues()
  #named = new Set<string>()
  #position: Position | undefined
  #attempt: AbortController | undefined
  #idle: IdleMonitor | undefined
  #retry: { stop(): void } | undefined
  #live = false

  constructor(options: WatchLoopOptions) {
    this.#options = options
    this.prefixes = options.prefixes
    for (const prefix of options.prefixes) this.#cover.set(prefix, true)
    for (const pair of options.resume?.pairs ?? []) this.#values.put(pair)
  }

  get state(): WatchState {
    return this.#state
  }

  /** What is held now. */
  get values(): LatestValues {
    return this.#values
  }

  /** The border behind the last change or progress mark that was handed over (W1, W3). */
  get position(): Position | undefined {
    return this.#position
  }

  get live(): boolean {
    return this.#live
  }

  /** Pairs collected by the list that is under way. */
  get staged(): number {
    return this.#staged.size
  }

  covers(key: string): boolean {
    return this.#cover.covers(key)
  }

  /** Once; a second call does nothing (W19). */
  start(): void {
    if (this.#state.name !== 'idle') return
    const from = this.#options.resume?.position
    this.#position = from
    this.#step(from === undefined ? { kind: 'start' } : { kind: 'start', from })
  }

  /** Nothing is told afterwards (W18). */
  close(): void {
    this.#step({ kind: 'close' })
  }

  #step(event: WatchEvent): void {
    const { state, effects } = transition(this.#state, event)
    this.#state = state
    for (const effect of effects) {
      this.#perform(effect, event)
      // The sink may have closed us (W18).
      if (this.#state !== state) return
    }
    const live = this.#state.name === 'live'
    if (live === this.#live) return
    this.#live = live
    if (this.#state.name !== 'closed') this.#options.sink.status(live)
  }

  #perform(effect: WatchEffect, event: WatchEvent): void {
    const { sink } = this.#options
    switch (effect.do) {
      case 'open':
        this.#open(effect.from)
        return
      case 'begin-list':
        this.#staged = new LatestValues()
        sink.resetting()
        return
      case 'stage':
        if (event.kind === 'pairs') this.#stage(event.pairs)
        return
      case 'swap':
        this.#values = this.#staged
        this.#staged = new LatestValues()
        this.#named = new Set()
        this.#position = positionOf(event)
        sink.listed(effect.reason)
        return
      case 'apply':
        if (event.kind === 'changes') this.#apply(event)
        return
      case 'confirm':
        if (event.kind === 'pairs') this.#confirm(event.pairs)
        return
      case 'prune':
        this.#prune()
        return
      case 'advance':
        this.#position = positionOf(event) ?? this.#position
        return
      case 'abandon':
        this.#abandon()
        return
      case 'back-off':
        this.#backOff(effect.attempt)
        return
      case 'breach':
        throw new BugError(`transport ${this.#options.transport.name}: ${effect.problem}`)
    }
  }

  #open(from: Position | undefined): void {
    const attempt = new AbortController()
    this.#attempt = attempt
    const { livenessMs = 0 } = this.#options.transport
    if (livenessMs > 0) {
      this.#idle = new IdleMonitor(this.#options.io.clock, livenessMs, () => {
        const { name } = this.#options.transport
        this.#lost(new TransportUnavailableError(name, `silent for ${livenessMs} ms`), attempt)
      })
    }
    void this.#read(attempt, from)
  }

  /** Reads one stream to its end. */
  async #read(attempt: AbortController, from: Position | undefined): Promise<void> {
    const { transport, prefixes, io } = this.#options
    try {
      const stream = transport.stream(prefixes, from, { ...io, signal: attempt.signal })
      const batches = stream[Symbol.asyncIterator]()
      try {
        await this.#consume(batches, attempt)
      } finally {
        await batches.return?.()
      }
      this.#lost(new TransportUnavailableError(transport.name, 'the stream ended'), attempt)
    } catch (error) {
      this.#lost(error, attempt)
    }
  }

  /** After every pause it looks whether the attempt is still the current one (W18). */
  async #consume(batches: BatchIterator, attempt: AbortController): Promise<void> {
    const { resumable } = this.#options.transport.capabilities
    let sinceTurn = 0
    for (;;) {
      let batch = batches.poll?.()
      if (batch === undefined) {
        const next = await batches.next()
        if (next.done === true) return
        batch = next.value
      }
      if (attempt.signal.aborted) {
        if (batch.kind === 'changes') batch.receipt?.routed([])
        return
      }
      this.#idle?.poke()
      this.#step(resumable ? batch : withoutPosition(batch))
      sinceTurn += weight(batch)
      if (sinceTurn >= CHANGES_PER_TURN) {
        sinceTurn = 0
        await nextTurn()
        if (attempt.signal.aborted) return
      }
    }
  }

  #lost(error: unknown, attempt: AbortController): void {
    if (attempt.signal.aborted) return
    this.#step({ kind: 'lost' })
    if (this.#state.name !== 'closed') this.#options.sink.lost(error)
  }

  #abandon(): void {
    this.#idle?.stop()
    this.#idle = undefined
    this.#retry?.stop()
    this.#retry = undefined
    this.#staged = new LatestValues()
    // A reconcile that breaks off has confirmed nothing.
    this.#named = new Set()
    this.#attempt?.abort()
    this.#attempt = undefined
  }

  #backOff(attempt: number): void {
    const { clock, random } = this.#options.io
    this.#retry = clock.after(
      backoffMs(attempt, random, RECONNECT_BACKOFF),
      () => this.#step({ kind: 'retry' }),
      { keepAlive: true },
    )
  }

  #stage(pairs: readonly RawPair[]): void {
    for (const pair of pairs) {
      if (!this.#cover.covers(pair.key)) continue
      this.#number(pair, this.#values.get(pair.key))
      this.#staged.put(pair)
    }
  }

  #apply(batch: Extract<Batch, { kind: 'changes' }>): void {
    // Most batches are small, and a list that grows takes many times what it needs.
    const changes = new Array<SourceChange>(batch.changes.length)
    let count = 0
    const reconciling = this.#state.name === 'live' && this.#state.reconciling
    for (const change of batch.changes) {
      const key = change.type === 'put' ? change.pair.key : change.key
      const held = this.#values.get(key)
      // What is held is covered.
      if (held === undefined && !this.#cover.covers(key)) continue
      if (reconciling) this.#named.add(key)
      const effective = this.#effective(change, key, held)
      if (effective !== undefined) changes[count++] = effective
    }
    if (count < changes.length) changes.length = count
    this.#handOver(changes, batch.position, batch.receipt)
  }

  /** The change with its previous value, or undefined when it is none (C5, W12). */
  #effective(change: RawChange, key: string, held: RawPair | undefined): SourceChange | undefined {
    const { storeRevisions } = this.#options.transport.capabilities
    if (change.type === 'delete') {
      if (held === undefined || (storeRevisions && change.revision <= held.revision))
        return undefined
      this.#values.delete(key)
      const revision = storeRevisions ? change.revision : this.#options.revisions.next()
      return { key, prev: held, next: undefined, revision }
    }
    const { pair } = change
    if (held !== undefined) {
      const repeat = storeRevisions
        ? pair.revision <= held.revision
        : sameBytes(pair.value, held.value)
      if (repeat) return undefined
    }
    if (!storeRevisions) pair.revision = this.#options.revisions.next()
    this.#values.put(pair)
    return { key, prev: held, next: pair, revision: pair.revision }
  }

  #confirm(pairs: readonly RawPair[]): void {
    const changes: SourceChange[] = []
    for (const pair of pairs) {
      if (!this.#cover.covers(pair.key)) continue
      this.#named.add(pair.key)
      const change = this.#effective({ type: 'put', pair }, pair.key, this.#values.get(pair.key))
      if (change !== undefined) changes.push(change)
    }
    this.#handOver(changes, undefined, undefined)
  }

  #prune(): void {
    const changes: SourceChange[] = []
    for (const key of this.#values.keys()) {
      if (this.#named.has(key)) continue
      const prev = this.#values.delete(key)
      const revision = this.#options.revisions.next()
      changes.push({ key, prev, next: undefined, revision })
    }
    this.#named = new Set()
    this.#handOver(changes, undefined, undefined)
  }

  #handOver(
    changes: readonly SourceChange[],
    after: Position | undefined,
    receipt: Receipt | undefined,
  ): void {
    const before = this.#position
    this.#position = after ?? before
    if (changes.length > 0 || receipt !== undefined) {
      this.#options.sink.changed(changes, before, this.#position, receipt)
    }
  }

  /** Where the store has no revisions, an unchanged pair keeps its number over a new list. */
  #number(pair: RawPair, held: RawPair | undefined): void {
    if (this.#options.transport.capabilities.storeRevisions) return
    const same = held !== undefined && sameBytes(pair.value, held.value)
    pair.revision = same ? held.revision : this.#options.revisions.next()
  }
}

function positionOf(event: WatchEvent): Position | undefined {
  return 'position' in event ? event.position : undefined
}

/** Nobody goes on from a position of a transport that cannot. */
function withoutPosition(batch: Batch): Batch {
  if (!('position' in batch)) return batch
  const { position: _position, ...rest } = batch
  return rest
}

function weight(batch: Batch): number {
  if (batch.kind === 'changes') return batch.changes.length
  return batch.kind === 'pairs' ? batch.pairs.length : 1
}

/** True when both hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
