import type { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import type { NextFunction, Request, Response } from 'express'
import type { Agent } from '../agent/agent.ts'
import { describeError, isSyncError } from '../api/errors.ts'
import type { Served } from '../api/served.ts'
import type { Client } from '../serving/access.ts'
import { assertServable } from '../serving/option-checks.ts'
import { PipelinedResponses } from '../serving/pipelined-responses.ts'
import { loadAssets } from './assets.ts'
import type { Asset, Assets } from './assets.ts'
import { ChangeFeed } from './change-feed.ts'
import { EventSink } from './event-sink.ts'
import { Guard, setSecurityHeaders } from './guard.ts'
import { Keys, mustRead, transportOf } from './keys.ts'
import { resolveDashboardOptions } from './options.ts'
import type { DashboardOptions, ResolvedDashboardOptions } from './options.ts'
import { problemOf, RequestError, sendProblem } from './problem.ts'
import type { ResyncResponse } from './protocol.ts'
import { bodyOf, queryOf } from './query.ts'
import { runView } from './record.ts'
import { StateFeed } from './state-feed.ts'
import { Values } from './values.ts'

/** What Express mounts, and what Node's `createServer` takes. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void

/** A run that takes longer is not waited for. */
const RUN_MS = 15_000

/**
 * The agent's web page: `app.use('/dashboard', dashboard(agent))`. It remembers runs and refusals from here on.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), InvalidKeyError (`SYNC_INVALID_KEY`), ClosedError (`SYNC_CLOSED`)
 */
export function dashboard(agent: Agent, options: DashboardOptions = {}): RequestHandler {
  return new Dashboard(agent, resolveDashboardOptions(options)).app
}

/** The page of an agent, until `close`. */
export class Dashboard {
  /** Express stays out of this type: a project without `@types/express` can read the declarations. */
  readonly app: RequestHandler
  readonly #agent: Agent
  readonly #options: ResolvedDashboardOptions
  readonly #guard: Guard
  readonly #served: ReadonlyMap<string, Served>
  readonly #first: Served
  readonly #values: Values
  readonly #keys: Keys
  readonly #state: StateFeed
  readonly #pipelined = new PipelinedResponses()
  #assets: Promise<Assets> | undefined

  constructor(agent: Agent, options: ResolvedDashboardOptions) {
    assertServable(agent)
    const { prefixes, models, title, maxBodyBytes } = options
    this.#agent = agent
    this.#options = options
    this.#guard = new Guard(options)
    const served = agent.transports.map((transport) => agent.served({ transport, prefixes }))
    this.#served = new Map(served.map((one) => [one.transport, one]))
    this.#first = agent.served({ prefixes })
    this.#values = new Values(models)
    this.#keys = new Keys(this.#served, this.#values)
    this.#state = new StateFeed(agent, served, this.#first.io, title)

    const app = express().disable('x-powered-by').set('query parser', 'simple').set('etag', false)
    this.app = app
    app.use((request, response, next) => {
      this.#pipelined.follow(request, response)
      setSecurityHeaders(response)
      this.#guard.admit(request)
      next()
    })
    app.get('/', (request, response) => this.#page(request, response))
    app.get('/assets/:name', (request, response) => this.#asset(request, response))
    app.use('/api', this.#api(maxBodyBytes))
    app.use((_request, response) => {
      sendProblem(response, problemOf(new RequestError(404, 'there is no such page')))
    })
    app.use((error: unknown, request: Request, response: Response, next: NextFunction) =>
      this.#failed(error, request, response, next),
    )
  }

  /** Nothing of it is left at the agent; pages are cut off. */
  close(): void {
    this.#state.close()
  }

  #api(maxBodyBytes: number): express.Router {
    const api = express.Router()
    api.use(async (request, response, next) => {
      this.#guard.assertSameOrigin(request)
      response.locals['client'] = await this.#guard.client(request)
      next()
    })
    api.use(requireJson, express.json({ limit: maxBodyBytes }))
    api.get('/state', async (_request, response) => {
      response.type('json').send(this.#state.state(clientOf(response), (await this.#files()).build))
    })
    api.get('/events', (request, response) => this.#events(request, response))
    api.post('/resync', async (request, response) => {
      response.json(await this.#resync(request, clientOf(response)))
    })
    this.#keys.addTo(api, clientOf)
    return api
  }

  /** Loaded once; after a failure the next request tries again. */
  #files(): Promise<Assets> {
    this.#assets ??= loadAssets().catch((error: unknown) => {
      this.#assets = undefined
      throw error
    })
    return this.#assets
  }

  async #page(request: Request, response: Response): Promise<void> {
    const path = request.originalUrl.replace(/\?.*$/su, '')
    // Links of the page are relative: it has to be a folder.
    const last = /([^/]+)$/u.exec(path)?.[1]
    if (last !== undefined) response.redirect(308, `./${last}/`)
    else sendAsset(response, (await this.#files()).page)
  }

  async #asset(request: Request, response: Response): Promise<void> {
    const asset = (await this.#files()).files.get(String(request.params['name']))
    if (asset === undefined) throw new RequestError(404, 'there is no such file')
    response.setHeader('Cache-Control', 'public, max-age=31536000, immutable')
    sendAsset(response, asset)
  }

  /** State, runs and refusals; with `changes`, a prefix, also the changes under it. */
  async #events(request: Request, response: Response): Promise<void> {
    const client = clientOf(response)
    const prefix = queryOf(request, 'changes')
    const served = transportOf(this.#served, request)
    if (prefix !== undefined) mustRead(client, prefix)
    const { build } = await this.#files()
    if (this.#state.size >= this.#options.maxWatchers) {
      throw new RequestError(503, 'too many pages are open')
    }
    const sink = new EventSink(response)
    this.#state.add(client, sink, build)
    if (prefix !== undefined) await new ChangeFeed(served, prefix, this.#values, sink).run()
  }

  async #resync(request: Request, client: Client): Promise<ResyncResponse> {
    const { names } = bodyOf<{ names: unknown }>(request.body, ['names'])
    if (names !== undefined && !isNames(names)) {
      throw new RequestError(400, '`names` must be an array of names of registrations')
    }
    for (const { name, prefixes } of this.#agent.registrations) {
      if (names?.includes(name) === false) continue
      const may = client.writable.length > 0 && prefixes.every((prefix) => client.mayWrite(prefix))
      if (!may) throw new RequestError(403, `${client.name} may not write what ${name} watches`)
    }
    const { io } = this.#first
    io.logger.info({ client: client.name, names }, 'resync asked for by the dashboard')
    const run = this.#agent.resync(names)
    const late = new Promise<undefined>((resolve) => {
      const timer = io.clock.after(RUN_MS, () => resolve(undefined))
      const stop = (): void => timer.stop()
      run.then(stop, stop)
    })
    const report = await Promise.race([run, late])
    return report === undefined ? {} : { run: runView(report, this.#state.refusals) }
  }

  async #failed(
    error: unknown,
    request: Request,
    response: Response,
    next: NextFunction,
  ): Promise<void> {
    if (response.headersSent) {
      next(error)
      return
    }
    const problem = problemOf(error)
    if (problem.status === 500) {
      const { path, method } = request
      this.#first.io.logger.error({ error: describeError(error), method, path }, 'dashboard failed')
    }
    if (isSyncError(error, 'SYNC_VERSION_CONFLICT')) {
      const current = await this.#keys.current(request, clientOf(response)).catch(() => undefined)
      sendProblem(response, problemOf(error, current))
    } else {
      sendProblem(response, problem)
    }
  }
}

function clientOf(response: Response): Client {
  return response.locals['client'] as Client
}

/** A form of another site can send text, but not this type. */
function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const { method } = request
  if (
    (method === 'PUT' || method === 'POST') &&
    request.is('application/json') !== 'application/json'
  ) {
    throw new RequestError(415, 'the body must be application/json')
  }
  next()
}

function sendAsset(response: Response, { type, body }: Asset): void {
  response.setHeader('Content-Type', type)
  response.end(body)
}

function isNames(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= 10_000 &&
    value.every((name) => typeof name === 'string')
  )
}
