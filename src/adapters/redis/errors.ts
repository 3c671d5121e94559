import { ReplyError } from 'ioredis'
import {
  AccessDeniedError,
  describeError,
  isSyncError,
  PayloadTooLargeError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { SyncError, WriteOutcome } from '../../api/errors.ts'

/** The server's own word that a command failed: the first word of a RESP error, such as WRONGTYPE; undefined for others. */
export function replyCode(error: unknown): string | undefined {
  return error instanceof ReplyError
    ? (error as Error).message.split(' ', 1)[0]?.toUpperCase()
    : undefined
}

/** The words behind the code: of `MOVED 3999 10.0.0.1:6381` the slot and the endpoint. */
export function replyArguments(error: unknown): readonly string[] {
  return error instanceof ReplyError ? (error as Error).message.split(' ').slice(1) : []
}

/** The server refuses the user, or the user the command: nothing that waiting mends. */
const DENIED: ReadonlySet<string> = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM', 'DENIED'])

/** True where a server does not let us use a command: not allowed (ACL), renamed or not offered (managed services). */
export function isCommandRefused(error: unknown): boolean {
  const code = replyCode(error)
  return code === 'NOPERM' || code === 'ERR'
}

/** What Node calls a certificate that does not hold; all of OpenSSL's X509_V_ERR codes are of these kinds. */
const CERTIFICATE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERROR_IN_CERT|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO$)/u

/**
 * An error of ours for what ioredis, the server or the socket reported. An answer of the server means that nothing was
 * applied; without an answer `outcome` says what became of a write.
 */
export function translate(
  transport: string,
  error: unknown,
  outcome: WriteOutcome = 'not-applied',
): SyncError {
  if (isSyncError(error)) return error
  const code = replyCode(error)
  if (code !== undefined) return translateReply(transport, code, error)
  const systemCode = codeOf(error)
  if (CERTIFICATE.test(systemCode)) {
    return new AccessDeniedError(transport, `TLS failed (${systemCode})`, { cause: error })
  }
  const problem = systemCode === '' ? 'the connection is lost' : `no connection (${systemCode})`
  return new TransportUnavailableError(transport, problem, { cause: error, outcome })
}

function translateReply(transport: string, code: string, error: unknown): SyncError {
  if (DENIED.has(code)) {
    return new AccessDeniedError(transport, `the server refuses: ${describeError(error)}`, {
      cause: withoutArguments(error),
    })
  }
  return new TransportUnavailableError(transport, `the server answers: ${describeError(error)}`, {
    cause: withoutArguments(error),
    // LOADING, READONLY, OOM, CLUSTERDOWN, … pass; what the server calls plainly an error does not.
    retryable: code !== 'ERR',
  })
}

/** Of Node's own errors; another realm's `Error` (vm, Jest) is no `Error` here. */
function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : ''
  return typeof code === 'string' ? code : ''
}

/** ioredis puts the command with all its arguments, passwords and values among them, on its errors. */
export function withoutArguments(error: unknown): unknown {
  if (!(error instanceof ReplyError)) return error
  const { message, stack } = error as Error
  const copy = new Error(message)
  copy.name = 'ReplyError'
  if (stack !== undefined) copy.stack = stack
  return copy
}

/** @throws PayloadTooLargeError (`SYNC_PAYLOAD_TOO_LARGE`) */
export function assertValueSize(key: string, value: Uint8Array, limit: number): void {
  if (value.length > limit) {
    throw new PayloadTooLargeError(`the value of ${JSON.stringify(key)}`, value.length, limit)
  }
}
