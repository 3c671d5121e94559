import { register as defaultRegister } from 'prom-client'
import { InvalidOptionError } from '../api/errors.ts'
import type { EventResult, Handling, Instrumentation } from '../api/instrumentation.ts'
import { checkOptions, isFunction, isObject } from '../api/options.ts'
import { expose, metricNames } from './exposition.ts'
import { count, RegistrationSeries, TransportSeries } from './series.ts'
import type { AnyRegistry } from './duration-histogram.ts'
import type { Durations } from './durations.ts'
import type { EventCounts } from './series.ts'

export interface MetricsOptions {
  /** Where the metrics go; prom-client's default registry. */
  readonly register?: AnyRegistry
  /** Before every name; `datasync_`. */
  readonly prefix?: string
  /** A monotonic time in ms; `performance.now`. */
  readonly now?: () => number
}

/**
 * Prometheus metrics of the agents that get it as `instrumentation` (docs/operations.md lists them). Labels come from
 * closed sets and names of transports and registrations; a registration's series end with it, a transport's when its
 * agent closes. One per registry: agents may share it.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), also when the registry has metrics of these names already
 */
export function metrics(options: MetricsOptions = {}): Instrumentation {
  checkOptions<MetricsOptions>(options, { register: isObject, prefix: isNamePart, now: isFunction })
  const {
    register = defaultRegister,
    prefix = 'datasync_',
    now = () => performance.now(),
  } = options
  const taken = metricNames(prefix).find((name) => register.getSingleMetric(name) !== undefined)
  if (taken !== undefined) {
    throw new InvalidOptionError(
      'register',
      `has ${taken} already; share one metrics() per registry`,
    )
  }
  const collector = new Collector(now)
  expose(register, prefix, collector.transports)
  return collector
}

type EventOf<Method extends keyof Instrumentation> = Parameters<
  NonNullable<Instrumentation[Method]>
>[0]

/** Counts in plain numbers; prom-client sees them at a scrape only. */
class Collector implements Instrumentation {
  readonly transports = new Map<string, TransportSeries>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  attached({ transport, status }: EventOf<'attached'>): void {
    const series = this.transports.get(transport) ?? new TransportSeries(transport)
    series.add(status)
    this.transports.set(transport, series)
  }

  detached({ transport }: EventOf<'detached'>): void {
    if (this.transports.get(transport)?.anyOpen === false) this.transports.delete(transport)
  }

  registered({ transport, registration, status }: EventOf<'registered'>): void {
    const series = this.transports.get(transport)
    if (series === undefined) return
    const own =
      series.registrations.get(registration) ?? new RegistrationSeries(transport, registration)
    own.add(status)
    series.registrations.set(registration, own)
  }

  unregistered({ transport, registration }: EventOf<'unregistered'>): void {
    const registrations = this.transports.get(transport)?.registrations
    if (registrations?.get(registration)?.anyOpen === false) registrations.delete(registration)
  }

  handling({ transport, registration, kind, reason }: EventOf<'handling'>): Handling {
    const series = this.#registration(transport, registration)
    if (series === undefined) return UNCOUNTED
    if (reason !== undefined) count(series.resyncs, reason)
    const durations = kind === 'resync' ? series.resyncDurations : series.changeDurations
    return new TimedHandling(series.events[kind], durations, this.#now)
  }

  overflow({ transport, registration }: EventOf<'overflow'>): void {
    const series = this.#registration(transport, registration)
    if (series !== undefined) series.overflows++
  }

  reconnect({ transport, code }: EventOf<'reconnect'>): void {
    const series = this.transports.get(transport)
    if (series !== undefined) count(series.reconnects, code)
  }

  changes(event: EventOf<'changes'>): void {
    const series = this.transports.get(event.transport)
    if (series !== undefined) series.changes += event.count
  }

  write({ transport, result, durationMs }: EventOf<'write'>): void {
    const series = this.transports.get(transport)
    if (series === undefined) return
    count(series.writes, result)
    series.writeDurations.observe(durationMs)
  }

  watchers({ transport, server, change }: EventOf<'watchers'>): void {
    const series = this.transports.get(transport)
    if (series === undefined) return
    series.watchers.set(server, (series.watchers.get(server) ?? 0) + change)
  }

  #registration(transport: string, registration: string): RegistrationSeries | undefined {
    return this.transports.get(transport)?.registrations.get(registration)
  }
}

class TimedHandling implements Handling {
  readonly #events: EventCounts
  readonly #durations: Durations
  readonly #now: () => number
  readonly #startedAt: number

  constructor(events: EventCounts, durations: Durations, now: () => number) {
    this.#events = events
    this.#durations = durations
    this.#now = now
    this.#startedAt = now()
  }

  end(result: EventResult): void {
    this.#events[result]++
    this.#durations.observe(this.#now() - this.#startedAt)
  }
}

const UNCOUNTED: Handling = { end: () => {} }

function isNamePart(value: unknown): string | undefined {
  return typeof value === 'string' && /^(?:[a-zA-Z_:][\w:]*)?$/u.test(value)
    ? undefined
    : 'must be the beginning of a metric name: letters, digits and _'
}
