import {
  isSyncError,
  PartialWriteError,
  RefusedError,
  TimeoutError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { PartOutcome, WriteOutcome } from '../../api/errors.ts'
import type { CommitResult } from '../../api/transport.ts'
import type { Part } from './part.ts'

/**
 * The results of a write to all parts.
 * @throws PartialWriteError when some have stored it; RefusedError when all have and receivers refused; what the first that
 * failed says when none has
 */
export function unitedResults(
  all: readonly Part[],
  settled: readonly PromiseSettledResult<CommitResult>[],
): CommitResult[] {
  const failures = settled.filter((result) => result.status === 'rejected')
  if (failures.length === 0) {
    return settled.map((r) => (r as PromiseFulfilledResult<CommitResult>).value)
  }
  const parts = settled.map((result, index): PartOutcome => ({
    part: (all[index] as Part).label,
    outcome: result.status === 'fulfilled' ? 'stored' : outcomeOf(result.reason),
    ...(result.status === 'rejected' && result.reason !== undefined
      ? { error: result.reason as unknown }
      : {}),
  }))
  const untouched = parts.every((part) => part.outcome === 'not-applied')
  if (untouched) throw failures.find((failure) => failure.reason !== undefined)?.reason
  if (parts.every((part) => part.outcome === 'stored')) throw unitedRefusal(failures)
  throw new PartialWriteError(parts)
}

/** What became of a part's write that failed with it. */
export function outcomeOf(error: unknown): WriteOutcome {
  if (error instanceof TransportUnavailableError || error instanceof TimeoutError) {
    return error.outcome
  }
  if (isSyncError(error, 'SYNC_REFUSED')) return 'stored'
  // Of a part that is made of parts.
  if (isSyncError(error, 'SYNC_PARTIAL_WRITE')) return 'unknown'
  // Not tried, or refused at the door.
  return error === undefined || isSyncError(error) ? 'not-applied' : 'unknown'
}

export function receiversOf(results: readonly CommitResult[]): { receivers?: number } {
  const receivers = results.map((result) => result.receivers).filter((n) => n !== undefined)
  return receivers.length === 0 ? {} : { receivers: receivers.reduce((a, b) => a + b) }
}

/** Every part has stored it, but not every receiver took it, or said so in time. */
function unitedRefusal(failures: readonly PromiseRejectedResult[]): unknown {
  const refusals = failures.flatMap(({ reason }) =>
    reason instanceof RefusedError ? reason.refusals : [],
  )
  return refusals.length > 0 ? new RefusedError(refusals) : failures[0]?.reason
}
