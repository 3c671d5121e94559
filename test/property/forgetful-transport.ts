import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
  Transport,
} from '../../src/index.ts'
import { listOf } from '../../src/kit/list-of.ts'

/** A transport that may not go on from a position: a stream that is asked to lists again. */
export class ForgetfulTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs: number
  /** The reason that it gives; undefined: it goes on. */
  forget: 'reconnected' | 'compacted' | undefined
  readonly #inner: Transport

  constructor(inner: Transport) {
    this.#inner = inner
    this.name = inner.name
    this.capabilities = inner.capabilities
    this.livenessMs = inner.livenessMs ?? 0
  }

  open(io: Io): Promise<void> {
    return this.#inner.open(io)
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    const { forget } = this
    if (from === undefined || forget === undefined) {
      yield* this.#inner.stream(prefixes, from, io)
      return
    }
    yield { kind: 'reset', reason: forget }
    yield* this.#inner.stream(prefixes, undefined, io)
  }

  list(prefix: string, io: Io): AsyncIterable<readonly RawPair[]> {
    return listOf(this.#inner, prefix, io)
  }

  get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    return this.#inner.get(keys, io)
  }

  commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    return this.#inner.commit(ops, options, io)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
