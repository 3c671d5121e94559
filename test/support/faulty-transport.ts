import { TransportUnavailableError } from '../../src/api/errors.ts'
import type {
  Batch,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  Transport,
} from '../../src/api/transport.ts'
import { FaultyStream } from './faulty-stream.ts'
import { DelegatingTransport } from '../../src/testing/delegating-transport.ts'

/**
 * Wraps a transport and breaks its streams on command, as links and servers do. Reads pass through; commits too, unless
 * `loseAnswers`.
 */
export class FaultyTransport extends DelegatingTransport {
  /** Waits before each batch, by the clock of the stream; 0. */
  delayMs = 0
  /** While true, a new stream fails at once. */
  unreachable = false
  /** While true, a commit is applied and fails with `outcome: 'unknown'`. */
  loseAnswers = false
  readonly #streams = new Set<FaultyStream>()
  #opened = 0
  #hanging = false
  #listFailsAfter: number | undefined

  constructor(inner: Transport, options: { readonly livenessMs?: number } = {}) {
    super(inner, options)
  }

  /** Streams opened so far. */
  get opened(): number {
    return this.#opened
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size
  }

  get hanging(): boolean {
    return this.#hanging
  }

  /** Ends the present streams with an error; batches that were not read are lost. */
  failStreams(error: unknown = this.#unavailable('the link was cut')): void {
    for (const stream of this.#streams) stream.fail(error)
  }

  /** The next list of a stream fails after so many of its batches; once, then lists work again. */
  failListAfter(batches: number): void {
    this.#listFailsAfter = batches
  }

  /** Present and new streams give no more batches and do not end, until `resume`: half-open. */
  hang(): void {
    this.#hanging = true
    for (const stream of this.#streams) stream.hang()
  }

  /** What was held comes now. */
  resume(): void {
    this.#hanging = false
    for (const stream of this.#streams) stream.resume()
  }

  /** No fault from now on; broken streams stay broken. */
  heal(): void {
    this.delayMs = 0
    this.unreachable = false
    this.loseAnswers = false
    this.#listFailsAfter = undefined
    this.resume()
  }

  override async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    if (this.unreachable) throw this.#unavailable('not reachable')
    const stream = new FaultyStream(io, (own) => this.inner.stream(prefixes, from, own))
    this.#streams.add(stream)
    this.#opened++
    if (this.#hanging) stream.hang()
    let listing = from === undefined
    let listed = 0
    try {
      for (;;) {
        const batch = await stream.next(this.delayMs)
        if (batch === undefined) return
        if (batch.kind === 'reset') {
          listing = true
          listed = 0
        }
        const inList = listing && batch.kind !== 'reset'
        if (inList && this.#listFailsAfter !== undefined && listed >= this.#listFailsAfter) {
          this.#listFailsAfter = undefined
          throw this.#unavailable('the link was cut in the list')
        }
        if (batch.kind === 'listed') listing = false
        if (batch.kind === 'pairs') listed++
        yield batch
      }
    } finally {
      this.#streams.delete(stream)
      stream.close()
    }
  }

  override async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const result = await this.inner.commit(ops, options, io)
    if (!this.loseAnswers) return result
    throw new TransportUnavailableError(this.name, 'the answer was lost', { outcome: 'unknown' })
  }

  #unavailable(problem: string): TransportUnavailableError {
    return new TransportUnavailableError(this.name, problem)
  }
}
