import { status } from '@grpc/grpc-js'
import type { Metadata } from '@grpc/grpc-js'
import { AccessDeniedError, isSyncError, TransportUnavailableError } from '../../api/errors.ts'
import type { SyncError, WriteOutcome } from '../../api/errors.ts'
import { isStatusError, translateSocket } from '../../grpc-link/failures.ts'
import { errorFrom } from '../../kit/failure.ts'
import { readFailure } from './failure-metadata.ts'

/** Statuses that say that there was no answer, or one that leaves open what became of a write. */
const OPEN: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.UNKNOWN,
  status.INTERNAL,
  status.CANCELLED,
  status.ABORTED,
  status.DEADLINE_EXCEEDED,
  status.DATA_LOSS,
])

/**
 * An error of ours for what a served agent, gRPC or the socket reported. `outcome` says what became of a write that has no
 * definite answer.
 */
export function translate(
  transport: string,
  error: unknown,
  outcome: WriteOutcome = 'not-applied',
): SyncError {
  if (isSyncError(error)) return error
  if (!isStatusError(error)) return translateSocket(transport, error, outcome)
  const failure = readFailure((error as { metadata?: Metadata }).metadata)
  if (failure !== undefined) return errorFrom(failure, transport)
  const { code, details } = error
  if (code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED) {
    return new AccessDeniedError(transport, `the server refuses: ${details}`, { cause: error })
  }
  if (OPEN.has(code)) {
    const problem = details === '' ? status[code] : details
    return new TransportUnavailableError(transport, `${problem}`, { cause: error, outcome })
  }
  return new TransportUnavailableError(transport, `the server answers: ${details}`, {
    cause: error,
    // Too many calls, or watches: there will be room again.
    retryable: code === status.RESOURCE_EXHAUSTED,
  })
}

/** The server does not know the token, or no longer. */
export function isUnauthenticated(error: unknown): boolean {
  return isStatusError(error) && error.code === status.UNAUTHENTICATED
}

/** The server's own word that it is going. */
export function isCutOff(error: unknown): boolean {
  return isStatusError(error) && error.code === status.UNAVAILABLE
}
