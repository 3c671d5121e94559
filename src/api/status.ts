import type { ResyncReason } from './resync-event.ts'

/** What a registration is doing. `live` means: its RESYNC is acknowledged and the stream is open (W20). */
export type RegistrationState =
  | 'waiting' // for the source's first list, or for a subscriber
  | 'resyncing' // a RESYNC is owed or being handled
  | 'backing-off' // after a refusal
  | 'live'
  | 'stale' // acknowledged, but the source's link is down
  | 'closed'

export interface LastResync {
  readonly reason: ResyncReason
  /** When it was delivered, ms since the epoch. */
  readonly at: number
  /** Until `done`; undefined while it is open. */
  readonly durationMs: number | undefined
  /** How many pairs the view holds (a pair under two prefixes counts once). */
  readonly pairs: number
  readonly outcome: 'open' | 'acked' | 'refused' | 'timeout' | 'voided'
}

export interface RegistrationStatus {
  readonly state: RegistrationState
  /** Changes queued. */
  readonly pending: number
  /** Their size in bytes. */
  readonly pendingBytes: number
  /** Events delivered and not yet answered: 0 or 1. */
  readonly inFlight: number
  /** How long the oldest change that is not answered has waited, or the open RESYNC, in ms; 0 when nothing waits. */
  readonly lagMs: number
  /** Refusals and timeouts since the start. */
  readonly refusals: number
  readonly lastError: unknown
  readonly lastResync: LastResync | undefined
}

/** connecting: never live yet; stale: the link is lost and being mended. */
export type TransportState = 'connecting' | 'live' | 'stale' | 'closed'

export interface TransportStatus {
  readonly name: string
  readonly state: TransportState
  /** Times that a stream had to be opened again. */
  readonly reconnects: number
  readonly lastError: unknown
}
