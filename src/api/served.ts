import type { ServerKind } from './instrumentation.ts'
import type { TurnOutcome } from './run-report.ts'
import type { TransportStatus } from './status.ts'
import type {
  BatchStream,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
} from './transport.ts'

export interface ServedOptions {
  /** One of the agent's further transports, by its name; its first one. */
  readonly transport?: string
  /**
   * What may be seen and written through it: keys under these; all. What remote watchers share is one watch on them,
   * held in memory.
   */
  readonly prefixes?: readonly string[]
}

/** Whatever can be served to other processes: an `Agent`. */
export interface Servable {
  /** @throws InvalidOptionError (`SYNC_INVALID_OPTION`), InvalidKeyError (`SYNC_INVALID_KEY`) */
  served(options?: ServedOptions): Served
}

export interface PageOptions {
  /** Keys behind this one; from the first. */
  readonly after?: string | undefined
  /** At most so many pairs. */
  readonly limit: number
}

/** Keys ascending (UTF-8). */
export interface Page {
  readonly pairs: readonly RawPair[]
  /** There are keys behind the last one. */
  readonly more: boolean
}

/** One item of {@link Served.replace}. */
export interface Replacement {
  readonly key: string
  readonly value: Uint8Array
  readonly ttlMs?: number
}

/** What a registration said to the RESYNC of a replacement. */
export interface ReplaceTurn {
  readonly registration: string
  readonly prefixes: readonly string[]
  readonly outcome: TurnOutcome
  /** Why it refused. */
  readonly error?: unknown
}

export interface ReplaceResult {
  /** Keys written because their bytes were others, or absent. */
  readonly put: number
  readonly deleted: number
  /** Version per key that is there now. */
  readonly versions: ReadonlyMap<string, string>
  /** With `applied`: in registration order; else none. */
  readonly turns: readonly ReplaceTurn[]
}

/**
 * One transport of an agent as it is served to other processes (REST, gRPC, dashboard). Every key and option is
 * checked at this door; receivers of the agent answer writes with `applied`, remote watchers never do (datasync.md §5).
 */
export interface Served {
  readonly transport: string
  /** Of what is served: `resumable` as far as the history of the shared watch goes, and with revisions. */
  readonly capabilities: Capabilities
  readonly prefixes: readonly string[]
  /** Clock, randomness and logger of the agent; the signal is aborted when it closes. */
  readonly io: Io
  /** The startup run has begun and the agent is not closed. */
  readonly ready: boolean
  readonly status: TransportStatus
  /** The pairs of those keys that exist, in any order. @throws InvalidKeyError, TransportUnavailableError, ClosedError */
  get(keys: readonly string[]): Promise<readonly RawPair[]>
  /** Keys ascending (UTF-8). @throws InvalidKeyError, TransportUnavailableError, ClosedError */
  list(prefix: string): Promise<readonly RawPair[]>
  /**
   * A part of {@link list}, in memory for one page only. Sorted stores (LMDB, etcd) read little more than that; others
   * are listed all the same.
   * @throws InvalidKeyError, TransportUnavailableError, ClosedError
   */
  page(prefix: string, options: PageOptions): Promise<Page>
  /**
   * As {@link Transport.commit}, after the checks that a writer of this process gets: rules of keys, sizes, what the
   * transport supports. An op without effect on the served prefixes is refused with InvalidKeyError.
   */
  commit(ops: readonly Op[], options: CommitOptions): Promise<CommitResult>
  /**
   * Makes the pairs everything that there is under the prefixes, in one transaction; what is absent is deleted, what is
   * the same is not written. The registrations that watch there get one RESYNC (`requested`) each, in registration
   * order, in place of CHANGEs. With `applied` it resolves when the last has answered, else when it is stored.
   * @throws InvalidKeyError, InvalidOptionError, UnsupportedOptionError (no transactions), PayloadTooLargeError,
   * TransportUnavailableError, TimeoutError, ClosedError
   */
  replace(
    prefixes: readonly string[],
    pairs: readonly Replacement[],
    options: CommitOptions,
  ): Promise<ReplaceResult>
  /**
   * As {@link Transport.stream}, from one watch that all share: pairs up to listed, then changes. Positions are the
   * served stream's own and resume as far as its bounded history goes. A reader that is too slow gets a reset. Equal
   * prefixes share batch objects, so that an encoding may be kept by them in a WeakMap; none carries a receipt. It ends
   * with the signal, and throws ClosedError when the agent closes.
   * @throws InvalidKeyError, UnsupportedOptionError where the transport cannot be watched, ClosedError
   */
  stream(prefixes: readonly string[], from: Position | undefined, signal: AbortSignal): BatchStream
  /** Counts one remote watcher in the metrics, until the returned function is called. */
  watching(server: ServerKind): () => void
}
