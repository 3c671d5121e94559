import { TransportUnavailableError } from '../../src/index.ts'
import type {
  Batch,
  CommitOptions,
  CommitResult,
  Io,
  ListPart,
  Op,
  Position,
  RawPair,
  Transport,
} from '../../src/index.ts'
import { DelegatingTransport } from '../../src/testing/delegating-transport.ts'

/** A transport that can be put out of reach: its streams break, everything else fails as not applied. */
export class SwitchableTransport extends DelegatingTransport {
  readonly #streams = new Set<AbortController>()
  #reachable = true
  /** When set, streams of this transport do not resume. */
  readonly #forgetful: boolean

  constructor(
    inner: Transport,
    options: { name?: string; forgetful?: boolean; livenessMs?: number } = {},
  ) {
    const { forgetful = false, ...named } = options
    super(inner, {
      livenessMs: 0,
      ...named,
      capabilities: { ...inner.capabilities, resumable: !forgetful },
    })
    this.#forgetful = forgetful
  }

  cut(): void {
    this.#reachable = false
    for (const stream of this.#streams) stream.abort()
  }

  restore(): void {
    this.#reachable = true
  }

  override async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    this.#assertReachable()
    const cut = new AbortController()
    this.#streams.add(cut)
    const signal = AbortSignal.any([io.signal, cut.signal])
    try {
      yield* this.inner.stream(prefixes, this.#forgetful ? undefined : from, { ...io, signal })
    } finally {
      this.#streams.delete(cut)
    }
    this.#assertReachable()
  }

  override async *list(
    prefix: string,
    io: Io,
    part?: ListPart,
  ): AsyncGenerator<readonly RawPair[]> {
    this.#assertReachable()
    yield* super.list(prefix, io, part)
  }

  override async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    this.#assertReachable()
    return super.get(keys, io)
  }

  override async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    this.#assertReachable()
    return super.commit(ops, options, io)
  }

  #assertReachable(): void {
    if (!this.#reachable) throw new TransportUnavailableError(this.name, 'switched off')
  }
}
