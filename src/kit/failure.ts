import {
  AccessDeniedError,
  ClosedError,
  DecodeError,
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
} from '../api/errors.ts'
import type { PartOutcome, SyncErrorCode, WriteOutcome } from '../api/errors.ts'

/** What one receiver said against a write. */
export interface FailureRefusal {
  readonly registration: string
  readonly error: string
  /** When its error was one of ours. */
  readonly code?: SyncErrorCode
}

/** An error of ours as it travels between processes: JSON-safe, without stack and cause. */
export interface Failure {
  readonly code: SyncErrorCode
  readonly message: string
  readonly retryable?: boolean
  /** Of a write. */
  readonly outcome?: WriteOutcome
  readonly key?: string
  readonly expected?: string
  readonly actual?: string
  readonly option?: string
  /** The message type that a value is not of. */
  readonly valueType?: string
  readonly size?: number
  readonly limit?: number
  readonly timeoutMs?: number
  readonly refusals?: readonly FailureRefusal[]
  readonly parts?: readonly { readonly part: string; readonly outcome: WriteOutcome }[]
}

/** The error as it travels. Of what is no error of ours nothing is told: it may hold secrets. */
export function failureOf(error: unknown): Failure {
  if (!isSyncError(error)) return { code: 'SYNC_BUG', message: 'internal error' }
  return {
    code: error.code,
    message: error.message,
    retryable: error.retryable,
    ...detailsOf(error),
  }
}

/** The error in the process that it has travelled to; `transport` is what it is reported under. */
export function errorFrom(failure: Failure, transport: string): SyncError {
  const { code, message, retryable = false } = failure
  switch (code) {
    case 'SYNC_VERSION_CONFLICT':
      return new VersionConflictError(failure.key ?? '', failure.expected, failure.actual)
    case 'SYNC_REFUSED':
      return new RefusedError((failure.refusals ?? []).map(refusalFrom))
    case 'SYNC_PAYLOAD_TOO_LARGE':
      return new PayloadTooLargeError('the request', failure.size ?? 0, failure.limit ?? 0, {
        problem: `${transport}: ${message}`,
      })
    case 'SYNC_UNSUPPORTED_OPTION':
      return new UnsupportedOptionError(failure.option ?? 'the option', transport, message)
    case 'SYNC_INVALID_KEY':
      return new InvalidKeyError(failure.key ?? '', reasonOf(message))
    case 'SYNC_INVALID_OPTION':
      return new InvalidOptionError(failure.option ?? 'request', reasonOf(message))
    case 'SYNC_ACCESS_DENIED':
      return new AccessDeniedError(transport, reasonOf(message))
    case 'SYNC_OVERFLOW':
      return new OverflowError(transport, failure.limit ?? 0, {
        problem: `${transport}: ${message}`,
      })
    case 'SYNC_CLOSED':
    case 'SYNC_UNAVAILABLE':
      return new TransportUnavailableError(transport, message, {
        outcome: failure.outcome ?? 'unknown',
        ...(code === 'SYNC_CLOSED' ? { cause: new ClosedError('the server') } : {}),
      })
    case 'SYNC_TIMEOUT':
      return new TimeoutError('the write', failure.timeoutMs ?? 0, {
        outcome: failure.outcome ?? 'unknown',
      })
    case 'SYNC_PARTIAL_WRITE':
      return new PartialWriteError(failure.parts ?? [])
    case 'SYNC_DECODE':
      return new DecodeError(failure.key ?? '', failure.valueType ?? 'value')
    case 'SYNC_ALREADY_REGISTERED':
    case 'SYNC_NOT_REGISTERED':
    case 'SYNC_ALREADY_STARTED':
    case 'SYNC_NOTIFICATIONS_DISABLED':
    case 'SYNC_STORE_LOCKED':
    case 'SYNC_STORE_CORRUPT':
    case 'SYNC_PLUGIN_FAILED':
    case 'SYNC_BUG':
      return new SyncError(code, `${transport}: ${message}`, { retryable })
    default:
      // The other process is of a later version: it fails for a reason that is not known here.
      return new TransportUnavailableError(transport, `${message} (${String(code)})`, {
        retryable,
        outcome: failure.outcome ?? 'unknown',
      })
  }
}

function detailsOf(error: SyncError): Partial<Failure> {
  if (error instanceof VersionConflictError) {
    const { key, expected, actual } = error
    return { key, ...given({ expected, actual }), outcome: 'not-applied' }
  }
  if (error instanceof RefusedError) {
    const refusals = error.refusals.map(({ registration, cause }) => ({
      registration,
      error: describeError(cause),
      ...(isSyncError(cause) ? { code: cause.code } : {}),
    }))
    return { refusals, outcome: 'stored' }
  }
  if (error instanceof PartialWriteError) {
    const parts = error.parts.map(({ part, outcome }: PartOutcome) => ({ part, outcome }))
    return { parts, outcome: 'unknown' }
  }
  if (error instanceof TimeoutError) return { timeoutMs: error.timeoutMs, outcome: error.outcome }
  if (error instanceof TransportUnavailableError) return { outcome: error.outcome }
  if (error instanceof PayloadTooLargeError) return { size: error.size, limit: error.limit }
  if (error instanceof DecodeError) return { key: error.key, valueType: error.type }
  if (error instanceof OverflowError) return { limit: error.limit }
  if (error instanceof UnsupportedOptionError) return { option: error.option }
  if (error instanceof InvalidOptionError) return { option: error.option }
  if (error instanceof InvalidKeyError) return { key: error.key.slice(0, 1_024) }
  return {}
}

function refusalFrom({ registration, error, code }: FailureRefusal): {
  registration: string
  cause: unknown
} {
  return { registration, cause: code === undefined ? new Error(error) : new SyncError(code, error) }
}

/** What stands behind the first colon: the classes put the rest before it again. */
function reasonOf(message: string): string {
  const colon = message.indexOf(': ')
  return colon === -1 ? message : message.slice(colon + 2)
}

function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
