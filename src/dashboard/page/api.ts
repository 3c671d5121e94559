import type {
  PageMessage,
  PairView,
  Problem,
  PutRequest,
  PutResponse,
  ResyncResponse,
} from '../protocol.ts'

const TOKEN = 'datasync.token'

/** Kept for this tab only, and gone with it. */
export const token = {
  get: (): string | undefined => sessionStorage.getItem(TOKEN) ?? undefined,
  set: (value: string): void => sessionStorage.setItem(TOKEN, value),
  clear: (): void => sessionStorage.removeItem(TOKEN),
}

/** The server's word on a request that it did not carry out. */
export class ProblemError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.name = 'ProblemError'
    this.problem = problem
  }
}

/** @throws ProblemError, TypeError when nobody answers */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  const known = token.get()
  if (known !== undefined) headers.set('Authorization', `Bearer ${known}`)
  const response = await fetch(`api/${path}`, { ...init, headers, cache: 'no-store' })
  if (response.ok) return response
  throw new ProblemError(await problemOf(response))
}

export async function listKeys(
  transport: string,
  prefix: string,
  after: string | undefined,
): Promise<PageMessage> {
  const query = new URLSearchParams({
    transport,
    prefix,
    ...(after === undefined ? {} : { after }),
  })
  return (await (await call(`keys?${query}`)).json()) as PageMessage
}

/** Undefined when there is no such key. */
export async function readKey(transport: string, key: string): Promise<PairView | undefined> {
  try {
    const query = new URLSearchParams({ transport, key })
    return (await (await call(`key?${query}`)).json()) as PairView
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 404) return undefined
    throw error
  }
}

export async function putKey(
  transport: string,
  key: string,
  request: PutRequest,
): Promise<PutResponse> {
  const query = new URLSearchParams({ transport, key })
  const response = await call(`key?${query}`, json('PUT', request))
  return (await response.json()) as PutResponse
}

export async function deleteKey(transport: string, key: string, ifVersion: string): Promise<void> {
  const query = new URLSearchParams({ transport, key, ifVersion })
  await call(`key?${query}`, { method: 'DELETE' })
}

export async function resync(names: readonly string[] | undefined): Promise<ResyncResponse> {
  const response = await call('resync', json('POST', names === undefined ? {} : { names }))
  return (await response.json()) as ResyncResponse
}

/** The text of whatever went wrong. */
export function textOf(error: unknown): string {
  if (error instanceof ProblemError) return error.problem.detail
  return error instanceof TypeError ? 'the agent does not answer' : String(error)
}

function json(method: string, body: unknown): RequestInit {
  return { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const problem = (await response.json()) as Partial<Problem>
    if (typeof problem.detail === 'string')
      return { ...(problem as Problem), status: response.status }
  } catch {
    // Not of ours: a proxy may have answered.
  }
  const detail = `the server answered ${response.status} ${response.statusText}`
  return { type: 'about:blank', title: response.statusText, status: response.status, detail }
}
