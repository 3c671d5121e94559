import type { IncomingMessage, ServerResponse } from 'node:http'
import { accessControl } from '../../../serving/access.ts'
import type { Client, Identify } from '../../../serving/access.ts'
import { credentialsOf, isFromThisMachine } from '../../../serving/http-credentials.ts'
import { RequestRate } from '../../../serving/request-rate.ts'
import type { RouterSettings } from './options.ts'
import { HttpProblem } from './problem.ts'

/** Credentials that are wrong, per address and second. */
const WRONG_PER_SECOND = 20

/** Who is at the other end, as limits count them. */
export interface Caller {
  readonly client: Client
  /** The client's name, or without access control its address. */
  readonly id: string
}

/** Decides at the door whom a request is from and whether it is answered at all. */
export class Guard {
  readonly #settings: RouterSettings
  readonly #identify: Identify
  readonly #rate: RequestRate
  readonly #wrong = new RequestRate(WRONG_PER_SECOND)

  /** @throws InvalidOptionError, InvalidKeyError */
  constructor(settings: RouterSettings, served: readonly string[]) {
    this.#settings = settings
    this.#identify = accessControl(settings.access, served)
    this.#rate = new RequestRate(settings.limits.requestsPerSecond)
  }

  /**
   * Where the request came from and what it was sent to: before anything of it is looked at. True when it is answered
   * (a browser's question).
   * @throws HttpProblem 400, 403
   */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { access, insecure } = this.#settings
    if (access === undefined && !insecure && !isFromThisMachine(request)) {
      throw denied(
        'without access control only programs of this machine are answered, as localhost or 127.0.0.1 and without a proxy',
      )
    }
    return this.#crossOrigin(request, response)
  }

  /** @throws HttpProblem 401, 429 */
  async identify(request: IncomingMessage): Promise<Caller> {
    const address = request.socket.remoteAddress ?? ''
    const credentials = credentialsOf(request)
    const client = this.#identify(credentials)
    if (client === undefined) {
      await this.#take(this.#wrong, address)
      const invalid = credentials.token === undefined ? '' : ', error="invalid_token"'
      throw new HttpProblem(401, 'SYNC_ACCESS_DENIED', 'credentials are missing or unknown', {
        headers: { 'www-authenticate': `Bearer realm="rx-datasync"${invalid}` },
      })
    }
    const id = this.#settings.access === undefined ? `at ${address}` : client.name
    await this.#take(this.#rate, id)
    return { client, id }
  }

  /** Of a request that needs no credentials. @throws HttpProblem 429 */
  async stranger(request: IncomingMessage): Promise<Caller> {
    const id = `at ${request.socket.remoteAddress ?? ''}`
    await this.#take(this.#rate, id)
    return { client: STRANGER, id }
  }

  async #take(rate: RequestRate, id: string): Promise<void> {
    const waitMs = await rate.take(id)
    if (waitMs === undefined) return
    throw new HttpProblem(429, 'SYNC_OVERFLOW', 'too many requests', {
      headers: { 'retry-after': String(Math.ceil(waitMs / 1_000)) },
      details: { outcome: 'not-applied', retryable: true },
    })
  }

  #crossOrigin(request: IncomingMessage, response: ServerResponse): boolean {
    const { origins } = this.#settings
    const { origin, host } = request.headers
    const site = request.headers['sec-fetch-site']
    if (origins.length > 0) response.setHeader('vary', 'Origin, Accept')
    if (origin === undefined) {
      if (site !== 'cross-site' && site !== 'same-site') return false
      // A link that somebody has followed. What else a page gets without CORS is pictures and scripts: it would hear
      // whether they load, and hold watches and lists.
      const safe = request.method === 'GET' || request.method === 'HEAD'
      const followed = request.headers['sec-fetch-mode'] === 'navigate'
      if (!safe || !(followed || origins.includes('*'))) throw foreign()
      return false
    }
    const own = origin === `http://${host}` || origin === `https://${host}`
    const allowed = origins.includes('*') || origins.includes(origin)
    if (!own && !allowed) throw foreign()
    if (!allowed) return false
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader(
      'access-control-expose-headers',
      'ETag, Link, Location, Retry-After, WWW-Authenticate, Datasync-Revision, Datasync-Receivers',
    )
    const preflight =
      request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
    if (!preflight) return false
    response.writeHead(204, {
      'access-control-allow-methods': 'GET, HEAD, PUT, POST, DELETE',
      'access-control-allow-headers':
        'Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID',
      'access-control-max-age': '600',
      ...(request.headers['access-control-request-private-network'] === 'true'
        ? { 'access-control-allow-private-network': 'true' }
        : {}),
    })
    response.end()
    return true
  }
}

/** Who has shown nothing may do nothing. */
const STRANGER: Client = {
  name: 'stranger',
  mayRead: () => false,
  mayWrite: () => false,
  readable: [],
  writable: [],
}

function denied(detail: string): HttpProblem {
  return new HttpProblem(403, 'SYNC_ACCESS_DENIED', detail)
}

function foreign(): HttpProblem {
  return denied('pages of other sites are not answered; cors names those that are')
}
