import { InvalidOptionError, VersionConflictError } from '../../../api/errors.ts'
import { assertKey, assertPrefix, compareKeys } from '../../../api/key.ts'
import type { ReplaceTurn } from '../../../api/served.ts'
import type { CommitResult, Op, RawPair } from '../../../api/transport.ts'
import type { PutConditions } from '../../../api/writer.ts'
import { TURN_MEANING } from '../../../serving/turn-outcomes.ts'
import type { TurnMeaning } from '../../../serving/turn-outcomes.ts'
import { BYTES_TYPE, JSON_TYPE } from '../protocol.ts'
import {
  assertUnconditional,
  conditionOf,
  conditionsOf,
  etagOf,
  evaluateRead,
  needsVersion,
} from './conditions.ts'
import type { Exchange } from './exchange.ts'
import { fieldsOf, listOfBody, parseJson } from './json-body.ts'
import { HttpProblem, retryAfter } from './problem.ts'
import { ttlMsOf } from './query.ts'
import type { Service } from './service.ts'
import type { ValueForm } from './values.ts'
import { waitOf, writtenBody, writtenHeaders } from './write-options.ts'
import type { WriteWait } from './write-options.ts'

/** Also how JSON from a model is called; stored bytes are mostly protobuf. */
const PROTOBUF_TYPE = 'application/x-protobuf'
/** A page ends when its values are that large. */
const PAGE_BYTES = 8 * 2 ** 20
/** A condition that has to know the present version is tried again when another writer comes between. */
const CONDITION_TRIES = 20
const DEFAULT_PAGE = 1_000

/** GET and HEAD of `/v1/keys`. */
export async function readKeys(service: Service, exchange: Exchange): Promise<void> {
  const { query } = exchange
  if (query.has('prefix')) {
    await readPrefix(service, exchange)
    return
  }
  const keys = query.keys()
  if (keys.length === 0) throw new InvalidOptionError('key', 'is missing: give key or prefix')
  if (keys.length === 1) {
    query.allow('key')
    await readKey(service, exchange, keys[0] ?? '')
    return
  }
  query.allow('key', 'format', 'values')
  await sendPairs(service, exchange, keys)
}

/** POST of `/v1/get`: the same for more keys than an URL takes. */
export async function readMany(service: Service, exchange: Exchange): Promise<void> {
  const { query } = exchange
  query.allow('format', 'values')
  exchange.assertJsonBody()
  const { keys } = fieldsOf(parseJson(exchange.body), 'body', ['keys'])
  const list = listOfBody(keys, 'keys', service.settings.limits.maxKeys)
  await sendPairs(
    service,
    exchange,
    list.map((key) => {
      assertKey(key)
      return key
    }),
  )
}

/** GET and HEAD of one key, however it was written. */
export async function readKey(service: Service, exchange: Exchange, key: string): Promise<void> {
  const { request } = exchange
  const conditions = conditionsOf(request.headers)
  exchange.assertMayRead(key)
  const [pair] = await service.served.get([key])
  if (pair === undefined) throw new HttpProblem(404, 'NOT_FOUND', 'there is no such key')
  const headers = {
    etag: etagOf(pair.version),
    'datasync-revision': String(pair.revision),
    ...(exchange.response.hasHeader('vary') ? {} : { vary: 'Accept' }),
  }
  const state = evaluateRead(conditions, pair.version)
  if (state === 'failed') throw new VersionConflictError(key, 'another version', pair.version)
  if (state === 'not-modified') {
    exchange.response.writeHead(304, { ...headers, 'cache-control': 'no-store' }).end()
    return
  }
  const json = service.values.hasJson(key) ? [JSON_TYPE] : []
  const type = exchange.accepts(BYTES_TYPE, PROTOBUF_TYPE, ...json)
  if (type !== JSON_TYPE) {
    exchange.send(200, pair.value, type, headers)
    return
  }
  let value: unknown
  try {
    value = service.values.toJson(key, pair.value)
  } catch {
    const problem = `what is stored is not of its model; ask for ${BYTES_TYPE}`
    throw new HttpProblem(406, 'NOT_ACCEPTABLE', problem)
  }
  exchange.json(200, value, headers)
}

/** PUT of one key, however it was written. */
export async function putKey(service: Service, exchange: Exchange, key: string): Promise<void> {
  const { query, request } = exchange
  query.allow('key', 'ttl', 'wait', 'timeoutMs')
  exchange.assertMayWrite(key)
  const wait = service.waitOf(query)
  const ttlMs = ttlMsOf(query.one('ttl'))
  const conditions = conditionsOf(request.headers)
  const value = valueOf(service, exchange, key)
  const ttl = ttlMs === undefined ? {} : { ttlMs }
  const result = await conditionally(service, exchange, key, (condition) =>
    service.served.commit([{ type: 'put', key, value, ...ttl, ...condition }], wait.options),
  )
  const [version = ''] = result.versions
  const { deleted: _none, ...body } = writtenBody(wait, result)
  const created = conditions.noneMatch === '*' && !wait.unawaited
  exchange.json(
    wait.unawaited ? 202 : created ? 201 : 200,
    { ...body, key, version },
    { ...writtenHeaders(result), etag: etagOf(version) },
  )
}

/** DELETE of one key, however it was written. */
export async function deleteKey(service: Service, exchange: Exchange, key: string): Promise<void> {
  const { query } = exchange
  query.allow('key', 'wait', 'timeoutMs')
  exchange.assertMayWrite(key)
  const wait = service.waitOf(query)
  const { served } = service
  const result = await conditionally(service, exchange, key, async ({ ifVersion, ifAbsent }) => {
    if (ifAbsent === true) {
      const [present] = await served.get([key])
      if (present !== undefined) throw new VersionConflictError(key, undefined, present.version)
      return nothingDeleted(wait)
    }
    const condition = ifVersion === undefined ? {} : { ifVersion }
    return served.commit([{ type: 'delete', key, ...condition }], wait.options)
  })
  exchange.json(
    wait.unawaited ? 202 : 200,
    { ...writtenBody(wait, result), key },
    writtenHeaders(result),
  )
}

/** Of a key that is not there. */
function nothingDeleted({ options }: WriteWait): CommitResult {
  return { versions: [], deleted: 0, ...(options.waitFor === 'applied' ? { receivers: 0 } : {}) }
}

/** PUT of `/v1/keys?prefix=`: the body is everything that there is under the prefixes afterwards. */
export async function replacePrefix(service: Service, exchange: Exchange): Promise<void> {
  const { query } = exchange
  query.allow('prefix', 'wait', 'timeoutMs')
  assertUnconditional(exchange)
  const prefixes = query.prefixes()
  for (const prefix of prefixes) exchange.assertMayWrite(prefix)
  exchange.assertJsonBody()
  // Whoever watches gets RESYNCs, whatever the store can tell of single writes.
  const wait = waitOf(query, true, service.settings.limits.maxWaitMs)
  const { maxOps } = service.settings.limits
  const pairs = listOfBody(parseJson(exchange.body), 'body', maxOps).map((item, index) => {
    const where = `body[${index}]`
    // As a list gives them: what GET says can be put back.
    const known = ['key', 'value', 'encoding', 'ttl', 'version', 'revision']
    const { key, value, encoding, ttl } = fieldsOf(item, where, known)
    assertKey(key)
    const ttlMs = ttlMsOf(ttl)
    return {
      key,
      value: service.values.fromWire(key, value, encoding, where),
      ...(ttlMs === undefined ? {} : { ttlMs }),
    }
  })
  const { put, deleted, versions, turns } = await service.served.replace(
    prefixes,
    pairs,
    wait.options,
  )
  const meant = (meaning: TurnMeaning): ReplaceTurn[] =>
    turns.filter(({ outcome }) => TURN_MEANING[outcome] === meaning)
  const refused = meant('refused')
  if (refused.length > 0) throw service.refused(refused)
  const isPending = meant('not-yet-applied').length > 0
  exchange.json(wait.unawaited || isPending ? 202 : 200, {
    outcome: isPending ? 'stored' : wait.options.waitFor,
    put,
    deleted,
    versions: Array.from(versions, ([key, version]) => ({ key, version })),
    turns: turns.map(({ registration, outcome }) => ({ registration, outcome })),
  })
}

/** DELETE of `/v1/keys?prefix=`. */
export async function deletePrefix(service: Service, exchange: Exchange): Promise<void> {
  const { query } = exchange
  query.allow('prefix', 'wait', 'timeoutMs')
  assertUnconditional(exchange)
  const prefixes = query.prefixes()
  for (const prefix of prefixes) exchange.assertMayWrite(prefix)
  const wait = service.waitOf(query)
  const ops = prefixes.map((prefix): Op => ({ type: 'delete-prefix', prefix }))
  const result = await service.served.commit(ops, wait.options)
  exchange.json(wait.unawaited ? 202 : 200, writtenBody(wait, result), writtenHeaders(result))
}

async function readPrefix(service: Service, exchange: Exchange): Promise<void> {
  const { query } = exchange
  query.allow('prefix', 'limit', 'after', 'format', 'values')
  const prefix = query.one('prefix') ?? ''
  assertPrefix(prefix)
  exchange.assertMayRead(prefix)
  exchange.accepts(JSON_TYPE)
  const { maxKeys } = service.settings.limits
  const limit = query.integer('limit', 1, maxKeys) ?? Math.min(DEFAULT_PAGE, maxKeys)
  const after = query.one('after')
  if (after !== undefined) assertPrefix(after)
  const form = formOf(exchange)
  const { pairs, more: hasMore } = await service.served.page(prefix, { after, limit })
  const end = pageEnd(pairs, form.values)
  const last = pairs[end - 1]
  const headers: Record<string, string> = {}
  let tail = ']}'
  if (last !== undefined && (hasMore || end < pairs.length)) {
    const more = ['format', 'values'].flatMap((name) => {
      const value = query.one(name)
      return value === undefined ? [] : [`&${name}=${value}`]
    })
    const next = `?prefix=${encodeURIComponent(prefix)}&limit=${limit}&after=${encodeURIComponent(last.key)}${more.join('')}`
    headers['link'] = `<${next}>; rel="next"`
    tail = `],"next":${JSON.stringify(next)}}`
  }
  await exchange.sendPieces(pieces(service, pairs.slice(0, end), form, tail), headers)
}

async function sendPairs(
  service: Service,
  exchange: Exchange,
  keys: readonly string[],
): Promise<void> {
  const { maxKeys } = service.settings.limits
  if (keys.length > maxKeys)
    throw new InvalidOptionError('key', `is given more than ${maxKeys} times`)
  for (const key of keys) exchange.assertMayRead(key)
  exchange.accepts(JSON_TYPE)
  const form = formOf(exchange)
  const pairs = keys.length === 0 ? [] : await service.served.get([...new Set(keys)])
  const sorted = pairs.toSorted((a, b) => compareKeys(a.key, b.key))
  await exchange.sendPieces(pieces(service, sorted, form, ']}'))
}

function* pieces(
  { values }: Service,
  pairs: readonly RawPair[],
  form: ValueForm,
  tail: string,
): Generator<string> {
  let text = '{"pairs":['
  let separator = ''
  for (const pair of pairs) {
    text += separator + JSON.stringify(values.toWire(pair, form))
    separator = ','
    if (text.length < 65_536) continue
    yield text
    text = ''
  }
  yield text + tail
}

/** `?values=false`, `?format=json`. @throws InvalidOptionError */
export function formOf({ query }: Exchange): ValueForm {
  const format = query.one('format')
  if (format !== undefined && format !== 'json' && format !== 'base64') {
    throw new InvalidOptionError('format', 'must be base64 or json')
  }
  return { values: query.flag('values') ?? true, json: format === 'json' }
}

function pageEnd(pairs: readonly RawPair[], values: boolean): number {
  let end = 0
  for (let bytes = 0; end < pairs.length && bytes < PAGE_BYTES; end++) {
    if (values) bytes += (pairs[end] as RawPair).value.length
  }
  return end
}

/** The condition may well hold. */
function crowded(random: () => number): HttpProblem {
  return new HttpProblem(503, 'SYNC_UNAVAILABLE', 'others write the key all the time', {
    headers: retryAfter(random),
    details: { outcome: 'not-applied', retryable: true },
  })
}

function valueOf(service: Service, exchange: Exchange, key: string): Uint8Array {
  const { contentType, request } = exchange
  // Part of a value would take the place of all of it (RFC 9110 §14.5).
  if (request.headers['content-range'] !== undefined) {
    throw new InvalidOptionError('Content-Range', 'is not taken: give the whole value')
  }
  switch (contentType) {
    case undefined:
    case BYTES_TYPE:
    case PROTOBUF_TYPE:
    case 'application/protobuf':
      // A message may be kept in the store: what it is cut from is not to stay with it.
      return new Uint8Array(exchange.bytes)
    case JSON_TYPE:
      if (service.values.hasJson(key)) return service.values.fromJson(key, parseJson(exchange.body))
      throw new HttpProblem(
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        `no model covers the key: its value is taken as ${BYTES_TYPE}`,
      )
    default:
      throw new HttpProblem(
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        `a value is taken as ${BYTES_TYPE}, ${PROTOBUF_TYPE} or, under a model, ${JSON_TYPE}`,
      )
  }
}

/** Writes under If-Match and If-None-Match. */
async function conditionally<T>(
  { served }: Service,
  { request }: Exchange,
  key: string,
  write: (condition: PutConditions) => Promise<T>,
): Promise<T> {
  const conditions = conditionsOf(request.headers)
  if (!needsVersion(conditions)) return write(conditionOf(conditions, key, undefined))
  for (let tries = 1; ; tries++) {
    const [present] = await served.get([key])
    try {
      return await write(conditionOf(conditions, key, present?.version))
    } catch (error) {
      if (!(error instanceof VersionConflictError)) throw error
      const [now] = await served.get([key])
      // When it is the same as before, the condition itself does not hold.
      if (now?.version === present?.version) throw error
      if (tries === CONDITION_TRIES) throw crowded(served.io.random)
    }
  }
}
