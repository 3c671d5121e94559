/** What one sample found, by metric: `perSecond`, `p50Ms`, `p99Ms`, … */
export type Measurement = Readonly<Record<string, number>>

/** One way of doing the work, in a process of its own. */
export interface Side {
  /** Does the work once. */
  sample(): Promise<Measurement>
  /** The process can exit afterwards. */
  close(): Promise<void>
}

/** What all sides of a scenario share, such as a server's address; made once, in the parent process. */
export interface Shared {
  /** Passed to every side. */
  readonly settings: Readonly<Record<string, string>>
  /** For the head of the report, as `Redis 7.0.15`. */
  readonly versions: readonly string[]
  close(): Promise<void>
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number }

/** One line of the report: a metric of one side beside the same of another. */
export interface Row {
  /** As in docs/performance.md: `B1`; rows beyond the goals have a letter behind it. */
  readonly id: string
  readonly work: string
  readonly ours: string
  readonly beside: string
  /** A key of {@link Measurement}, or `peakRssMb`, which the harness measures. */
  readonly metric: string
  readonly unit: string
  /** Of ours divided by beside; absent: only reported. */
  readonly goal?: Goal
}

export interface Scenario {
  /** `import.meta.url` of its module, which exports it as `scenario`. */
  readonly url: string
  readonly title: string
  readonly rows: readonly Row[]
  readonly sides: Readonly<
    Record<string, (settings: Readonly<Record<string, string>>) => Promise<Side>>
  >
  readonly prepare?: () => Promise<Shared>
  /** Of every side, not counted; 2, with `freshProcess` none. */
  readonly warmUps?: number
  /** Of every side; 5. */
  readonly samples?: number
  /** Every sample in a new process: where peak memory is compared, or where sides would disturb each other by living. */
  readonly freshProcess?: boolean
}
