import type { MessageType } from './message.ts'

/** A value that is decoded when asked for. */
export interface LazyValue {
  /**
   * Decodes the value; the same type gives the same message again, the receiver's own copy (C9).
   * @throws DecodeError (`SYNC_DECODE`); the stream goes on
   */
  getValue<T>(type: MessageType<T>): T
  /** The receiver's own copy (C9). May be a part of a larger buffer, as those of Node are: mind `byteOffset`. */
  readonly bytes: Uint8Array
}

/** One pair as it is seen at one moment. */
export interface KeyVal extends LazyValue {
  readonly key: string
  /** Grows with every observed change of a key inside one open transport; for order and logs only. */
  readonly revision: number
  /** Opaque token of the key's state for `ifVersion`; compared for equality only. */
  readonly version: string
}

/** What a receiver says about an event. */
export interface Delivery {
  /** Aborted at the event's timeout, at close and when a reset voids the event. */
  readonly signal: AbortSignal
  /** Restarts the timeout. */
  working(): void
  /** Processed, or with an error refused (C6, C7). The first call counts (C12). */
  done(error?: unknown): void
}

/** One key's put or delete. */
export interface Change extends Delivery {
  readonly kind: 'change'
  readonly key: string
  readonly revision: number
  /** The transport's name. */
  readonly source: string
  /** What the fold held for the key just before; absent: no such key (C4). */
  readonly prev?: KeyVal
  /** Decodes the previous value; undefined when there was none. @throws DecodeError */
  getPrevValue<T>(type: MessageType<T>): T | undefined
}

export interface PutEvent extends Change, KeyVal {
  readonly changeType: 'put'
  readonly key: string
  readonly revision: number
}

export interface DeleteEvent extends Change {
  readonly changeType: 'delete'
  readonly prev: KeyVal
}

export type ChangeEvent = PutEvent | DeleteEvent
