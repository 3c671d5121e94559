import { status } from '@grpc/grpc-js'
import { isSyncError } from '../../api/errors.ts'
import type { SyncErrorCode } from '../../api/errors.ts'

/** gRPC's status for each of our codes; others are `INTERNAL`. docs/adapters/grpc.md shows the table. */
const STATUS_OF: Readonly<Partial<Record<SyncErrorCode, status>>> = {
  SYNC_INVALID_KEY: status.INVALID_ARGUMENT,
  SYNC_INVALID_OPTION: status.INVALID_ARGUMENT,
  SYNC_DECODE: status.INVALID_ARGUMENT,
  SYNC_ACCESS_DENIED: status.PERMISSION_DENIED,
  SYNC_UNSUPPORTED_OPTION: status.UNIMPLEMENTED,
  SYNC_VERSION_CONFLICT: status.ABORTED,
  SYNC_REFUSED: status.FAILED_PRECONDITION,
  SYNC_PARTIAL_WRITE: status.UNKNOWN,
  SYNC_PAYLOAD_TOO_LARGE: status.RESOURCE_EXHAUSTED,
  SYNC_OVERFLOW: status.RESOURCE_EXHAUSTED,
  SYNC_UNAVAILABLE: status.UNAVAILABLE,
  SYNC_CLOSED: status.UNAVAILABLE,
  SYNC_TIMEOUT: status.DEADLINE_EXCEEDED,
}

/** The status of a call that failed with the error. */
export function statusOf(error: unknown): status {
  return isSyncError(error) ? (STATUS_OF[error.code] ?? status.INTERNAL) : status.INTERNAL
}
