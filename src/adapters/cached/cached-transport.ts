import {
  ClosedError,
  InvalidOptionError,
  isSyncError,
  UnsupportedOptionError,
} from '../../api/errors.ts'
import { assertPrefix } from '../../api/key.ts'
import {
  checkOptions,
  integerBetween,
  isMs,
  isString,
  isStrings,
  isTransport,
} from '../../api/options.ts'
import type { TransportStatus } from '../../api/status.ts'
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
} from '../../api/transport.ts'
import { listOf } from '../../kit/list-of.ts'
import { commonPrefixes, coverOf, PrefixIndex } from '../../kit/prefix-index.ts'
import { WatchCache } from '../../source/watch-cache.ts'

export interface CachedOptions {
  /** In events, metrics and errors; the name of what is cached. */
  readonly name?: string
  /** What is watched and held in memory; a watch outside of it is refused. All, as far as the transport can be watched. */
  readonly prefixes?: readonly string[]
  /** The latest changes that a returning watcher can go on behind; 10 000. */
  readonly historyLimit?: number
  /** Bytes of their keys and values; 64 MiB. */
  readonly historyBytes?: number
  /**
   * After a new list of the upstream its watchers list again, spread over 2 ms for each of them, but over no more than
   * this; 5 000.
   */
  readonly resetJitterMs?: number
}

/** One upstream watch for all watchers; everything else passes through. */
export class CachedTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  /** Its streams are of this process; the upstream's link is watched by its own watch. */
  readonly livenessMs = 0
  readonly #upstream: Transport
  readonly #options: CachedOptions
  readonly #prefixes: readonly string[]
  readonly #held = new PrefixIndex<true>()
  #cache: WatchCache | undefined
  /** By the last read or write; undefined before the first. */
  #answering: boolean | undefined
  #wasLive = false
  #lastFailure: unknown
  #closed = false

  constructor(upstream: Transport, options: CachedOptions = {}) {
    const problem = isTransport(upstream)
    if (problem !== undefined) throw new InvalidOptionError('transport', problem)
    checkOptions<CachedOptions>(options, {
      name: isString,
      prefixes: isStrings,
      historyLimit: integerBetween(0, Number.MAX_SAFE_INTEGER),
      historyBytes: integerBetween(0, Number.MAX_SAFE_INTEGER),
      resetJitterMs: isMs,
    })
    this.#upstream = upstream
    this.#options = options
    this.name = options.name ?? upstream.name
    this.#prefixes = heldPrefixes(upstream, options.prefixes)
    for (const prefix of this.#prefixes) this.#held.set(prefix, true)
    this.capabilities = {
      ...upstream.capabilities,
      // As far as its history goes, while it is open.
      resumable: true,
      // Its pairs are shared: nobody may number them again.
      storeRevisions: true,
      ...(this.#held.covers('') ? {} : { watchablePrefixes: this.#prefixes }),
    }
  }

  /** The upstream, whose trouble the streams do not show; while nobody watches, as reads and writes have found it. */
  get parts(): readonly TransportStatus[] {
    return [this.#watched() ?? this.#unwatched(), ...(this.#upstream.parts ?? [])]
  }

  /** Undefined where the watch cannot tell: a first list that is under way says nothing about the link. */
  #watched(): TransportStatus | undefined {
    const cache = this.#cache
    return cache?.status.state === 'live' && !cache.listed ? undefined : cache?.status
  }

  #unwatched(): TransportStatus {
    const { name, livenessMs = 0 } = this.#upstream
    // A store of this process is always there.
    const there = this.#answering ?? livenessMs === 0
    const state = there ? 'live' : this.#wasLive ? 'stale' : 'connecting'
    return { name, state, reconnects: 0, lastError: there ? undefined : this.#lastFailure }
  }

  async open(io: Io): Promise<void> {
    if (this.#closed) throw new ClosedError(this.name)
    await this.#upstream.open(io)
  }

  /** @throws UnsupportedOptionError (`SYNC_UNSUPPORTED_OPTION`) outside of what is held */
  stream(prefixes: readonly string[], from: Position | undefined, io: Io): BatchStream {
    return this.#stream(prefixes, from, io, false)
  }

  /** @throws UnsupportedOptionError (`SYNC_UNSUPPORTED_OPTION`) outside of what is held */
  sharedStream(prefixes: readonly string[], from: Position | undefined, io: Io): BatchStream {
    return this.#stream(prefixes, from, io, true)
  }

  async *list(prefix: string, io: Io, part?: ListPart): AsyncGenerator<readonly RawPair[]> {
    try {
      for await (const pairs of listOf(this.#upstream, prefix, io, part)) {
        yield this.#numbered(pairs)
      }
      this.#answered()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    return this.#numbered(await this.#heard(this.#upstream.get(keys, io)))
  }

  commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    return this.#heard(this.#upstream.commit(ops, options, io))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cache?.close()
    await this.#upstream.close()
  }

  #stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
    remote: boolean,
  ): BatchStream {
    for (const prefix of prefixes) {
      if (this.#held.covers(prefix)) continue
      const problem = `${JSON.stringify(prefix)} is not held`
      throw new UnsupportedOptionError('watch', this.name, problem)
    }
    this.#cache ??= this.#createCache(io)
    return this.#cache.stream({ prefixes, from, signal: io.signal, remote })
  }

  #createCache(io: Io): WatchCache {
    const { historyLimit, historyBytes, resetJitterMs } = this.#options
    const cache = new WatchCache({
      transport: this.#upstream,
      prefixes: this.#prefixes,
      io,
      historyLimit,
      historyBytes,
      resetJitterMs,
    })
    if (this.#closed) cache.close()
    return cache
  }

  async #heard<T>(answer: Promise<T>): Promise<T> {
    try {
      const result = await answer
      this.#answered()
      return result
    } catch (error) {
      throw this.#failed(error)
    }
  }

  #answered(): void {
    this.#answering = true
    this.#wasLive = true
  }

  #failed(error: unknown): unknown {
    if (isSyncError(error, 'SYNC_UNAVAILABLE')) {
      this.#answering = false
      this.#lastFailure = error
    }
    return error
  }

  #numbered(pairs: readonly RawPair[]): readonly RawPair[] {
    return this.#cache?.numbered(pairs) ?? pairs
  }
}

function heldPrefixes(upstream: Transport, wanted: readonly string[] | undefined): string[] {
  const { maxKeyBytes, watchablePrefixes = [''] } = upstream.capabilities
  if (wanted === undefined) return [...watchablePrefixes]
  for (const prefix of wanted) assertPrefix(prefix, maxKeyBytes)
  const prefixes = coverOf(wanted)
  const watchable = commonPrefixes(prefixes, watchablePrefixes)
  if (prefixes.some((prefix) => !watchable.includes(prefix))) {
    throw new InvalidOptionError('prefixes', `${upstream.name} cannot be watched there`)
  }
  return prefixes
}
