import type {
  BatchStream,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  ListPart,
  Op,
  Position,
  RawPair,
  Transport,
} from '../api/transport.ts'
import { listOf } from '../kit/list-of.ts'

/** Passes every call on to another transport; subclasses override what they change. */
export class DelegatingTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs: number
  protected readonly inner: Transport

  /** `changed` is what it says of itself otherwise than the inner one. */
  constructor(
    inner: Transport,
    changed: Partial<Pick<Transport, 'name' | 'capabilities' | 'livenessMs'>> = {},
  ) {
    this.inner = inner
    this.name = changed.name ?? inner.name
    this.capabilities = changed.capabilities ?? inner.capabilities
    this.livenessMs = changed.livenessMs ?? inner.livenessMs ?? 0
  }

  open(io: Io): Promise<void> {
    return this.inner.open(io)
  }

  stream(prefixes: readonly string[], from: Position | undefined, io: Io): BatchStream {
    return this.inner.stream(prefixes, from, io)
  }

  list(prefix: string, io: Io, part?: ListPart): AsyncIterable<readonly RawPair[]> {
    return listOf(this.inner, prefix, io, part)
  }

  get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    return this.inner.get(keys, io)
  }

  commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    return this.inner.commit(ops, options, io)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}
