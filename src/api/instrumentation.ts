import type { ResyncReason } from './resync-event.ts'
import type { SyncErrorCode } from './errors.ts'
import type { RegistrationStatus, TransportStatus } from './status.ts'

/** By which protocol another process watches. */
export type ServerKind = 'rest' | 'grpc' | 'dashboard'

/** How an event ended. */
export type EventResult = 'acked' | 'refused' | 'timeout' | 'voided'

/** What follows one event from its delivery to its end. */
export interface Handling {
  /** Runs a receiver inside the handling's context, so that its own spans become children; returns what it returns. */
  within?<T>(receiver: () => T): T
  /** Called once; `error` is the refusal's reason. */
  end(result: EventResult, error?: unknown): void
}

/**
 * What the core tells telemetry. Every method is optional and must not throw; values come from closed sets or are
 * names of transports and registrations, never keys or prefixes.
 */
export interface Instrumentation {
  /** Called when an event is delivered, before any receiver sees it. */
  handling?(event: {
    readonly transport: string
    readonly registration: string
    readonly kind: 'resync' | 'change'
    readonly reason?: ResyncReason
    readonly pairs?: number
  }): Handling
  overflow?(event: { readonly transport: string; readonly registration: string }): void
  reconnect?(event: { readonly transport: string; readonly code: SyncErrorCode | 'OTHER' }): void
  /** Changes handed over by a transport. */
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
  /** A remote watcher came (1) or went (-1); they are counted per transport and kind of server. */
  watchers?(event: {
    readonly transport: string
    readonly server: ServerKind
    readonly change: 1 | -1
  }): void
  attached?(event: { readonly transport: string; readonly status: () => TransportStatus }): void
  detached?(event: { readonly transport: string }): void
}
