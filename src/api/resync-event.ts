import type { Delivery, KeyVal } from './change-event.ts'

/** Why a registration gets its complete state; of several reasons the earliest. */
export type ResyncReason =
  | 'startup'
  | 'requested'
  | 'reconnected'
  | 'compacted'
  | 'overflow'
  | 'refused'
  | 'prefix-changed'

/**
 * The complete state under a registration's prefixes: a frozen view of the source at its delivery.
 * The iterables may be walked later and again.
 */
export interface ResyncEvent extends Delivery {
  readonly kind: 'resync'
  readonly reason: ResyncReason
  /** The transport's name. */
  readonly source: string
  /** Every prefix of the registration, empty or not; keys ascending by UTF-8 bytes. */
  readonly values: ReadonlyMap<string, Iterable<KeyVal>>
}
