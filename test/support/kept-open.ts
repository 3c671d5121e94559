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

/** One agent's hold on a store that outlives it: closing it leaves the store open for others. */
export class KeptOpen implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs: number
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

  stream(prefixes: readonly string[], from: Position | undefined, io: Io): AsyncIterable<Batch> {
    return this.#inner.stream(prefixes, from, io)
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

  async close(): Promise<void> {}
}
