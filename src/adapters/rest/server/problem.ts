import type { ServerResponse } from 'node:http'
import { DecodeError, describeError, isSyncError } from '../../../api/errors.ts'
import type { SyncError, SyncErrorCode } from '../../../api/errors.ts'
import type { Logger } from '../../../api/logger.ts'
import { failureOf } from '../../../kit/failure.ts'
import type { Failure } from '../../../kit/failure.ts'
import { encodeToken, PROBLEM_TYPE } from '../protocol.ts'

/** What is HTTP's own and has no code of ours. */
export type HttpCode =
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_ACCEPTABLE'
  | 'UNSUPPORTED_MEDIA_TYPE'

/** Bytes of a refused body that are read to keep the connection. */
const MAX_DUMPED = 64 * 2 ** 20

/** Characters of a codec's words on what it refuses. */
const MAX_REASON = 1_000

const ERRORS_PAGE = 'https://unpkg.com/rx-datasync/docs/errors.md'
const REST_PAGE = 'https://unpkg.com/rx-datasync/docs/adapters/rest.md'

/** What a problem says besides its detail. */
export interface ProblemDetails extends Partial<Failure> {
  /** What the codec says against a value that was sent as JSON. */
  readonly reason?: string
}

/** An answer that is no success, thrown. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  readonly status: number
  readonly code: HttpCode | SyncErrorCode
  readonly headers: Readonly<Record<string, string>>
  readonly details: ProblemDetails

  constructor(
    status: number,
    code: HttpCode | SyncErrorCode,
    detail: string,
    options: {
      readonly headers?: Readonly<Record<string, string>>
      readonly details?: ProblemDetails
    } = {},
  ) {
    super(detail)
    this.status = status
    this.code = code
    this.headers = options.headers ?? {}
    this.details = options.details ?? {}
  }
}

export function noSuchPath(): HttpProblem {
  return new HttpProblem(404, 'NOT_FOUND', 'there is no such path')
}

/** Seconds, spread so that those who were turned away together do not come back together. */
export function retryAfter(random: () => number, leastMs = 1_000): Record<string, string> {
  return { 'retry-after': String(Math.ceil(leastMs / 1_000 + random() * 4)) }
}

/** The answer to an error. Of what is no error of ours nothing is told; it is logged. */
export function problemFor(error: unknown, random: () => number, logger: Logger): HttpProblem {
  if (error instanceof HttpProblem) return error
  if (isSyncError(error)) {
    const { code, message, ...details } = failureOf(error)
    // Out of time, but stored: nothing failed.
    const stored = code === 'SYNC_TIMEOUT' && details.outcome === 'stored'
    const status = stored ? 202 : STATUS[code]
    if (status >= 500 && status !== 501 && status !== 503) {
      logger.error({ error: message, code }, 'request failed')
    }
    const headers =
      status === 503
        ? retryAfter(random)
        : status === 412 && details.actual !== undefined
          ? { etag: `"${encodeToken(details.actual)}"` }
          : {}
    return new HttpProblem(status, code, message, {
      headers,
      details: { ...details, ...reasonOf(error) },
    })
  }
  const own = bodyProblem(error)
  if (own !== undefined) return own
  logger.error({ error: String(error) }, 'request failed')
  return new HttpProblem(500, 'SYNC_BUG', 'internal error')
}

/** Writes it as application/problem+json (RFC 9457), unless an answer has begun. */
export function sendProblem(response: ServerResponse, problem: HttpProblem): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, code, message, headers, details } = problem
  const page = code.startsWith('SYNC_') ? ERRORS_PAGE : REST_PAGE
  const body = {
    type: `${page}#${code.toLowerCase()}`,
    title: TITLES[code] ?? titleOf(code),
    status,
    detail: message,
    code,
    ...details,
  }
  // Node reads what is left of a body, so that the client gets to the answer; of a huge one it has to stop.
  const { complete, headers: sent } = response.req
  const left =
    sent['transfer-encoding'] === undefined ? Number(sent['content-length'] ?? 0) : Infinity
  if (!complete && left > MAX_DUMPED) response.setHeader('connection', 'close')
  response.writeHead(status, {
    ...headers,
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(JSON.stringify(body))
}

/** Of what a client has sent itself: what is wrong with it is no secret. */
function reasonOf(error: SyncError): ProblemDetails {
  if (!(error instanceof DecodeError) || error.cause === undefined) return {}
  return { reason: describeError(error.cause).slice(0, MAX_REASON) }
}

const STATUS: Readonly<Record<SyncErrorCode, number>> = {
  SYNC_INVALID_KEY: 400,
  SYNC_INVALID_OPTION: 400,
  SYNC_DECODE: 400,
  SYNC_ACCESS_DENIED: 403,
  SYNC_VERSION_CONFLICT: 412,
  SYNC_PAYLOAD_TOO_LARGE: 413,
  SYNC_REFUSED: 422,
  SYNC_UNSUPPORTED_OPTION: 501,
  SYNC_UNAVAILABLE: 503,
  SYNC_PARTIAL_WRITE: 503,
  SYNC_CLOSED: 503,
  SYNC_TIMEOUT: 503,
  SYNC_OVERFLOW: 503,
  SYNC_STORE_LOCKED: 503,
  SYNC_NOTIFICATIONS_DISABLED: 503,
  SYNC_STORE_CORRUPT: 500,
  SYNC_ALREADY_REGISTERED: 500,
  SYNC_NOT_REGISTERED: 500,
  SYNC_ALREADY_STARTED: 500,
  SYNC_PLUGIN_FAILED: 500,
  SYNC_BUG: 500,
}

const TITLES: Readonly<Partial<Record<HttpCode | SyncErrorCode, string>>> = {
  SYNC_REFUSED: 'Stored, but refused by receivers',
  SYNC_TIMEOUT: 'Out of time',
  SYNC_BUG: 'Internal error',
}

/** `SYNC_VERSION_CONFLICT` → `Version conflict`. */
function titleOf(code: string): string {
  const words = code.replace('SYNC_', '').replaceAll('_', ' ').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** What Express throws. */
function bodyProblem(error: unknown): HttpProblem | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined
  const { status } = error
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new HttpProblem(400, 'SYNC_INVALID_OPTION', 'the request is malformed')
  }
  return undefined
}
