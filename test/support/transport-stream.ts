import { randomUUID } from 'node:crypto'
import { systemClock } from '../../src/api/clock.ts'
import { silentLogger } from '../../src/api/logger.ts'
import type { Batch, CommitResult, Io, Op, Transport } from '../../src/api/transport.ts'
import { onTeardown } from './teardown.ts'
import { waitFor } from './wait-for.ts'

/** An {@link Io} with real time; `abort` aborts its signal. */
export function realIo(part: Partial<Io> = {}): Io & { abort(): void } {
  const controller = new AbortController()
  return {
    signal: controller.signal,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
    ...part,
    abort: () => controller.abort(),
  }
}

/** A prefix that no other test has. */
export function uniquePrefix(): string {
  return `/${randomUUID()}/`
}

/** Writes without a core above. */
export function commitTo(transport: Transport, ...ops: Op[]): Promise<CommitResult> {
  return transport.commit(ops, { waitFor: 'stored', timeoutMs: 10_000 }, realIo())
}

export function put(key: string, value: string, extra: Partial<Op> = {}): Op {
  return { type: 'put', key, value: Buffer.from(value), ...extra } as Op
}

/** One stream of a transport, read in the background and folded as the core does. */
export interface StreamProbe {
  /** What the batches add up to: values as text, equal exactly when the bytes are. */
  readonly state: ReadonlyMap<string, string>
  /** In their order, newest last; `progress` is only counted. */
  readonly batches: readonly Batch[]
  /** Complete lists so far, reconciles included. */
  readonly listed: number
  readonly resets: number
  readonly progress: number
  /** Why it ended by throwing. */
  readonly error: unknown
  readonly ended: boolean
  /** Waits until the folded state satisfies the condition. */
  until(condition: (state: ReadonlyMap<string, string>) => boolean, what?: string): Promise<void>
  /** Waits until so many lists are complete. */
  untilListed(count?: number): Promise<void>
  /** Waits for the stream's own end; its error. */
  failure(timeoutMs?: number): Promise<unknown>
  /** Every value that a key was seen to have, in order; undefined where it was deleted. */
  history(key: string): readonly (string | undefined)[]
  /** Aborts its signal and waits for its end. */
  stop(): Promise<void>
}

/** Begins to read; it is stopped when the test file is over. */
export function probeStream(
  transport: Transport,
  prefixes: readonly string[],
  part: Partial<Io> = {},
): StreamProbe {
  const probe = new Probe(transport, prefixes, part)
  onTeardown(() => probe.stop())
  return probe
}

class Probe implements StreamProbe {
  readonly batches: Batch[] = []
  state: Map<string, string> = new Map()
  listed = 0
  resets = 0
  progress = 0
  error: unknown
  ended = false
  readonly #io: ReturnType<typeof realIo>
  readonly #done: Promise<void>
  #staged: Map<string, string> | undefined = new Map()
  #named: Set<string> | undefined

  constructor(transport: Transport, prefixes: readonly string[], part: Partial<Io>) {
    this.#io = realIo(part)
    this.#done = this.#read(transport, prefixes)
  }

  async until(
    condition: (state: ReadonlyMap<string, string>) => boolean,
    what = 'the state',
  ): Promise<void> {
    await waitFor(() => condition(this.state) || this.#failed(), {
      describe: () => `${what}; ${this.#describe()}`,
    })
    this.#throwIfFailed()
  }

  async untilListed(count = 1): Promise<void> {
    await waitFor(() => this.listed >= count || this.#failed(), {
      timeoutMs: 30_000,
      describe: () => `list ${count}; ${this.#describe()}`,
    })
    this.#throwIfFailed()
  }

  async failure(timeoutMs = 20_000): Promise<unknown> {
    await waitFor(() => this.ended, { timeoutMs, describe: () => `the end; ${this.#describe()}` })
    return this.error
  }

  history(key: string): readonly (string | undefined)[] {
    return this.batches.flatMap((batch) => {
      if (batch.kind === 'pairs') {
        return batch.pairs.filter((pair) => pair.key === key).map(({ value }) => text(value))
      }
      if (batch.kind !== 'changes') return []
      return batch.changes.flatMap((change) => {
        if (change.type === 'delete') return change.key === key ? [undefined] : []
        return change.pair.key === key ? [text(change.pair.value)] : []
      })
    })
  }

  async stop(): Promise<void> {
    this.#io.abort()
    await this.#done
  }

  #failed(): boolean {
    return this.ended
  }

  #throwIfFailed(): void {
    if (this.ended) throw new Error('the stream has ended', { cause: this.error })
  }

  #describe(): string {
    const some = [...this.state].slice(0, 5).map(([key, value]) => `${key}=${value.slice(0, 20)}`)
    return `listed ${this.listed}, ${this.state.size} keys (${some.join(' ')}), error ${String(this.error)}`
  }

  async #read(transport: Transport, prefixes: readonly string[]): Promise<void> {
    try {
      for await (const batch of transport.stream(prefixes, undefined, this.#io)) this.#fold(batch)
    } catch (error) {
      this.error = error
    } finally {
      this.ended = true
    }
  }

  #fold(batch: Batch): void {
    if (batch.kind === 'progress') {
      this.progress++
      return
    }
    this.batches.push(batch)
    switch (batch.kind) {
      case 'reset':
        this.resets++
        this.#staged = new Map()
        this.#named = undefined
        return
      case 'pairs':
        // Without a reset a list amid changes is a reconcile.
        if (this.#staged === undefined) this.#named ??= new Set()
        for (const { key, value } of batch.pairs) {
          this.#named?.add(key)
          ;(this.#staged ?? this.state).set(key, text(value))
        }
        return
      case 'listed':
        if (this.#staged !== undefined) this.state = this.#staged
        else
          for (const key of this.state.keys())
            if (this.#named?.has(key) !== true) this.state.delete(key)
        this.#staged = undefined
        this.#named = undefined
        this.listed++
        return
      case 'changes':
        if (this.#staged !== undefined) throw new Error('changes before listed')
        for (const change of batch.changes) {
          if (change.type === 'put') this.state.set(change.pair.key, text(change.pair.value))
          else this.state.delete(change.key)
          this.#named?.add(change.type === 'put' ? change.pair.key : change.key)
        }
    }
  }
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString('latin1')
}
