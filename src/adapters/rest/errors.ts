import {
  AccessDeniedError,
  describeError,
  InvalidOptionError,
  OverflowError,
  PayloadTooLargeError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { SyncError, SyncErrorCode, WriteOutcome } from '../../api/errors.ts'
import { errorFrom } from '../../kit/failure.ts'
import type { Failure } from '../../kit/failure.ts'
import { PROBLEM_TYPE } from './protocol.ts'

/** How Node names what fails before a request leaves; browsers do not tell. */
const NEVER_LEFT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
])

const TLS = /^(?:ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_|EPROTO$)/u

/** For a request that got no answer. `whenSent` is what becomes of a write that may have arrived. */
export function lostError(name: string, error: unknown, whenSent: WriteOutcome): SyncError {
  const code = causeCode(error)
  if (code !== undefined && TLS.test(code)) {
    return new AccessDeniedError(name, `TLS failed (${code})`, { cause: error })
  }
  const reason = describeError(error instanceof Error ? (error.cause ?? error) : error)
  return new TransportUnavailableError(name, `the server cannot be reached at present: ${reason}`, {
    cause: error,
    outcome: code !== undefined && NEVER_LEFT.has(code) ? 'not-applied' : whenSent,
  })
}

/** For an answer that is no success; reads it. `write` says that a request of it may have changed something. */
export async function answeredError(
  name: string,
  response: Response,
  write: boolean,
): Promise<SyncError> {
  const failure = await problemOf(response)
  const { status } = response
  // Each route that is asked for is there: the path of the URL leads past them.
  if (failure !== undefined && status !== 404) return errorFrom(failure, name)
  const answer = `${status} ${response.statusText}`.trim()
  // Not ours: of a proxy, or of another server.
  if (status === 401 || status === 403 || status === 407) {
    return new AccessDeniedError(name, `the server answers ${answer}`)
  }
  if (status === 404 || status === 405 || status === 501) {
    return new InvalidOptionError('url', `leads to no agent: the server answers ${answer}`)
  }
  const problem = `${name}: the server answers ${answer}`
  if (status === 413) return new PayloadTooLargeError('the request', 0, 0, { problem })
  if (status === 429) return new OverflowError(name, 0, { problem })
  return new TransportUnavailableError(name, `the server answers ${answer}`, {
    outcome: write ? 'unknown' : 'not-applied',
  })
}

/** Codes of problems that are HTTP's own, as errors of ours. */
const HTTP_CODES: Readonly<Record<string, SyncErrorCode>> = {
  METHOD_NOT_ALLOWED: 'SYNC_INVALID_OPTION',
  NOT_ACCEPTABLE: 'SYNC_INVALID_OPTION',
  UNSUPPORTED_MEDIA_TYPE: 'SYNC_INVALID_OPTION',
}

async function problemOf(response: Response): Promise<Failure | undefined> {
  if (response.headers.get('content-type')?.startsWith(PROBLEM_TYPE) !== true) {
    await response.body?.cancel().catch(() => {})
    return undefined
  }
  try {
    const problem = (await response.json()) as Record<string, unknown>
    const own = String(problem['code'])
    const code = HTTP_CODES[own] ?? own
    if (!/^SYNC_[A-Z_]+$/u.test(code)) return undefined
    const message =
      typeof problem['detail'] === 'string' ? problem['detail'] : String(response.status)
    return { ...problem, code: code as SyncErrorCode, message }
  } catch {
    return undefined
  }
}

/** Of Node's fetch: what its cause says, or the first of several addresses'. */
function causeCode(error: unknown): string | undefined {
  let at = error
  for (let depth = 0; typeof at === 'object' && at !== null && depth < 5; depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code
    if ('errors' in at && Array.isArray(at.errors)) at = at.errors[0]
    else at = 'cause' in at ? at.cause : undefined
  }
  return undefined
}
