import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import type { TransportStatus } from './status.ts'

/** A pair as a transport hands it over; it belongs to the core from then on. */
export interface RawPair {
  readonly key: string
  /** Never changed by anybody once handed over. */
  readonly value: Uint8Array
  /** The store's revision. Transports without `storeRevisions` say 0 and the core numbers the pair. */
  revision: number
  /** May be a getter, where computing it costs. */
  readonly version: string
}

/** One observed change. */
export type RawChange =
  | { readonly type: 'put'; readonly pair: RawPair }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number }

/** Opaque: where in a source's stream a watch can go on; names the source's epoch too. */
export type Position = string

/**
 * How a transport learns what became of a batch of changes in the serving process (`waitFor: 'applied'`).
 * One receipt per stream that carries the batch: `routed` comes once, then `answered` or `left` once per name.
 */
export interface Receipt {
  /** The registrations that will answer; none when nobody watches. */
  routed(registrations: readonly string[]): void
  /** A registration's first `done`; with an error it refused. */
  answered(registration: string, error?: unknown): void
  /** A registration closed before it answered. */
  left(registration: string): void
}

/**
 * What `stream` yields: `pairs`, …, `listed`, then `changes` and `progress`; after a `reset` pairs again.
 * A batch of changes holds whole transactions; its position is the border behind them. Once listed, `pairs`, …,
 * `listed` without a `reset` is a reconcile: pairs are present values in the order of the changes around them, and what
 * neither they nor changes have named by `listed` is gone; the differences become CHANGEs.
 */
export type Batch =
  | { readonly kind: 'pairs'; readonly pairs: readonly RawPair[] }
  | { readonly kind: 'listed'; readonly position?: Position }
  | {
      readonly kind: 'changes'
      readonly changes: readonly RawChange[]
      readonly position?: Position
      readonly receipt?: Receipt
    }
  | { readonly kind: 'progress'; readonly position?: Position }
  | { readonly kind: 'reset'; readonly reason: 'reconnected' | 'compacted' }

/** What `stream` returns; an async generator is one. */
export interface BatchStream extends AsyncIterable<Batch> {
  [Symbol.asyncIterator](): BatchIterator
}

export interface BatchIterator extends AsyncIterator<Batch> {
  /**
   * What `next` would give at once; undefined when it would wait, end or throw. Optional: it saves the promises where
   * many small batches come in a burst.
   */
  poll?(): Batch | undefined
}

export type Op =
  | {
      readonly type: 'put'
      readonly key: string
      readonly value: Uint8Array
      /** Time to live in ms; without it an earlier one is cleared. */
      readonly ttlMs?: number
      readonly ifVersion?: string
      readonly ifAbsent?: boolean
    }
  | { readonly type: 'delete'; readonly key: string; readonly ifVersion?: string }
  | { readonly type: 'delete-prefix'; readonly prefix: string }

export interface CommitOptions {
  readonly waitFor: 'stored' | 'applied'
  /** Of the whole commit, `applied` included. */
  readonly timeoutMs: number
}

export interface CommitResult {
  /** Per operation: the version of what was put; undefined for deletes. */
  readonly versions: readonly (string | undefined)[]
  /** How many keys deletes took away; absent where unknown. */
  readonly deleted?: number
  /** With `applied`: how many registrations said done. */
  readonly receivers?: number
}

/** The part of a list that is wanted. */
export interface ListPart {
  /** Keys behind this one. */
  readonly after?: string | undefined
  /** The lowest, so many. */
  readonly limit: number
}

/** What a transport can do; the contract suite runs the parts that are claimed. */
export interface Capabilities {
  /** `stream` can go on from a position. */
  readonly resumable: boolean
  /** Pairs and changes carry the store's own growing revision (C5: repeats are told by it, else by the bytes). */
  readonly storeRevisions: boolean
  readonly ttl: boolean
  readonly conditionalPut: boolean
  readonly transactions: boolean
  /** Prefix delete is one atomic step. */
  readonly prefixDelete: boolean
  readonly waitForApplied: boolean
  /** Runs in a browser. */
  readonly browser: boolean
  /** Changes arrive in the source's order across keys (C2); false. */
  readonly ordered?: boolean
  /** The largest value in bytes; no limit. */
  readonly maxValueBytes?: number
  /** False where the store can be read but not watched: `watch` is refused at once. */
  readonly watchable?: boolean
  /**
   * Where the store can be watched only under these prefixes (`cached` with `prefixes`): a watch outside of them is
   * refused at once. Absent: everywhere.
   */
  readonly watchablePrefixes?: readonly string[]
  /** The longest key in bytes, when it is less than 1 024. */
  readonly maxKeyBytes?: number
}

/** What every call of a transport gets. */
export interface Io {
  /** Aborted when the caller no longer wants the result. */
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
}

/**
 * What an adapter implements (datasync.md §4). Everything else — retry, back-off, resync after lost history,
 * previous values, queues, acknowledgement — is done by the core.
 */
export interface Transport {
  /** Appears in events, metrics and errors. */
  readonly name: string
  readonly capabilities: Capabilities
  /**
   * Networked transports: the core gives a stream up as lost when no batch came for this long, so `stream` has to
   * yield a `progress` at least every half of it while the link is proven alive. 0 (default) = local, never lost.
   */
  readonly livenessMs?: number
  /** Of a transport that is made of others, and keeps their trouble to itself: how each of them is. */
  readonly parts?: readonly TransportStatus[] | undefined
  /**
   * Idempotent. Rejects for what waiting cannot mend: bad URL, refused credentials or certificate, a missing server
   * setting, a held lock. An unreachable server is no error.
   */
  open(io: Io): Promise<void>
  /**
   * Lists and watches in one call, because sources differ in the order. It ends by throwing, or with the signal; the
   * core calls it again. With `from` it goes on behind that position, or yields `reset` and lists. Pairs and changes
   * outside the prefixes may be yielded; the core drops them.
   */
  stream(prefixes: readonly string[], from: Position | undefined, io: Io): BatchStream
  /**
   * As `stream`, for a reader of another process, from one watch that all of them share: batches carry no receipts
   * (datasync.md §5: remote watchers do not count for `applied`), and readers of equal prefixes get the same batch
   * objects. Optional: for transports that hold such a watch; the core makes one above others.
   */
  sharedStream?(prefixes: readonly string[], from: Position | undefined, io: Io): BatchStream
  /**
   * The pairs under a prefix, once, in any order, in bounded batches. Optional: without it a stream is opened, and left
   * when it has listed. With `part`, a store that is sorted by UTF-8 bytes may leave out what is not in it; others give
   * all.
   */
  list?(prefix: string, io: Io, part?: ListPart): AsyncIterable<readonly RawPair[]>
  /** The pairs of those keys that exist, in any order. */
  get(keys: readonly string[], io: Io): Promise<readonly RawPair[]>
  /**
   * All or nothing where `transactions`; several operations are never passed elsewhere. No driver may apply a write
   * twice. @throws TransportUnavailableError with `outcome`, VersionConflictError, PayloadTooLargeError,
   * UnsupportedOptionError
   */
  commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult>
  /** Idempotent. Afterwards no socket, timer or server-side watch is left. */
  close(): Promise<void>
}
