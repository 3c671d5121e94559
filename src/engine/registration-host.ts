import type { Instrumentation } from '../api/instrumentation.ts'
import type { RefusalReport } from '../api/refusal-report.ts'
import type { Io } from '../api/transport.ts'
import type { Deliverer } from './deliveries.ts'
import type { Registration } from './registration.ts'
import type { ResyncGate } from './resync-gate.ts'
import type { FeedShares } from './routes.ts'

/** What a {@link Registration} needs from its engine. */
export interface RegistrationHost {
  readonly transportName: string
  readonly io: Io
  readonly instrumentation: Instrumentation
  readonly gate: ResyncGate
  /** Its shares in the engine's feeds. */
  sharesOf(registration: Registration): FeedShares
  /** Calls its `deliver` in a microtask. */
  deliverSoon(deliverer: Deliverer): void
  /** A receiver did not take what it was given. */
  refused(report: RefusalReport): void
  closed(registration: Registration): void
}
