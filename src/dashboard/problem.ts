import type { ServerResponse } from 'node:http'
import { describeError, isSyncError } from '../api/errors.ts'
import type { SyncErrorCode } from '../api/errors.ts'
import { failureOf } from '../kit/failure.ts'
import type { PairView, Problem } from './protocol.ts'

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Sign in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Not possible here',
  412: 'Changed meanwhile',
  413: 'Too large',
  415: 'Wrong type of content',
  422: 'Not accepted',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Not available now',
  504: 'Took too long',
}

const STATUSES: Readonly<Partial<Record<SyncErrorCode, number>>> = {
  SYNC_INVALID_KEY: 400,
  SYNC_INVALID_OPTION: 400,
  SYNC_NOT_REGISTERED: 404,
  SYNC_DECODE: 422,
  SYNC_VERSION_CONFLICT: 412,
  SYNC_REFUSED: 422,
  SYNC_PARTIAL_WRITE: 503,
  SYNC_UNSUPPORTED_OPTION: 422,
  SYNC_UNAVAILABLE: 503,
  SYNC_ACCESS_DENIED: 503,
  SYNC_CLOSED: 503,
  SYNC_TIMEOUT: 504,
  SYNC_OVERFLOW: 429,
  SYNC_PAYLOAD_TOO_LARGE: 413,
}

/** Why a request is not answered as it was asked. */
export class RequestError extends Error {
  readonly status: number

  constructor(status: number, detail: string) {
    super(detail)
    this.name = 'RequestError'
    this.status = status
  }
}

/** What is told of an error: nothing of one that nobody expected. */
export function problemOf(error: unknown, current?: PairView | null): Problem {
  const status = statusOf(error)
  return {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail: status === 500 ? 'the agent has logged why' : describeError(error),
    ...codeOf(error),
    ...(current === undefined ? {} : { current }),
  }
}

function codeOf(error: unknown): Pick<Problem, 'code' | 'outcome'> {
  if (!isSyncError(error)) return {}
  const { code, outcome } = failureOf(error)
  return { code, ...(outcome === undefined ? {} : { outcome }) }
}

export function sendProblem(response: ServerResponse, problem: Problem): void {
  if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer')
  if (problem.status === 429 || problem.status === 503) response.setHeader('Retry-After', '5')
  response.statusCode = problem.status
  response.setHeader('Content-Type', 'application/problem+json')
  response.end(JSON.stringify(problem))
}

function statusOf(error: unknown): number {
  if (error instanceof RequestError) return error.status
  if (isSyncError(error)) return STATUSES[error.code] ?? 500
  // Of the parser of bodies.
  const own = (error as { readonly status?: unknown } | null)?.status
  return typeof own === 'number' && own >= 400 && own < 500 ? own : 500
}
