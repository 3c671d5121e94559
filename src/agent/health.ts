import type { RegistrationStatus, TransportStatus } from '../api/status.ts'

/** `ok`: everything is live; `starting`: before the startup run has ended; `degraded`: something is not live. */
export interface Health {
  readonly status: 'starting' | 'ok' | 'degraded' | 'closed'
  readonly transports: readonly TransportStatus[]
  readonly registrations: readonly (RegistrationStatus & { readonly name: string })[]
}
