import type { ResyncReason } from './resync-event.ts'
import type { SyncErrorCode } from './errors.ts'
import type { RegistrationStatus, TransportStatus } from './status.ts'

/** How an event ended. */
export type EventResult = 'acked' | 'refused' | 'timeout' | 'voided'

/**
 * What the core tells telemetry. Every method is optional and must not throw; values come from closed sets or are
 * names of transports and registrations, never keys or prefixes.
 */
export interface Instrumentation {
  /** Wraps the handling of one event: called when it is delivered; the returned function when it has ended. */
  handling?(event: {
    readonly transport: string
    readonly registration: string
    readonly kind: 'resync' | 'change'
    readonly reason?: ResyncReason
    readonly pairs?: number
  }): (result: EventResult, error?: unknown) => void
  /** Runs a receiver inside the handling's context, so that its own spans become children. */
  within?<T>(receiver: () => T): T
  overflow?(event: { readonly transport: string; readonly registration: string }): void
  reconnect?(event: { readonly transport: string; readonly code: SyncErrorCode | 'OTHER' }): void
  /** Changes handed over by a transport; `lagMs` between commit and dispatch where it is known. */
  changes?(event: { readonly transport: string; readonly count: number }): void
  write?(event: {
    readonly transport: string
    readonly result: 'ok' | SyncErrorCode | 'OTHER'
    readonly durationMs: number
  }): void
  /** From now on `status` can be read at any time, until `unregistered`. */
  registered?(event: {
    readonly transport: string
    readonly registration: string
    readonly status: () => RegistrationStatus
  }): void
  unregistered?(event: { readonly transport: string; readonly registration: string }): void
  attached?(event: { readonly transport: string; readonly status: () => TransportStatus }): void
  detached?(event: { readonly transport: string }): void
}
