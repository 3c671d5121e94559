import type { EventResult, ServerKind } from '../api/instrumentation.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { RegistrationStatus, TransportStatus } from '../api/status.ts'
import { Durations } from './durations.ts'

/** Upper bounds in seconds. */
const RESYNC_BOUNDS = [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300]
const CHANGE_BOUNDS = [0.0001, 0.0005, 0.002, 0.01, 0.05, 0.2, 0.5, 1, 2, 5, 10]
const WRITE_BOUNDS = [0.0001, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 10]

export type EventCounts = Record<EventResult, number>

/** Those who bear one name: several where agents share the metrics, or one replaces another. */
class Bearers<S extends { readonly state: string }> {
  #statuses: readonly (() => S)[] = []

  add(status: () => S): void {
    this.#statuses = [...this.#statuses, status]
  }

  /** The present of all that are open. */
  get statuses(): readonly S[] {
    return this.#statuses.map((status) => status())
  }

  /** False once the last is closed. */
  get anyOpen(): boolean {
    this.#statuses = this.#statuses.filter((status) => status().state !== 'closed')
    return this.#statuses.length > 0
  }
}

/** What is counted about one registration while it is open. */
export class RegistrationSeries extends Bearers<RegistrationStatus> {
  readonly labels: { readonly transport: string; readonly registration: string }
  readonly events: { readonly resync: EventCounts; readonly change: EventCounts } = {
    resync: noEvents(),
    change: noEvents(),
  }
  readonly resyncs: Map<ResyncReason, number> = new Map()
  readonly resyncDurations: Durations = new Durations(RESYNC_BOUNDS)
  readonly changeDurations: Durations = new Durations(CHANGE_BOUNDS)
  overflows = 0

  constructor(transport: string, registration: string) {
    super()
    this.labels = { transport, registration }
  }
}

/** What is counted about one transport while it is attached. */
export class TransportSeries extends Bearers<TransportStatus> {
  readonly labels: { readonly transport: string }
  readonly registrations: Map<string, RegistrationSeries> = new Map()
  readonly reconnects: Map<string, number> = new Map()
  readonly writes: Map<string, number> = new Map()
  readonly watchers: Map<ServerKind, number> = new Map()
  readonly writeDurations: Durations = new Durations(WRITE_BOUNDS)
  changes = 0

  constructor(transport: string) {
    super()
    this.labels = { transport }
  }
}

/** Adds one to a count. */
export function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function noEvents(): EventCounts {
  return { acked: 0, refused: 0, timeout: 0, voided: 0 }
}
