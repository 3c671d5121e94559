import { Counter, Gauge } from 'prom-client'
import type { RegistrationStatus, TransportState } from '../api/status.ts'
import { exposeDurations } from './duration-histogram.ts'
import type { AnyRegistry, Labels } from './duration-histogram.ts'
import type { Durations } from './durations.ts'
import type { RegistrationSeries, TransportSeries } from './series.ts'

type Sample = readonly [labels: Labels, value: number]

type Definition = { readonly name: string; readonly help: string } & (
  | {
      readonly type: 'counter' | 'gauge'
      readonly labels: readonly string[]
      readonly read: (transports: Transports) => Iterable<Sample>
    }
  | {
      readonly type: 'histogram'
      readonly read: (transports: Transports) => Iterable<readonly [Labels, Durations]>
    }
)

type Transports = ReadonlyMap<string, TransportSeries>

const STATES: readonly TransportState[] = ['connecting', 'live', 'stale', 'closed']
const KINDS = ['resync', 'change'] as const
const RESULTS = ['acked', 'refused', 'timeout', 'voided'] as const
const OF_REGISTRATION = ['transport', 'registration'] as const

const DEFINITIONS: readonly Definition[] = [
  {
    name: 'events_total',
    help: 'Events that have ended, by how they did.',
    type: 'counter',
    labels: [...OF_REGISTRATION, 'kind', 'result'],
    read: perRegistration((series) =>
      KINDS.flatMap((kind) =>
        RESULTS.filter((result) => series.events[kind][result] > 0).map(
          (result) => [{ kind, result }, series.events[kind][result]] as const,
        ),
      ),
    ),
  },
  {
    name: 'resyncs_total',
    help: 'RESYNCs delivered, by reason.',
    type: 'counter',
    labels: [...OF_REGISTRATION, 'reason'],
    read: perRegistration((series) =>
      Array.from(series.resyncs, ([reason, n]) => [{ reason }, n] as const),
    ),
  },
  {
    name: 'refusals_total',
    help: 'Events refused or timed out, and errors that a receiver reported by itself.',
    type: 'counter',
    labels: OF_REGISTRATION,
    read: perRegistration(sum((status) => status.refusals)),
  },
  {
    name: 'overflows_total',
    help: 'Times that a RESYNC took the place of a queue that was full.',
    type: 'counter',
    labels: OF_REGISTRATION,
    read: perRegistration((series) => [[{}, series.overflows]]),
  },
  {
    name: 'queue_changes',
    help: 'Changes that wait for their delivery.',
    type: 'gauge',
    labels: OF_REGISTRATION,
    read: perRegistration(sum((status) => status.pending)),
  },
  {
    name: 'queue_bytes',
    help: 'Bytes of values that wait for their delivery.',
    type: 'gauge',
    labels: OF_REGISTRATION,
    read: perRegistration(sum((status) => status.pendingBytes)),
  },
  {
    name: 'lag_seconds',
    help: 'How long the oldest change that is not answered has waited, or the open RESYNC.',
    type: 'gauge',
    labels: OF_REGISTRATION,
    read: perRegistration((series) => [
      [{}, Math.max(0, ...series.statuses.map((status) => status.lagMs)) / 1_000],
    ]),
  },
  {
    name: 'registration_live',
    help: '1 while the registration follows its source: RESYNC acknowledged, stream open.',
    type: 'gauge',
    labels: OF_REGISTRATION,
    read: perRegistration((series) => [
      [{}, series.statuses.every((status) => status.state === 'live') ? 1 : 0],
    ]),
  },
  {
    name: 'resync_pairs',
    help: 'Pairs that the last RESYNC held.',
    type: 'gauge',
    labels: OF_REGISTRATION,
    read: perRegistration(sum((status) => status.lastResync?.pairs ?? 0)),
  },
  {
    name: 'resync_duration_seconds',
    help: 'From the delivery of a RESYNC to its end.',
    type: 'histogram',
    read: (transports) =>
      registrations(transports).map((series) => [series.labels, series.resyncDurations]),
  },
  {
    name: 'change_duration_seconds',
    help: 'From the delivery of a CHANGE to its end.',
    type: 'histogram',
    read: (transports) =>
      registrations(transports).map((series) => [series.labels, series.changeDurations]),
  },
  {
    name: 'transport_state',
    help: '1 for the state that the transport is in.',
    type: 'gauge',
    labels: ['transport', 'state'],
    read: perTransport((series) => {
      const present = series.statuses.map((status) => status.state)
      return STATES.map((state) => [{ state }, present.includes(state) ? 1 : 0])
    }),
  },
  {
    name: 'changes_total',
    help: 'Changes that a transport has handed over.',
    type: 'counter',
    labels: ['transport'],
    read: perTransport((series) => [[{}, series.changes]]),
  },
  {
    name: 'reconnects_total',
    help: 'Times that a stream was lost, by the code of the error.',
    type: 'counter',
    labels: ['transport', 'code'],
    read: perTransport((series) =>
      Array.from(series.reconnects, ([code, n]) => [{ code }, n] as const),
    ),
  },
  {
    name: 'remote_watchers',
    help: 'Watchers of other processes, by the server that they use.',
    type: 'gauge',
    labels: ['transport', 'server'],
    read: perTransport((series) =>
      Array.from(series.watchers, ([server, n]) => [{ server }, n] as const),
    ),
  },
  {
    name: 'writes_total',
    help: 'Puts, deletes and transactions, by result: ok or the code of the error.',
    type: 'counter',
    labels: ['transport', 'result'],
    read: perTransport((series) =>
      Array.from(series.writes, ([result, n]) => [{ result }, n] as const),
    ),
  },
  {
    name: 'write_duration_seconds',
    help: "From the call of a write to its answer; with waitFor: 'applied', to the last receiver's.",
    type: 'histogram',
    read: (transports) =>
      Array.from(transports.values(), (series) => [series.labels, series.writeDurations]),
  },
]

/** The names of all metrics. */
export function metricNames(prefix: string): readonly string[] {
  return DEFINITIONS.map(({ name }) => prefix + name)
}

/** Registers the metrics; what they show is read from the series at every scrape. */
export function expose(register: AnyRegistry, prefix: string, transports: Transports): void {
  for (const definition of DEFINITIONS) {
    const name = prefix + definition.name
    if (definition.type === 'histogram') {
      exposeDurations(register, name, definition.help, () => definition.read(transports))
      continue
    }
    const { help, labels, read } = definition
    const config = { name, help, labelNames: labels, registers: [register] }
    if (definition.type === 'counter') {
      const counter = new Counter({
        ...config,
        collect: () => {
          counter.reset()
          for (const [values, value] of read(transports)) counter.inc(values, value)
        },
      })
    } else {
      const gauge = new Gauge({
        ...config,
        collect: () => {
          gauge.reset()
          for (const [values, value] of read(transports)) gauge.set(values, value)
        },
      })
    }
  }
}

function perRegistration(
  read: (series: RegistrationSeries) => readonly Sample[],
): (transports: Transports) => Iterable<Sample> {
  return (transports) => registrations(transports).flatMap((series) => labelled(series, read))
}

function perTransport(
  read: (series: TransportSeries) => readonly Sample[],
): (transports: Transports) => Iterable<Sample> {
  return (transports) => [...transports.values()].flatMap((series) => labelled(series, read))
}

function labelled<S extends { readonly labels: Labels }>(
  series: S,
  read: (series: S) => readonly Sample[],
): Sample[] {
  return read(series).map(([labels, value]) => [{ ...series.labels, ...labels }, value])
}

function sum(
  read: (status: RegistrationStatus) => number,
): (series: RegistrationSeries) => readonly Sample[] {
  return (series) => [[{}, series.statuses.reduce((total, status) => total + read(status), 0)]]
}

function registrations(transports: Transports): RegistrationSeries[] {
  return [...transports.values()].flatMap((series) => [...series.registrations.values()])
}
