import type { Request, Response, Router } from 'express'
import { VersionConflictError } from '../api/errors.ts'
import type { WriteOutcome } from '../api/errors.ts'
import type { Served } from '../api/served.ts'
import type { CommitOptions, Op, RawPair } from '../api/transport.ts'
import { MAX_MS } from '../api/options.ts'
import { failureOf } from '../kit/failure.ts'
import type { Client } from '../serving/access.ts'
import { RequestError } from './problem.ts'
import type { PageMessage, PairView, PutRequest, PutResponse } from './protocol.ts'
import { bodyOf, queryOf } from './query.ts'
import { isEncoding } from './values.ts'
import type { Values } from './values.ts'

const PAGE = 100
const MOST_PER_PAGE = 500
/** Characters of a value in a list, and of one by itself. */
const PREVIEW = 200
const WHOLE = 256 * 1024
/** For receivers to say done. */
const APPLIED_MS = 10_000
/** Lists under way: each goes through all keys of its prefix. */
const LISTS = 4

/** Look at keys, page by page, and change them: never what the client has not seen. */
export class Keys {
  readonly #served: ReadonlyMap<string, Served>
  readonly #values: Values
  #lists = 0

  constructor(served: ReadonlyMap<string, Served>, values: Values) {
    this.#served = served
    this.#values = values
  }

  /** `clientOf` tells who asks. */
  addTo(router: Router, clientOf: (response: Response) => Client): void {
    router.get('/keys', async (request, response) => {
      response.json(await this.#page(request, clientOf(response)))
    })
    router.get('/key', async (request, response) => {
      const { served, key } = this.#target(request)
      mustRead(clientOf(response), key)
      const pair = await read(served, key)
      if (pair === undefined) throw new RequestError(404, `there is no key ${quoted(key)}`)
      response.json(this.#values.pair(pair, WHOLE))
    })
    router.put('/key', async (request, response) => {
      const { served, key } = this.#target(request)
      mustWrite(clientOf(response), key)
      const put = this.#put(served, key, putRequest(request.body))
      response.json(await logged(put, served, 'put', clientOf(response)))
    })
    router.delete('/key', async (request, response) => {
      const { served, key } = this.#target(request)
      mustWrite(clientOf(response), key)
      const ifVersion = queryOf(request, 'ifVersion')
      if (ifVersion === undefined) throw new RequestError(400, '`ifVersion` is missing')
      const deleted = commit(served, { type: 'delete', key, ifVersion }, stored)
      await logged(deleted, served, 'delete', clientOf(response))
      response.json({})
    })
  }

  /** The key's present state, for who had expected another; undefined where that is no answer. */
  async current(request: Request, client: Client): Promise<PairView | null | undefined> {
    const { served, key } = this.#target(request)
    if (!client.mayRead(key)) return undefined
    const pair = await read(served, key)
    return pair === undefined ? null : this.#values.pair(pair, WHOLE)
  }

  async #page(request: Request, client: Client): Promise<PageMessage> {
    const served = this.#transport(request)
    const prefix = queryOf(request, 'prefix') ?? ''
    const after = queryOf(request, 'after')
    const limit = Number(queryOf(request, 'limit') ?? PAGE)
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST_PER_PAGE) {
      throw new RequestError(400, `\`limit\` must be an integer from 1 to ${MOST_PER_PAGE}`)
    }
    mustRead(client, prefix)
    if (this.#lists >= LISTS) throw new RequestError(503, 'too many lists are under way')
    this.#lists++
    try {
      const { pairs, more } = await served.page(prefix, { after, limit })
      const views = pairs.map((pair) => this.#values.pair(pair, PREVIEW))
      return { pairs: views, more, at: served.io.clock.now() }
    } finally {
      this.#lists--
    }
  }

  async #put(served: Served, key: string, request: PutRequest): Promise<PutResponse> {
    const { ifVersion, ifAbsent, ttlMs, waitFor } = request
    const op: Op = {
      type: 'put',
      key,
      value: this.#values.bytes(key, request.value),
      ...(ifVersion === undefined ? { ifAbsent: ifAbsent === true } : { ifVersion }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
    }
    const options: CommitOptions = { waitFor: waitFor ?? 'stored', timeoutMs: APPLIED_MS }
    const { versions, receivers } = await commit(served, op, options)
    return { version: versions[0] ?? '', ...(receivers === undefined ? {} : { receivers }) }
  }

  #target(request: Request): { served: Served; key: string } {
    const key = queryOf(request, 'key')
    if (key === undefined) throw new RequestError(400, '`key` is missing')
    return { served: this.#transport(request), key }
  }

  #transport(request: Request): Served {
    return transportOf(this.#served, request)
  }
}

/** The transport that a request names; the first one. @throws RequestError (404) */
export function transportOf(all: ReadonlyMap<string, Served>, request: Request): Served {
  const name = queryOf(request, 'transport')
  const [first] = all.values()
  const served = name === undefined ? first : all.get(name)
  if (served === undefined)
    throw new RequestError(404, `there is no transport ${quoted(name ?? '')}`)
  return served
}

/** @throws RequestError (403) */
export function mustRead(client: Client, keyOrPrefix: string): void {
  if (client.mayRead(keyOrPrefix)) return
  const own = client.readable.map(quoted).join(', ')
  const what = own === '' ? 'nothing' : `only what begins with ${own}`
  throw new RequestError(403, `${client.name} may read ${what}`)
}

function mustWrite(client: Client, key: string): void {
  if (client.mayWrite(key)) return
  throw new RequestError(403, `${client.name} may not write ${quoted(key)}`)
}

const stored: CommitOptions = { waitFor: 'stored', timeoutMs: APPLIED_MS }

/**
 * Where the store cannot compare versions itself, it is done here: what another program writes in between is
 * overwritten, what was there before it is not.
 */
async function commit(
  served: Served,
  op: Exclude<Op, { type: 'delete-prefix' }>,
  options: CommitOptions,
): Promise<{ versions: readonly (string | undefined)[]; receivers?: number }> {
  if (served.capabilities.conditionalPut) return served.commit([op], options)
  const actual = (await read(served, op.key))?.version
  if (actual !== op.ifVersion) throw new VersionConflictError(op.key, op.ifVersion, actual)
  const { ifVersion: _, ...rest } = op
  if (rest.type === 'put' && rest.ifAbsent !== undefined) {
    const { ifAbsent: _ifAbsent, ...plain } = rest
    return served.commit([plain], options)
  }
  return served.commit([rest], options)
}

async function read(served: Served, key: string): Promise<RawPair | undefined> {
  const [pair] = await served.get([key])
  return pair
}

function putRequest(body: unknown): PutRequest {
  const { value, ifVersion, ifAbsent, ttlMs, waitFor } = bodyOf<PutRequest>(body, [
    'value',
    'ifVersion',
    'ifAbsent',
    'ttlMs',
    'waitFor',
  ]) as Partial<PutRequest>
  if (typeof value?.text !== 'string' || !isEncoding(value.encoding)) {
    throw new RequestError(
      400,
      '`value` must have a text and an encoding: json, text, hex or base64',
    )
  }
  if (typeof ifVersion === 'string' ? ifAbsent === true : ifAbsent !== true) {
    throw new RequestError(400, 'one of `ifVersion` and `ifAbsent: true` is needed')
  }
  if (ttlMs !== undefined && !(typeof ttlMs === 'number' && ttlMs > 0 && ttlMs <= MAX_MS)) {
    throw new RequestError(400, '`ttlMs` must be a number of milliseconds')
  }
  if (waitFor !== undefined && waitFor !== 'stored' && waitFor !== 'applied') {
    throw new RequestError(400, '`waitFor` must be stored or applied')
  }
  return {
    value: { encoding: value.encoding, text: value.text },
    ...(typeof ifVersion === 'string' ? { ifVersion } : { ifAbsent: true }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(waitFor === undefined ? {} : { waitFor }),
  }
}

/** Also a write that was stored, or may have been, although it failed. */
async function logged<T>(
  write: Promise<T>,
  { transport, io }: Served,
  what: 'put' | 'delete',
  { name }: Client,
): Promise<T> {
  const log = (outcome: WriteOutcome): void =>
    io.logger.info({ transport, client: name, what, outcome }, 'written by the dashboard')
  try {
    const result = await write
    log('stored')
    return result
  } catch (error) {
    const { outcome } = failureOf(error)
    if (outcome === 'stored' || outcome === 'unknown') log(outcome)
    throw error
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
