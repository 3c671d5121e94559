import type { RegistrationStatus, TransportStatus } from '../api/status.ts'

/** `ok`: everything is live; `starting`: before the startup run has ended; `degraded`: something is not live. */
export interface Health {
  readonly status: 'starting' | 'ok' | 'degraded' | 'closed'
  readonly transports: readonly TransportStatus[]
  readonly registrations: readonly (RegistrationStatus & { readonly name: string })[]
}

/** How far a plugin is. */
export type PluginState =
  | 'waiting' // its `init` was not called yet
  | 'init' // its `init` runs
  | 'initialised' // waits for the startup run and its `afterInit`
  | 'afterInit' // its `afterInit` runs
  | 'started'
  | 'failed' // one of its methods threw
  | 'closed'

export interface PluginStatus {
  readonly name: string
  readonly state: PluginState
  /** Why it failed. */
  readonly error: unknown
}

/** A registration, whose it is and how it is. */
export interface RegistrationInfo extends RegistrationStatus {
  readonly name: string
  readonly transport: string
  /** The plugin that asked for it; undefined when it was the application. */
  readonly plugin: string | undefined
  readonly prefixes: readonly string[]
}
