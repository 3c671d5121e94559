import { status } from '@grpc/grpc-js'
import {
  AccessDeniedError,
  describeError,
  InvalidKeyError,
  InvalidOptionError,
  isSyncError,
  OverflowError,
  PartialWriteError,
  PayloadTooLargeError,
  RefusedError,
  SyncError,
  TimeoutError,
  TransportUnavailableError,
  UnsupportedOptionError,
  VersionConflictError,
} from '../../api/errors.ts'
import type { SyncErrorCode, WriteOutcome } from '../../api/errors.ts'
import type { Failure } from './watch-schema.ts'

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

/** An error as it travels. What is no error of ours tells nothing of itself. */
export function failureOf(error: unknown): Failure {
  if (!isSyncError(error)) return { code: 'SYNC_BUG', message: 'internal error' }
  const { code, retryable, message } = error
  const failure = { code, retryable, message }
  if (error instanceof InvalidKeyError) return { ...failure, key: error.key }
  if (error instanceof InvalidOptionError || error instanceof UnsupportedOptionError) {
    return { ...failure, option: error.option }
  }
  if (error instanceof VersionConflictError) {
    const { key, expected, actual } = error
    return {
      ...failure,
      key,
      ...(expected === undefined ? {} : { expected }),
      ...(actual === undefined ? {} : { actual }),
    }
  }
  if (error instanceof RefusedError) {
    const refusals = error.refusals.map(({ registration, cause }) => ({
      registration,
      message: describeError(cause),
    }))
    return { ...failure, outcome: 'stored', refusals }
  }
  if (error instanceof PartialWriteError) {
    const parts = error.parts.map(({ part, outcome, error: cause }) => ({
      part,
      outcome,
      message: cause === undefined ? '' : describeError(cause),
    }))
    return { ...failure, parts }
  }
  if (error instanceof PayloadTooLargeError) {
    return { ...failure, size: error.size, limit: error.limit }
  }
  if (error instanceof OverflowError) return { ...failure, limit: error.limit }
  if (error instanceof TimeoutError) {
    return { ...failure, outcome: error.outcome, timeoutMs: error.timeoutMs }
  }
  if (error instanceof TransportUnavailableError) return { ...failure, outcome: error.outcome }
  return failure
}

/** The error that a failure was on the other side; `transport` is ours. */
export function errorOf(transport: string, failure: Failure): SyncError {
  const { code, message, key = '', option = '', retryable = false } = failure
  const outcome = outcomeOf(failure.outcome)
  switch (code as SyncErrorCode) {
    case 'SYNC_INVALID_KEY':
      return new InvalidKeyError(key, problemOf(message))
    case 'SYNC_INVALID_OPTION':
      return new InvalidOptionError(option, problemOf(message))
    case 'SYNC_UNSUPPORTED_OPTION':
      return new UnsupportedOptionError(option, transport, message)
    case 'SYNC_VERSION_CONFLICT':
      return new VersionConflictError(key, own(failure, 'expected'), own(failure, 'actual'))
    case 'SYNC_REFUSED':
      return new RefusedError(
        (failure.refusals ?? []).map(({ registration, message: why }) => ({
          registration,
          cause: new Error(why),
        })),
      )
    case 'SYNC_PARTIAL_WRITE':
      return new PartialWriteError(
        (failure.parts ?? []).map(({ part, outcome: became, message: why }) => ({
          part,
          outcome: outcomeOf(became),
          ...(why === '' ? {} : { error: new Error(why) }),
        })),
      )
    case 'SYNC_PAYLOAD_TOO_LARGE': {
      const [, what = 'what was sent', unit = 'bytes'] =
        /^(?<what>.*) has \d+ (?<unit>.+), the limit is \d+$/su.exec(message) ?? []
      return new PayloadTooLargeError(what, failure.size ?? 0, failure.limit ?? 0, { unit })
    }
    case 'SYNC_OVERFLOW':
      return new OverflowError(message.replace(/ is full \(\d+\)$/u, ''), failure.limit ?? 0)
    case 'SYNC_TIMEOUT': {
      const what = message.replace(/ took longer than .* ms$/u, '')
      return new TimeoutError(what, failure.timeoutMs ?? 0, { outcome })
    }
    case 'SYNC_ACCESS_DENIED':
      return new AccessDeniedError(transport, problemOf(message))
    case 'SYNC_UNAVAILABLE':
      return new TransportUnavailableError(transport, message, { outcome, retryable })
    case 'SYNC_CLOSED':
      return new TransportUnavailableError(transport, `the server is closing: ${message}`)
    default:
      return /^SYNC_[A-Z_]+$/u.test(code)
        ? new SyncError(code as SyncErrorCode, `${transport}: ${message}`, { retryable })
        : new TransportUnavailableError(transport, message, { outcome: 'unknown' })
  }
}

/** Behind the first colon: the constructors put the rest there again. */
function problemOf(message: string): string {
  const lead = /^(?:invalid key "(?:[^"\\]|\\.)*"|[^:]*): /su.exec(message)?.[0] ?? ''
  return message.slice(lead.length)
}

function outcomeOf(text: string | undefined): WriteOutcome {
  return text === 'stored' || text === 'not-applied' ? text : 'unknown'
}

/** Optional fields that were not sent have a default on the prototype. */
function own(failure: Failure, name: 'expected' | 'actual'): string | undefined {
  return Object.hasOwn(failure, name) ? (failure[name] ?? undefined) : undefined
}
