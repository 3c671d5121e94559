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
  /**
   * Requests of one client per second, short bursts likewise; 0 = no limit; 5 000. Where only programs of this machine
   * are served, without credentials: 0, since they cannot be told apart.
   */
  readonly requestsPerSecond?: number
  /** How long a write may wait for receivers, in ms; 300 000. */
  readonly maxWaitMs?: number
}

const COUNT = integerBetween(1, Number.MAX_SAFE_INTEGER)

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function checkLimits(limits: ServingLimits): void {
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
}

/**
 * Fills in the defaults. `guarded`: there is access control, or other machines are served without.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function resolveLimits(
  given: ServingLimits = {},
  { guarded }: { readonly guarded: boolean },
): Required<ServingLimits> {
  checkLimits(given)
  return {
    maxBodyBytes: given.maxBodyBytes ?? 8 * 2 ** 20,
    maxOps: given.maxOps ?? 10_000,
    maxKeys: given.maxKeys ?? 10_000,
    maxPrefixes: given.maxPrefixes ?? 10_000,
    maxWatchers: given.maxWatchers ?? 10_000,
    maxWatchersPerClient: given.maxWatchersPerClient ?? 2_000,
    requestsPerSecond: given.requestsPerSecond ?? (guarded ? 5_000 : 0),
    maxWaitMs: given.maxWaitMs ?? 300_000,
  }
}
