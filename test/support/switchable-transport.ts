import { TransportUnavailableError } from '../../src/index.ts'
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

/** A transport that can be put out of reach: its streams break, everything else fails as not applied. */
export class SwitchableTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs: number
  readonly #inner: Transport
  readonly #streams = new Set<AbortController>()
  #reachable = true
  /** When set, streams of this transport do not resume. */
  readonly #forgetful: boolean

  constructor(
    inner: Transport,
    options: { name?: string; forgetful?: boolean; livenessMs?: number } = {},
  ) {
    this.#inner = inner
    this.name = options.name ?? inner.name
    this.#forgetful = options.forgetful ?? false
    this.livenessMs = options.livenessMs ?? 0
    this.capabilities = { ...inner.capabilities, resumable: !this.#forgetful }
  }

  cut(): void {
    this.#reachable = false
    for (const stream of this.#streams) stream.abort()
  }

  restore(): void {
    this.#reachable = true
  }

  open(io: Io): Promise<void> {
    return this.#inner.open(io)
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    this.#assertReachable()
    const cut = new AbortController()
    this.#streams.add(cut)
    const signal = AbortSignal.any([io.signal, cut.signal])
    try {
      yield* this.#inner.stream(prefixes, this.#forgetful ? undefined : from, { ...io, signal })
    } finally {
      this.#streams.delete(cut)
    }
    this.#assertReachable()
  }

  async *list(prefix: string, io: Io): AsyncGenerator<readonly RawPair[]> {
    this.#assertReachable()
    yield* listOf(this.#inner, prefix, io)
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    this.#assertReachable()
    return this.#inner.get(keys, io)
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    this.#assertReachable()
    return this.#inner.commit(ops, options, io)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #assertReachable(): void {
    if (!this.#reachable) throw new TransportUnavailableError(this.name, 'switched off')
  }
}
