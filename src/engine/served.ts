import { InvalidKeyError } from '../api/errors.ts'
import type { Instrumentation, ServerKind } from '../api/instrumentation.ts'
import { assertKey, assertPrefix, compareKeys, hasPrefix } from '../api/key.ts'
import type { Page, PageOptions, Replacement, ReplaceResult, Served } from '../api/served.ts'
import type { TransportStatus } from '../api/status.ts'
import type {
  BatchStream,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
  Transport,
} from '../api/transport.ts'
import { listOf } from '../kit/list-of.ts'
import { PrefixIndex } from '../kit/prefix-index.ts'
import { pageOf } from './page.ts'
import type { Writer } from './writer.ts'

/** What an {@link EngineServed} needs of its engine. */
export interface ServedParts {
  readonly transport: Transport
  /** None inside another. */
  readonly prefixes: readonly string[]
  readonly io: Io
  readonly writer: Writer
  readonly instrumentation: Instrumentation
  /** Undefined once the transport is open; throws when it is closed. */
  readonly opened: () => Promise<void> | undefined
  readonly heard: <T>(answer: Promise<T>) => Promise<T>
  readonly ready: () => boolean
  readonly status: () => TransportStatus
  /** From the watch on `cover` that all share. @throws UnsupportedOptionError, ClosedError */
  readonly stream: (
    cover: readonly string[],
    prefixes: readonly string[],
    from: Position | undefined,
    signal: AbortSignal,
  ) => BatchStream
  /** With the revisions that the shared watch on `cover` shows. */
  readonly numbered: (cover: readonly string[], pairs: readonly RawPair[]) => readonly RawPair[]
  readonly replace: (
    prefixes: readonly string[],
    pairs: readonly Replacement[],
    options: CommitOptions,
  ) => Promise<ReplaceResult>
}

/** The door of an engine for servers of other processes: nothing outside its prefixes is reached through it. */
export class EngineServed implements Served {
  readonly #parts: ServedParts
  readonly #cover = new PrefixIndex<true>()

  constructor(parts: ServedParts) {
    this.#parts = parts
    for (const prefix of parts.prefixes) this.#cover.set(prefix, true)
  }

  get transport(): string {
    return this.#parts.transport.name
  }

  get capabilities(): Capabilities {
    // Of what is served: its streams come from a watch that numbers, and has a history.
    return { ...this.#parts.transport.capabilities, resumable: true, storeRevisions: true }
  }

  get prefixes(): readonly string[] {
    return this.#parts.prefixes
  }

  get io(): Io {
    return this.#parts.io
  }

  get ready(): boolean {
    return this.#parts.ready()
  }

  get status(): TransportStatus {
    return this.#parts.status()
  }

  async get(keys: readonly string[]): Promise<readonly RawPair[]> {
    for (const key of keys) this.#assertKey(key)
    await this.#parts.opened()
    const { transport, io } = this.#parts
    return this.#numbered(await this.#parts.heard(transport.get(keys, io)))
  }

  async list(prefix: string): Promise<readonly RawPair[]> {
    this.#assertPrefix(prefix)
    await this.#parts.opened()
    const { transport, io } = this.#parts
    const pairs = new Map<string, RawPair>()
    for await (const page of listOf(transport, prefix, io)) {
      for (const pair of page) if (hasPrefix(pair.key, prefix)) pairs.set(pair.key, pair)
    }
    return this.#numbered([...pairs.values()].sort((a, b) => compareKeys(a.key, b.key)))
  }

  async page(prefix: string, options: PageOptions): Promise<Page> {
    this.#assertPrefix(prefix)
    await this.#parts.opened()
    const { transport, io } = this.#parts
    const { after, limit } = options
    // One more tells whether there is another page.
    const list = listOf(transport, prefix, io, { after, limit: limit + 1 })
    const { pairs, more } = await pageOf(list, prefix, options)
    return { pairs: this.#numbered(pairs), more }
  }

  // Not async: servers pass many single operations.
  commit(ops: readonly Op[], options: CommitOptions): Promise<CommitResult> {
    try {
      for (const op of ops) {
        if (op.type === 'delete-prefix') this.#assertPrefix(op.prefix)
        else this.#assertKey(op.key)
      }
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#parts.writer.commit(ops, options)
  }

  async replace(
    prefixes: readonly string[],
    pairs: readonly Replacement[],
    options: CommitOptions,
  ): Promise<ReplaceResult> {
    for (const prefix of prefixes) this.#assertPrefix(prefix)
    await this.#parts.opened()
    return this.#parts.replace(prefixes, pairs, options)
  }

  stream(
    prefixes: readonly string[],
    from: Position | undefined,
    signal: AbortSignal,
  ): BatchStream {
    for (const prefix of prefixes) this.#assertPrefix(prefix)
    return this.#parts.stream(this.prefixes, prefixes, from, signal)
  }

  #numbered(pairs: readonly RawPair[]): readonly RawPair[] {
    return this.#parts.numbered(this.prefixes, pairs)
  }

  watching(server: ServerKind): () => void {
    const { instrumentation, transport } = this.#parts
    let open = true
    instrumentation.watchers?.({ transport: transport.name, server, change: 1 })
    return () => {
      if (!open) return
      open = false
      instrumentation.watchers?.({ transport: transport.name, server, change: -1 })
    }
  }

  #assertKey(key: string): void {
    // Not of our own capabilities: they are put together when they are asked for.
    assertKey(key, this.#parts.transport.capabilities.maxKeyBytes)
    if (!this.#cover.covers(key)) throw new InvalidKeyError(key, 'it is not served')
  }

  #assertPrefix(prefix: string): void {
    assertPrefix(prefix, this.#parts.transport.capabilities.maxKeyBytes)
    if (!this.#cover.covers(prefix)) throw new InvalidKeyError(prefix, 'it is not served')
  }
}
