import type { ResyncReason } from '../api/resync-event.ts'
import type { Registration } from './registration.ts'

/** How a RESYNC ended. */
export type ResyncOutcome = 'acked' | 'refused' | 'timeout' | 'voided' | 'closed'

/**
 * Decides when a registration may deliver the RESYNC that it owes. `source`: the source was listed anew, everyone on it
 * owes one; `own`: it is this registration's alone.
 */
export interface ResyncGate {
  due(registration: Registration, reason: ResyncReason, origin: 'source' | 'own'): void
  ended(registration: Registration, outcome: ResyncOutcome): void
  /** Something that a turn may wait for has changed: a subscriber, the open event, the source. */
  changed(registration: Registration): void
}
