import { TransportUnavailableError } from '../api/errors.ts'
import type { Batch, Io, Position } from '../api/transport.ts'
import { DelegatingTransport } from './delegating-transport.ts'

/** A transport whose open streams a test can break, as a lost link does; reads and writes pass. */
export class Interruptible extends DelegatingTransport {
  readonly #streams = new Set<AbortController>()
  #forget: 'reconnected' | 'compacted' | undefined
  #held: Promise<void> | undefined
  /** Streams that were asked for. */
  streams = 0

  /** Breaks every open stream. With a reason, the streams that follow begin with a reset and list again. */
  cut(forget?: 'reconnected' | 'compacted'): void {
    this.#forget = forget
    for (const stream of this.#streams) stream.abort()
  }

  /** Streams that are asked for from now on wait until the returned function is called. */
  hold(): () => void {
    let release!: () => void
    this.#held = new Promise((resolve) => {
      release = resolve
    })
    return () => {
      this.#held = undefined
      release()
    }
  }

  override async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    this.streams++
    const cut = new AbortController()
    this.#streams.add(cut)
    try {
      if (this.#held !== undefined) await this.#held
      const forget = from === undefined ? undefined : this.#forget
      if (forget !== undefined) yield { kind: 'reset', reason: forget }
      const signal = AbortSignal.any([io.signal, cut.signal])
      yield* this.inner.stream(prefixes, forget === undefined ? from : undefined, {
        ...io,
        signal,
      })
      throw new TransportUnavailableError(this.name, 'the link was cut')
    } finally {
      this.#streams.delete(cut)
    }
  }
}
