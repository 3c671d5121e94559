import type { Health, PluginState } from '../agent/health.ts'
import type { WriteOutcome } from '../api/errors.ts'
import type { RegistrationState, TransportState } from '../api/status.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { TurnOutcome } from '../api/run-report.ts'

/** What the page and its server say to each other. Times are ms since the epoch, by the server's clock. */

export interface ClientView {
  readonly name: string
  readonly readable: readonly string[]
  readonly writable: readonly string[]
}

export interface TransportView {
  readonly name: string
  readonly state: TransportState
  readonly reconnects: number
  readonly lastError?: string
  readonly conditions: boolean
  readonly ttl: boolean
  readonly applied: boolean
}

export interface PluginView {
  readonly name: string
  readonly state: PluginState
  readonly error?: string
}

export interface ResyncView {
  readonly reason: ResyncReason
  readonly at: number
  readonly durationMs?: number
  readonly pairs: number
  readonly outcome: 'open' | 'acked' | 'refused' | 'timeout' | 'voided'
}

export interface RegistrationView {
  readonly name: string
  readonly transport: string
  readonly plugin?: string
  /** What it watches may not be read by the client: prefixes and errors are left out. */
  readonly restricted?: true
  readonly prefixes: readonly string[]
  readonly state: RegistrationState
  readonly pending: number
  readonly pendingBytes: number
  readonly inFlight: number
  readonly lagMs: number
  readonly refusals: number
  readonly lastError?: string
  readonly lastResync?: ResyncView
}

export interface TurnView {
  readonly name: string
  readonly outcome: TurnOutcome
  readonly pairs: number
  readonly durationMs: number
  /** Why it was refused. */
  readonly error?: string
}

export interface RunView {
  /** Grows by one with every run since the dashboard was made. */
  readonly id: number
  readonly reason: ResyncReason
  readonly startedAt: number
  readonly durationMs: number
  readonly turns: readonly TurnView[]
}

export interface RefusalView {
  readonly id: number
  readonly registration: string
  readonly at: number
  readonly kind: 'resync' | 'change' | 'reported'
  readonly result: 'refused' | 'timeout'
  readonly key?: string
  /** Absent where the client may not read what the registration watches. */
  readonly error?: string
}

/** The parts of the state that are sent again when they change. */
export interface StatePatch {
  readonly now: number
  readonly status?: Health['status']
  readonly transports?: readonly TransportView[]
  readonly plugins?: readonly PluginView[]
  /** Those that changed; in full state all, in registration order. */
  readonly registrations?: readonly RegistrationView[]
  /** Names of all registrations in order, when that has changed. */
  readonly order?: readonly string[]
}

/** Everything; the first event of every stream. */
export interface StateMessage extends Required<StatePatch> {
  /** Another one means another agent: it was restarted. */
  readonly boot: string
  /** Of the page's files: another one means that the page is to be loaded again. */
  readonly build: string
  readonly title: string
  readonly client: ClientView
  readonly runs: readonly RunView[]
  readonly refusals: readonly RefusalView[]
}

/** How bytes are shown, and how they are sent back. */
export type ValueEncoding = 'json' | 'text' | 'hex' | 'base64'

export interface ValueView {
  /** `json`: by a model's codec; `text`: UTF-8 without control characters; else `hex`. */
  readonly encoding: Exclude<ValueEncoding, 'base64'>
  readonly text: string
  /** In bytes. */
  readonly size: number
  /** Only the beginning is here. */
  readonly cut?: true
  /** Why it is not shown by its model. */
  readonly problem?: string
}

export interface PairView {
  readonly key: string
  readonly revision: number
  readonly version: string
  readonly value: ValueView
  /** The prefix of the model with a JSON codec that the key is under. */
  readonly model?: string
}

export interface ChangeView {
  readonly type: 'put' | 'delete'
  readonly key: string
  readonly revision: number
  readonly at: number
  readonly value?: ValueView
}

/** Some changes, in order; `skipped` more came before the next message than are shown. */
export interface ChangesMessage {
  readonly changes: readonly ChangeView[]
  readonly skipped: number
}

/** How the watch behind the changes is. */
export type WatchMessage =
  | { readonly state: 'live'; readonly pairs: number; readonly at: number }
  | { readonly state: 'reset'; readonly reason: string; readonly at: number }
  | { readonly state: 'lost'; readonly error: string; readonly at: number }

export interface PageMessage {
  readonly pairs: readonly PairView[]
  readonly more: boolean
  readonly at: number
}

export interface PutRequest {
  readonly value: { readonly encoding: ValueEncoding; readonly text: string }
  /** One of the two is needed: nobody overwrites what they have not seen. */
  readonly ifVersion?: string
  readonly ifAbsent?: boolean
  readonly ttlMs?: number
  readonly waitFor?: 'stored' | 'applied'
}

export interface PutResponse {
  readonly version: string
  readonly receivers?: number
}

export interface ResyncResponse {
  /** Absent while it has not ended. */
  readonly run?: Omit<RunView, 'id'>
}

/** RFC 9457, with what we add. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code?: string
  /** What became of a write. */
  readonly outcome?: WriteOutcome
  /** Of a conflict: what is there now; null when the key is absent. */
  readonly current?: PairView | null
}
