import { status } from '@grpc/grpc-js'
import type { Metadata } from '@grpc/grpc-js'
import { AccessDeniedError, isSyncError } from '../../api/errors.ts'
import type { SyncError, WriteOutcome } from '../../api/errors.ts'
import { isStatusError, translateSocket, translateStatus } from '../../grpc-link/failures.ts'
import { errorFrom } from '../../kit/failure.ts'
import { readFailure } from './failure-metadata.ts'

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
  // Too many calls, or watches: there will be room again.
  return translateStatus(transport, error, outcome, code === status.RESOURCE_EXHAUSTED)
}

/** The server does not know the token, or no longer. */
export function isUnauthenticated(error: unknown): boolean {
  return isStatusError(error) && error.code === status.UNAUTHENTICATED
}
