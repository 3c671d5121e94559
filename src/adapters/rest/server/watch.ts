import type { ServerResponse } from 'node:http'
import { ClosedError, InvalidOptionError, isSyncError } from '../../../api/errors.ts'
import { assertPrefix } from '../../../api/key.ts'
import type { Batch, BatchIterator } from '../../../api/transport.ts'
import { Deadline } from '../../../kit/deadline.ts'
import { failureOf } from '../../../kit/failure.ts'
import { decodeToken, EVENTS, SSE_TYPE } from '../protocol.ts'
import type { WireBegin } from '../protocol.ts'
import { event } from './batch-text.ts'
import type { BatchTexts, BatchView } from './batch-text.ts'
import { drained } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import { fieldsOf, listOfBody, parseJson } from './json-body.ts'
import { formOf } from './keys.ts'
import { HttpProblem, retryAfter } from './problem.ts'
import type { Service } from './service.ts'

const MIN_HEARTBEAT_MS = 50
/** Proxies and browsers hold back the first bytes until there are so many. */
const PADDING = `:${' '.repeat(2_048)}\n\n`
const HEARTBEAT = ': heartbeat\n\n'
/** Written at once at most, of a burst. */
const BURST = 64

interface WatchRequest {
  readonly prefixes: readonly string[]
  readonly from: string | undefined
  readonly view: BatchView
  readonly heartbeatMs: number
}

/** GET and POST of `/v1/watch`: server-sent events until one side ends it. */
export async function watch(
  service: Service,
  exchange: Exchange,
  texts: BatchTexts,
): Promise<void> {
  const { served, settings, slots } = service
  const { response, caller } = exchange
  const wanted = readRequest(service, exchange, texts)
  exchange.accepts(SSE_TYPE)
  if (served.capabilities.watchable === false) {
    throw new HttpProblem(501, 'SYNC_UNSUPPORTED_OPTION', 'the store can be read, but not watched')
  }
  // While the application looked at it: nothing would tell us.
  if (response.destroyed) return
  const slot = slots.take(caller.id)
  if (typeof slot === 'string') {
    const [status, whose] = slot === 'all' ? [503, 'watchers'] : [429, 'watchers of one client']
    throw new HttpProblem(status, 'SYNC_OVERFLOW', `too many ${whose}`, {
      headers: retryAfter(served.io.random),
      details: { retryable: true },
    })
  }
  const call = service.beginWatch()
  const gone = (): void => call.abort(new ClosedError('the connection'))
  response.once('close', gone)
  const uncount = served.watching('rest')
  try {
    response.writeHead(200, {
      'content-type': `${SSE_TYPE}; charset=utf-8`,
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    // A socket that takes nothing for this long is destroyed by Node; heartbeats move one that does.
    response.setTimeout(Math.max(settings.writeTimeoutMs, 3 * wanted.heartbeatMs), () =>
      response.destroy(),
    )
    // Clients that are all cut off together come back spread.
    const retryMs = Math.round(1_000 + 4_000 * served.io.random())
    const info = JSON.stringify(service.info(caller))
    response.write(`${PADDING}retry: ${retryMs}\n\n${event(EVENTS.info, info)}`)
    const resumes = served.capabilities.resumable ? wanted.from : undefined
    const batches = served.stream(wanted.prefixes, resumes, call.signal)
    const ended = await new WatchWriter(service, response, texts, wanted).run(
      batches[Symbol.asyncIterator](),
    )
    if (!response.destroyed) response.end(event(EVENTS.closed, JSON.stringify(failureOf(ended))))
  } finally {
    response.off('close', gone)
    uncount()
    slot()
    gone()
    service.endWatch(call)
  }
}

/** Writes the batches of one watch, no faster than they are taken. */
class WatchWriter {
  readonly #service: Service
  readonly #response: ServerResponse
  readonly #texts: BatchTexts
  readonly #request: WatchRequest
  readonly #heartbeat: Deadline
  #phase: 'start' | 'listing' | 'live' = 'start'
  #position: string | undefined
  /** Events of a batch that is too large to be written at once. */
  #pending: Iterator<Buffer> | undefined

  constructor(
    service: Service,
    response: ServerResponse,
    texts: BatchTexts,
    request: WatchRequest,
  ) {
    this.#service = service
    this.#response = response
    this.#texts = texts
    this.#request = request
    this.#position = request.from
    this.#heartbeat = new Deadline(service.served.io.clock, () => this.#beat())
  }

  /** Why the watch has ended. */
  async run(batches: BatchIterator): Promise<unknown> {
    this.#heartbeat.set(this.#request.heartbeatMs)
    const response = this.#response
    try {
      for (;;) {
        const next = batches.poll?.() ?? (await batches.next())
        const batch = 'kind' in next ? next : next.value
        if (batch === undefined || response.destroyed) return new ClosedError('the agent')
        let taken = this.#write(batch)
        for (let more = 1; taken && more < BURST; more++) {
          const further = batches.poll?.()
          if (further === undefined) break
          taken = this.#write(further)
        }
        if (!taken) await this.#drained()
        if (this.#pending !== undefined) await this.#writeRest()
      }
    } catch (error) {
      if (isSyncError(error)) return error
      this.#service.served.io.logger.error({ error: String(error) }, 'watch failed')
      return error
    } finally {
      this.#heartbeat.stop()
      // The stream is to hear of it, whoever ended first.
      await batches.return?.()
    }
  }

  /** False when the client has to take something first. */
  #write(batch: Batch): boolean {
    switch (batch.kind) {
      case 'reset':
        this.#phase = 'listing'
        return this.#begin(batch.reason)
      case 'pairs':
        this.#list()
        return this.#events(batch)
      case 'listed':
        this.#list()
        this.#phase = 'live'
        this.#position = batch.position
        return this.#send(event(EVENTS.end, '{}', batch.position))
      case 'changes':
        if (this.#phase === 'start') this.#phase = 'live'
        this.#position = batch.position ?? this.#position
        return this.#events(batch)
      case 'progress':
        return this.#progress(batch.position)
    }
  }

  #progress(position: string | undefined): boolean {
    const goesOn = this.#phase === 'start' && this.#request.from !== undefined
    if (goesOn) this.#phase = 'live'
    const moved = this.#phase === 'live' && position !== undefined && position !== this.#position
    if (moved) this.#position = position
    return goesOn || moved ? this.#send(event(EVENTS.progress, '{}', position)) : true
  }

  /** Pairs come: says of what. */
  #list(): void {
    if (this.#phase === 'start') {
      this.#phase = 'listing'
      this.#begin(this.#request.from === undefined ? 'startup' : 'reconnected')
    }
  }

  #begin(reason: WireBegin['reason']): boolean {
    return this.#send(event(EVENTS.begin, JSON.stringify({ reason })))
  }

  #events(batch: Batch & { kind: 'pairs' | 'changes' }): boolean {
    const events = this.#texts.events(batch, this.#request.view)
    for (;;) {
      const { done, value } = events.next()
      if (done === true) return true
      if (this.#send(value)) continue
      // Also when it was the last: then it ends at once.
      this.#pending = events
      return false
    }
  }

  async #writeRest(): Promise<void> {
    const events = this.#pending
    this.#pending = undefined
    for (;;) {
      const { done, value } = events?.next() ?? { done: true, value: undefined }
      if (done === true || this.#response.destroyed) return
      if (!this.#send(value)) await this.#drained()
    }
  }

  #send(text: string | Buffer): boolean {
    this.#heartbeat.set(this.#request.heartbeatMs)
    return this.#response.write(text)
  }

  async #drained(): Promise<void> {
    // What is written while nothing is taken would only be more of it.
    this.#heartbeat.clear()
    await drained(this.#response)
    this.#heartbeat.set(this.#request.heartbeatMs)
  }

  #beat(): void {
    if (this.#response.destroyed) return
    this.#heartbeat.set(this.#request.heartbeatMs)
    if (!this.#response.writableNeedDrain) this.#response.write(HEARTBEAT)
  }
}

/** @throws InvalidOptionError, InvalidKeyError, HttpProblem 403 */
function readRequest(service: Service, exchange: Exchange, texts: BatchTexts): WatchRequest {
  const { query, request } = exchange
  const { limits, heartbeatMs } = service.settings
  query.allow('prefix', 'lastEventId', 'values', 'format', 'heartbeatMs')
  const body = request.method === 'POST' ? bodyOf(exchange, limits.maxPrefixes) : undefined
  const prefixes = body?.prefixes ?? query.prefixes()
  if (prefixes.length === 0) throw new InvalidOptionError('prefix', 'is missing')
  if (prefixes.length > limits.maxPrefixes) {
    throw new InvalidOptionError('prefix', `is given more than ${limits.maxPrefixes} times`)
  }
  for (const prefix of prefixes) exchange.assertMayRead(prefix)
  const header = request.headers['last-event-id']
  // The header is of the connection before; the query of the page that was loaded.
  const id = body?.lastEventId ?? (typeof header === 'string' ? header : query.one('lastEventId'))
  return {
    prefixes,
    // One that we never gave is too old for any store.
    from: id === undefined || id === '' ? undefined : (decodeToken(id) ?? id),
    view: texts.view(prefixes, formOf(exchange)),
    heartbeatMs: Math.min(
      query.integer('heartbeatMs', MIN_HEARTBEAT_MS, 2 ** 31 - 1) ?? heartbeatMs,
      heartbeatMs,
    ),
  }
}

function bodyOf(
  exchange: Exchange,
  maxPrefixes: number,
): { prefixes: readonly string[]; lastEventId: string | undefined } {
  exchange.assertJsonBody()
  const fields = fieldsOf(parseJson(exchange.body), 'body', ['prefixes', 'lastEventId'])
  const { lastEventId } = fields
  if (lastEventId !== undefined && typeof lastEventId !== 'string') {
    throw new InvalidOptionError('lastEventId', 'must be a string')
  }
  const prefixes = listOfBody(fields['prefixes'], 'prefixes', maxPrefixes).map((prefix) => {
    assertPrefix(prefix)
    return prefix
  })
  return { prefixes, lastEventId }
}
