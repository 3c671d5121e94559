import type { ResyncReason } from './resync-event.ts'

/** How a registration's turn ended. `passed-over`: not ready or not live; its RESYNC comes by itself later. */
export type TurnOutcome =
  | 'acked'
  | 'refused'
  | 'timeout'
  | 'voided'
  | 'closed'
  | 'passed-over'
  | 'resumed'

export interface TurnReport {
  readonly name: string
  readonly outcome: TurnOutcome
  /** How many pairs the RESYNC held; 0 when there was none. */
  readonly pairs: number
  readonly durationMs: number
}

/** What a run did, in registration order. */
export interface RunReport {
  readonly reason: ResyncReason
  /** ms since the epoch */
  readonly startedAt: number
  readonly durationMs: number
  readonly turns: readonly TurnReport[]
}
