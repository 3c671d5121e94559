import { checkOptions, integerBetween } from '../api/options.ts'

/** What clients of a server may ask for, at most. Every field is optional. */
export interface ServingLimits {
  /** The largest request in bytes; 8 388 608 (8 MiB). */
  readonly maxBodyBytes?: number
  /** Operations of one transaction, and pairs of a replaced prefix; 10 000. */
  readonly maxOps?: number
  /** Keys of one request, and pairs of one page of a list; 10 000. */
  readonly maxKeys?: number
  /** Prefixes of one watch; 10 000. */
  readonly maxPrefixes?: number
  /** Watchers of all clients together; 10 000. */
  readonly maxWatchers?: number
  /** Watchers of one client; 2 000. */
  readonly maxWatchersPerClient?: number
  /** Requests of one client per second, short bursts likewise; 0 = no limit; 5 000. */
  readonly requestsPerSecond?: number
  /** How long a write may wait for receivers, in ms; 300 000. */
  readonly maxWaitMs?: number
}

const COUNT = integerBetween(1, Number.MAX_SAFE_INTEGER)

/** Fills in the defaults. @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function resolveLimits(limits: ServingLimits = {}): Required<ServingLimits> {
  checkOptions<ServingLimits>(
    limits,
    {
      maxBodyBytes: COUNT,
      maxOps: COUNT,
      maxKeys: COUNT,
      maxPrefixes: COUNT,
      maxWatchers: COUNT,
      maxWatchersPerClient: COUNT,
      requestsPerSecond: integerBetween(0, 1_000_000),
      maxWaitMs: COUNT,
    },
    'limits',
  )
  return {
    maxBodyBytes: limits.maxBodyBytes ?? 8 * 2 ** 20,
    maxOps: limits.maxOps ?? 10_000,
    maxKeys: limits.maxKeys ?? 10_000,
    maxPrefixes: limits.maxPrefixes ?? 10_000,
    maxWatchers: limits.maxWatchers ?? 10_000,
    maxWatchersPerClient: limits.maxWatchersPerClient ?? 2_000,
    requestsPerSecond: limits.requestsPerSecond ?? 5_000,
    maxWaitMs: limits.maxWaitMs ?? 300_000,
  }
}
