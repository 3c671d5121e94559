import type { ResyncReason } from '../api/resync-event.ts'
import type { RunReport } from '../api/run-report.ts'
import type { LastResync } from '../api/status.ts'

/** How a RESYNC ended. */
export type ResyncOutcome = 'acked' | 'refused' | 'timeout' | 'voided' | 'closed'

/** What decides about RESYNCs sees of a registration. */
export interface ResyncTarget {
  readonly name: string
  readonly transportName: string
  readonly closed: boolean
  /** How many RESYNCs were delivered. */
  readonly resyncs: number
  /** Everything that it watches is listed and its stream open. */
  readonly sourceLive: boolean
  /** A RESYNC is acknowledged, or a checkpoint stands for it, and none is owed. */
  readonly upToDate: boolean
  /** Until the open event's timeout, in ms; 0 when nothing is open. */
  readonly openForMs: number
  readonly lastResync: LastResync | undefined
  /** Called on every `working()` of the open event. */
  onWorking: (() => void) | undefined
  /** A RESYNC is owed from now on; an earlier reason goes first. */
  request(reason: ResyncReason): void
  /** The RESYNC that is owed may be delivered as soon as it can be. */
  grant(): void
  /** Takes a grant back that was not used; false when there is none. */
  revoke(): boolean
  /** The receiver says that its data is not right (§7): a RESYNC after a back-off. */
  reportError(error: unknown): void
}

/**
 * Decides when a registration may deliver the RESYNC that it owes. `source`: the source was listed anew, everyone on it
 * owes one; `own`: it is this registration's alone.
 */
export interface ResyncGate {
  /** The startup run has begun. */
  readonly started: boolean
  /** RESYNCs these in registration order. @throws ClosedError */
  resync(names: readonly string[]): Promise<RunReport>
  due(target: ResyncTarget, reason: ResyncReason, origin: 'source' | 'own'): void
  ended(target: ResyncTarget, outcome: ResyncOutcome): void
  /** Something that a turn may wait for has changed: a subscriber, the open event, the source. */
  changed(target: ResyncTarget): void
}
