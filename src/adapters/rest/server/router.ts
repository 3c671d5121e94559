import type { IncomingMessage, ServerResponse } from 'node:http'
import { Router } from 'express'
import type { Request, Response } from 'express'
import { ClosedError, isSyncError } from '../../../api/errors.ts'
import { PipelinedResponses } from '../../../serving/pipelined-responses.ts'
import { servingState } from '../../../serving/serving-state.ts'
import type { SyncErrorCode } from '../../../api/errors.ts'
import type { Servable } from '../../../api/served.ts'
import { failureOf } from '../../../kit/failure.ts'
import { readBody } from './body.ts'
import { BatchTexts } from './batch-text.ts'
import { Exchange } from './exchange.ts'
import {
  deleteKey,
  deletePrefix,
  putKey,
  readKey,
  readKeys,
  readMany,
  replacePrefix,
} from './keys.ts'
import { openApiDocument } from './openapi.ts'
import { readRouterOptions } from './options.ts'
import type { RequestHandler, RestRouterOptions } from './options.ts'
import { HttpProblem, noSuchPath, problemFor, retryAfter, sendProblem } from './problem.ts'
import { keyOfPath } from './query.ts'
import { RequestIds } from './request-ids.ts'
import { Service } from './service.ts'
import { transact } from './txn.ts'
import { watch } from './watch.ts'
import { assertSingle } from './write-options.ts'

/** A router that Express, or Node's own server, calls with requests. */
export interface RestRouter {
  /** `next` gets what is no path of ours; without it, as Node's own server calls it, the answer is 404. */
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): unknown
  /** Express's own, with its routes. */
  readonly router: RequestHandler
  /** Ends all watches; their clients connect again, elsewhere or later. They end by themselves when the agent closes. */
  closeWatches(): void
}

type Handler = (service: Service, exchange: Exchange) => unknown

interface Methods {
  readonly GET?: Handler
  readonly HEAD?: Handler
  readonly PUT?: Handler
  readonly POST?: Handler
  readonly DELETE?: Handler
}

const KEY_PATH = '/v1/key'

/** Codes of what is refused before a store is asked. */
const MALFORMED: ReadonlySet<SyncErrorCode> = new Set([
  'SYNC_INVALID_KEY',
  'SYNC_INVALID_OPTION',
  'SYNC_DECODE',
  'SYNC_UNSUPPORTED_OPTION',
  'SYNC_PAYLOAD_TOO_LARGE',
])

/**
 * The REST surface of an agent, for any Express 5 app, below any path (docs/adapters/rest.md).
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), InvalidKeyError (`SYNC_INVALID_KEY`)
 */
export function restRouter(agent: Servable, options: RestRouterOptions = {}): RestRouter {
  const service = new Service(agent, readRouterOptions(options))
  const { settings, served } = service
  const { writeTimeoutMs } = settings
  // Strict: what is nearly a path of ours is none.
  const router = Router({ caseSensitive: true, strict: true })
  const texts = new BatchTexts(service.values)
  const ids = new RequestIds()
  const pipelined = new PipelinedResponses()

  /** Who asks is looked at before what they send is read. */
  const route = (path: string, methods: Methods, open = false): void => {
    const allow = Object.keys(methods).join(', ')
    const at = router.route(path)
    const refuse = (): never => {
      throw new HttpProblem(405, 'METHOD_NOT_ALLOWED', `allowed: ${allow}`, { headers: { allow } })
    }
    const handle = (handler: Handler) => async (request: Request, response: Response) => {
      // Express takes it for a GET: a watch would never answer.
      if (request.method === 'HEAD' && methods.HEAD === undefined) refuse()
      const caller = await service.guard.identify(request)
      if (!served.ready) throw notReady(served.io.random)
      const body = await readBody(request, settings.limits.maxBodyBytes)
      const writes = request.method === 'PUT' || request.method === 'DELETE' || path === '/v1/txn'
      const id = request.headers['idempotency-key']
      const named = writes && typeof id === 'string'
      if (named && !ids.take(caller.id, id)) throw sentTwice()
      try {
        await handler(service, new Exchange(request, response, { caller, body, writeTimeoutMs }))
      } catch (error) {
        if (named && cameToNothing(error)) ids.forget(caller.id, id)
        throw error
      }
    }
    for (const [method, handler] of Object.entries(methods) as [keyof Methods, Handler][]) {
      const name = method.toLowerCase() as Lowercase<keyof Methods>
      if (open) {
        at[name](async (request: Request, response: Response) => {
          const caller = await service.guard.stranger(request)
          await handler(service, new Exchange(request, response, { caller, writeTimeoutMs }))
        })
      } else at[name](handle(handler))
    }
    at.all(refuse)
  }

  const admit = (request: Request, response: Response, next: () => void): void => {
    pipelined.follow(request, response)
    if (!service.guard.admit(request, response)) next()
  }
  router.use('/v1', admit)

  // The busiest first: Express looks at one after the other.
  route('/v1/keys', {
    GET: readKeys,
    HEAD: readKeys,
    PUT: (own, exchange) =>
      exchange.query.has('prefix')
        ? replacePrefix(own, exchange)
        : putKey(own, exchange, assertSingle(exchange.query.keys())),
    DELETE: (own, exchange) =>
      exchange.query.has('prefix')
        ? deletePrefix(own, exchange)
        : deleteKey(own, exchange, assertSingle(exchange.query.keys())),
  })
  route('/v1/info', { GET: info, HEAD: info })
  route('/v1/health', { GET: health, HEAD: health }, true)
  const openApi = openApiDocument(settings)
  const document: Handler = (_, exchange) => {
    // Express says below which path we are; else paths would be looked for at the root.
    const { baseUrl = '' } = exchange.request as Partial<Request>
    exchange.json(200, baseUrl === '' ? openApi : { ...openApi, servers: [{ url: baseUrl }] })
  }
  route('/v1/openapi.json', { GET: document, HEAD: document }, true)
  route('/v1/get', { POST: readMany })
  route('/v1/txn', { POST: transact })
  const watching: Handler = (own, exchange) => watch(own, exchange, texts)
  route('/v1/watch', { GET: watching, POST: watching })
  const byPath = (base: string): Methods => ({
    GET: (own, exchange) => {
      exchange.query.allow()
      return readKey(own, exchange, keyIn(exchange, base))
    },
    HEAD: (own, exchange) => {
      exchange.query.allow()
      return readKey(own, exchange, keyIn(exchange, base))
    },
    PUT: (own, exchange) => {
      exchange.query.allow('ttl', 'wait', 'timeoutMs')
      return putKey(own, exchange, keyIn(exchange, base))
    },
    DELETE: (own, exchange) => {
      exchange.query.allow('wait', 'timeoutMs')
      return deleteKey(own, exchange, keyIn(exchange, base))
    },
  })
  route(`${KEY_PATH}/*path`, byPath(KEY_PATH))
  router.use('/v1', () => {
    throw noSuchPath()
  })
  if (settings.rootKeys) {
    router.use('/', admit)
    route('/*path', byPath(''))
  }
  router.use(((
    error: unknown,
    _request: Request,
    response: Response,
    next: (e: unknown) => void,
  ) => {
    // Of what the application did after us.
    if (response.headersSent) return next(error)
    // The client is gone: nobody waits for an answer.
    if (response.destroyed) return undefined
    sendProblem(response, problemFor(error, served.io.random, served.io.logger))
  }) as unknown as RequestHandler)

  const handler = (
    request: IncomingMessage,
    response: ServerResponse,
    next: (error?: unknown) => void = () => sendProblem(response, noSuchPath()),
  ): unknown => router(request as Request, response as Response, next)
  return Object.assign(handler, {
    router,
    closeWatches: () => service.close(new ClosedError('the server')),
  })
}

/** What Express decodes is not looked at. */
function keyIn({ path }: Exchange, base: string): string {
  return keyOfPath(path.slice(base.length))
}

function info(service: Service, exchange: Exchange): void {
  exchange.query.allow()
  exchange.json(200, service.info(exchange.caller))
}

/** For probes: without credentials, and without anything that a stranger could use. */
function health({ served }: Service, exchange: Exchange): void {
  exchange.query.allow()
  const status = servingState(served)
  const headers: Record<string, string> = status === 'ok' ? {} : retryAfter(served.io.random)
  exchange.json(status === 'ok' ? 200 : 503, { status }, headers)
}

/** A browser sends a request again when a kept connection was dead: the first one may be under way. */
function sentTwice(): HttpProblem {
  const detail = 'this request was sent before; what became of it is not known here'
  return new HttpProblem(409, 'SYNC_UNAVAILABLE', detail, { details: { outcome: 'unknown' } })
}

/** It was refused before anything was written. */
function cameToNothing(error: unknown): boolean {
  if (error instanceof HttpProblem) return true
  if (!isSyncError(error)) return false
  return MALFORMED.has(error.code) || failureOf(error).outcome === 'not-applied'
}

function notReady(random: () => number): HttpProblem {
  return new HttpProblem(503, 'SYNC_UNAVAILABLE', 'the agent has not started, or is closed', {
    headers: retryAfter(random),
    details: { outcome: 'not-applied', retryable: true },
  })
}
