import { status } from '@grpc/grpc-js'
import { isStatusError, translateSocket, translateStatus } from '../../grpc-link/failures.ts'
import {
  AccessDeniedError,
  isSyncError,
  PayloadTooLargeError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { SyncError, WriteOutcome } from '../../api/errors.ts'

/** What etcd says no with, as far as it matters here. */
export type Answer =
  | 'compacted'
  | 'future-revision'
  | 'request-too-large'
  | 'too-many-operations'
  | 'lease-not-found'
  | 'full'
  | 'busy'
  | 'stale-token'
  | 'denied'
  | 'no-authentication'

/**
 * etcd's fixed texts (its rpctypes): several of them share one status, and there is no other code. The texts are part of
 * its API: its own client compares them too.
 */
const ANSWERS: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ['etcdserver: mvcc: required revision has been compacted', 'compacted'],
  ['etcdserver: mvcc: required revision is a future revision', 'future-revision'],
  ['etcdserver: request is too large', 'request-too-large'],
  ['etcdserver: too many operations in txn request', 'too-many-operations'],
  ['etcdserver: requested lease not found', 'lease-not-found'],
  ['etcdserver: mvcc: database space exceeded', 'full'],
  ['etcdserver: too many requests', 'busy'],
  ['etcdserver: revision of auth store is old', 'stale-token'],
  ['etcdserver: user name is empty', 'denied'],
  ['etcdserver: authentication failed, invalid user ID or password', 'denied'],
  ['etcdserver: authentication is not enabled', 'no-authentication'],
])

/** The server's own word that a call failed; undefined for others. */
export function answerOf(error: unknown): Answer | undefined {
  if (!isStatusError(error)) return undefined
  const known = ANSWERS.get(error.details)
  if (known !== undefined) return known
  if (error.code === status.UNAUTHENTICATED) return 'stale-token'
  return error.code === status.PERMISSION_DENIED ? 'denied' : undefined
}

/** The message does not fit: ours into the server's limit, or the server's into ours. */
export function isTooLarge(error: unknown): boolean {
  if (!isStatusError(error)) return false
  const answer = answerOf(error)
  if (answer !== undefined) return answer === 'request-too-large'
  return error.code === status.RESOURCE_EXHAUSTED
}

/**
 * An error of ours for what gRPC, etcd or the socket reported. `outcome` says what became of a write that has no
 * definite answer.
 */
export function translate(
  transport: string,
  error: unknown,
  outcome: WriteOutcome = 'not-applied',
): SyncError {
  if (isSyncError(error)) return error
  if (!isStatusError(error)) return translateSocket(transport, error, outcome)
  const answer = answerOf(error)
  if (answer === 'denied' || answer === 'stale-token') {
    const problem = `the server refuses: ${error.details}`
    return new AccessDeniedError(transport, problem, { cause: error })
  }
  if (answer === 'full' || answer === 'busy') {
    return new TransportUnavailableError(transport, error.details, { cause: error })
  }
  return translateStatus(transport, error, outcome)
}

/** @throws PayloadTooLargeError (`SYNC_PAYLOAD_TOO_LARGE`) */
export function assertSize(what: string, size: number, limit: number): void {
  if (size > limit) throw new PayloadTooLargeError(what, size, limit)
}
