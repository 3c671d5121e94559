import type { Metric, OpenMetricsContentType, Registry } from 'prom-client'
import type { Durations } from './durations.ts'

/** A registry of either content type. */
export type AnyRegistry = Registry | Registry<OpenMetricsContentType>

/** Label values by label name. */
export type Labels = Readonly<Record<string, string>>

interface Sample {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** What prom-client asks of a metric: it is read by `get` at every scrape. */
interface Exposed {
  readonly name: string
  readonly help: string
  readonly type: 'histogram'
  readonly aggregator: 'sum'
  get(): Promise<Omit<Exposed, 'get' | 'reset'> & { readonly values: readonly Sample[] }>
  reset(): void
}

/** Publishes {@link Durations} as a Prometheus histogram; `read` is asked at every scrape. */
export function exposeDurations(
  register: AnyRegistry,
  name: string,
  help: string,
  read: () => Iterable<readonly [Labels, Durations]>,
): void {
  const head = { name, help, type: 'histogram', aggregator: 'sum' } as const
  const metric: Exposed = {
    ...head,
    get: async () => ({
      ...head,
      values: Array.from(read(), ([labels, durations]) =>
        samplesOf(name, labels, durations),
      ).flat(),
    }),
    // The durations belong to the series, which end with what they count.
    reset: () => {},
  }
  register.registerMetric(metric as unknown as Metric)
}

function samplesOf(name: string, labels: Labels, durations: Durations): Sample[] {
  let total = 0
  const buckets = durations.bounds.map((bound, i) => {
    total += durations.counts[i] ?? 0
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: total }
  })
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: durations.count },
    { metricName: `${name}_sum`, labels, value: durations.sumSeconds },
    { metricName: `${name}_count`, labels, value: durations.count },
  ]
}
