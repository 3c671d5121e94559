import type { Observable } from 'rxjs'
import type { Message } from './message.ts'

export interface WaitOptions {
  /** `stored`, or `applied`: every matching receiver of the serving process has said done (datasync.md §5). */
  readonly waitFor?: 'stored' | 'applied'
  /** Of the whole write, in ms; 10 000. */
  readonly timeoutMs?: number
}

export interface PutConditions {
  /** Write only when the key is at this version. */
  readonly ifVersion?: string
  /** Write only when there is no such key. */
  readonly ifAbsent?: boolean
}

export interface PutOptions extends WaitOptions, PutConditions {
  /** The key vanishes after this time, in ms; a put without it clears an earlier one. */
  readonly ttlMs?: number
}

export interface DelOptions extends WaitOptions {
  /** Deletes every key that begins with the given one; the empty one deletes all. */
  readonly prefix?: boolean
  readonly ifVersion?: string
}

export interface PutResult {
  readonly version: string
  /** With `applied`: how many registrations said done. */
  readonly receivers?: number
}

export interface DeleteResult {
  /** How many keys were there; absent where unknown. */
  readonly deleted?: number
  readonly receivers?: number
}

export interface TransactionResult {
  /** Version per key that was put. */
  readonly versions: ReadonlyMap<string, string>
  readonly deleted?: number
  readonly receivers?: number
}

/** Collects puts and deletes, each key once; all or nothing at `commit`. */
export interface Transaction {
  /** @throws InvalidKeyError, InvalidOptionError when the key is in the transaction already */
  put(key: string, message: Message, options?: PutConditions & { readonly ttlMs?: number }): this
  delete(key: string, options?: { readonly ifVersion?: string }): this
  /** Once. @throws VersionConflictError, UnsupportedOptionError, TransportUnavailableError, ClosedError */
  commit(options?: WaitOptions): Promise<TransactionResult>
}

export type Publication =
  | ({ readonly key: string; readonly message: Message; readonly delete?: false } & PutOptions)
  | ({ readonly key: string; readonly delete: true } & Omit<DelOptions, 'prefix'>)

export type PublishResult =
  | {
      readonly ok: true
      readonly key: string
      readonly version?: string
      readonly deleted?: number
    }
  | { readonly ok: false; readonly key: string; readonly error: unknown }

export interface KeyProtoValWriter {
  /**
   * @throws InvalidKeyError, InvalidOptionError, UnsupportedOptionError, PayloadTooLargeError, VersionConflictError,
   * RefusedError, TransportUnavailableError and TimeoutError (both with `outcome`), ClosedError
   */
  put(key: string, message: Message, options?: PutOptions): Promise<PutResult>
  delete(key: string, options?: DelOptions): Promise<DeleteResult>
  txn(): Transaction
  /**
   * Writes what comes: at most 256 under way, one result per input, in order; a failed input is a result, not the end.
   * An AsyncIterable is pulled no faster; an Observable is queued up to 10 000 inputs, further ones fail (`SYNC_OVERFLOW`).
   */
  publish(changes: Observable<Publication> | AsyncIterable<Publication>): Observable<PublishResult>
}
