import type { Batch, Io, Position } from '../../src/index.ts'
import { DelegatingTransport } from '../../src/testing/delegating-transport.ts'

/** A transport that may not go on from a position: a stream that is asked to lists again. */
export class ForgetfulTransport extends DelegatingTransport {
  /** The reason that it gives; undefined: it goes on. */
  forget: 'reconnected' | 'compacted' | undefined

  override async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    const { forget } = this
    if (from === undefined || forget === undefined) {
      yield* this.inner.stream(prefixes, from, io)
      return
    }
    yield { kind: 'reset', reason: forget }
    yield* this.inner.stream(prefixes, undefined, io)
  }
}
