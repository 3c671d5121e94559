import { status } from '@grpc/grpc-js'
import { AccessDeniedError, TransportUnavailableError } from '../api/errors.ts'
import type { SyncError, WriteOutcome } from '../api/errors.ts'

/** How a call over gRPC has ended, as the driver tells it. */
export interface StatusError {
  readonly code: number
  readonly details: string
}

export function isStatusError(error: unknown): error is StatusError {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  )
}

/** The server's own word that it is going, or cannot agree with the others: another one is the better choice. */
export function isUnavailable(error: unknown): boolean {
  return isStatusError(error) && error.code === status.UNAVAILABLE
}

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
 * An error of ours for a status that has no meaning of its own to the service. `outcome` says what became of a write that
 * has no definite answer, `retryable` whether a definite no may become a yes.
 */
export function translateStatus(
  transport: string,
  error: StatusError,
  outcome: WriteOutcome,
  retryable = false,
): SyncError {
  const { code, details } = error
  if (OPEN.has(code)) {
    const problem = details === '' ? status[code] : details
    return new TransportUnavailableError(transport, `${problem}`, { cause: error, outcome })
  }
  return new TransportUnavailableError(transport, `the server answers: ${details}`, {
    cause: error,
    retryable,
  })
}

/** What Node calls a certificate that does not hold; all of OpenSSL's X509_V_ERR codes are of these kinds. */
const CERTIFICATE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERROR_IN_CERT|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO$)/u

/** An error of ours for what a socket or TLS reported. `outcome` says what became of a write. */
export function translateSocket(
  transport: string,
  error: unknown,
  outcome: WriteOutcome = 'not-applied',
): SyncError {
  const code = codeOf(error)
  if (CERTIFICATE.test(code)) {
    return new AccessDeniedError(transport, `TLS failed (${code})`, { cause: error })
  }
  const problem = code === '' ? 'the connection is lost' : `no connection (${code})`
  return new TransportUnavailableError(transport, problem, { cause: error, outcome })
}

/** Of Node's own errors; another realm's `Error` (vm, Jest) is no `Error` here. */
function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : ''
  return typeof code === 'string' ? code : ''
}
