import type { IncomingMessage, ServerResponse } from 'node:http'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { accessControl, isLoopback } from '../serving/access.ts'
import type { Client, Identify } from '../serving/access.ts'
import { credentialsOf, isLocalHost, isPassedOn } from '../serving/http-credentials.ts'
import type { ResolvedDashboardOptions } from './options.ts'
import { RequestError } from './problem.ts'

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
}

/** Wrong tokens of one address in a minute. */
const WRONG_TOKENS = 20

/** Nothing to run, load or be framed but our own files; nothing kept by caches. */
export function setSecurityHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
}

/** Who may come in. */
export class Guard {
  readonly #open: boolean
  readonly #hosts: readonly string[] | undefined
  readonly #identify: Identify
  readonly #readOnly: boolean
  readonly #wrong = new RateLimiterMemory({ points: WRONG_TOKENS, duration: 60 })

  /** @throws InvalidOptionError (`SYNC_INVALID_OPTION`), InvalidKeyError (`SYNC_INVALID_KEY`) */
  constructor({ access, hosts, prefixes, readOnly }: ResolvedDashboardOptions) {
    this.#open = access === undefined
    this.#hosts = hosts
    this.#identify = accessControl(access, prefixes)
    this.#readOnly = readOnly
  }

  /**
   * Without `access` programs of this machine only, and only by its own names: a page elsewhere may have made its name
   * point here (DNS rebinding), and a proxy speaks for anybody.
   * @throws RequestError (403)
   */
  admit(request: IncomingMessage): void {
    const { host = '' } = request.headers
    const name = hostName(host)
    if (
      this.#hosts !== undefined ? !this.#hosts.includes(name) : this.#open && !isLocalHost(host)
    ) {
      throw new RequestError(
        403,
        `the dashboard is not served as ${JSON.stringify(host)}: give that name in \`hosts\``,
      )
    }
    if (!this.#open) return
    const { remoteAddress = '', localAddress = '' } = request.socket
    if (!isLoopback(remoteAddress) || !isLoopback(localAddress) || isPassedOn(request.headers)) {
      throw new RequestError(403, 'without `access` the dashboard is for programs of its machine')
    }
  }

  /**
   * A page of another origin must not act, nor read, with what a browser or this machine may do here.
   * @throws RequestError (403)
   */
  assertSameOrigin(request: IncomingMessage): void {
    const site = request.headers['sec-fetch-site']
    if (site === 'same-origin') return
    const { origin, host } = request.headers
    const typed = site === 'none' && request.method === 'GET'
    if (site !== undefined && !typed)
      throw new RequestError(403, 'requests of other sites are refused')
    if (origin !== undefined && !isOriginOf(origin, host)) {
      throw new RequestError(403, 'requests of other origins are refused')
    }
  }

  /** @throws RequestError (401, 429) */
  async client(request: IncomingMessage): Promise<Client> {
    const client = this.#identify(credentialsOf(request))
    if (client !== undefined) return this.#readOnly ? new Reader(client) : client
    // Who has shown nothing yet has not guessed either.
    if (request.headers.authorization !== undefined) {
      try {
        await this.#wrong.consume(request.socket.remoteAddress ?? '')
      } catch {
        throw new RequestError(429, 'too many wrong tokens; wait a minute')
      }
      throw new RequestError(401, 'the token is not known here')
    }
    throw new RequestError(401, 'a token is needed')
  }
}

/** Somebody where nobody may write. */
class Reader implements Client {
  readonly name: string
  readonly readable: readonly string[]
  readonly writable: readonly string[] = []
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
    this.name = client.name
    this.readable = client.readable
  }

  mayRead(keyOrPrefix: string): boolean {
    return this.#client.mayRead(keyOrPrefix)
  }

  mayWrite(): boolean {
    return false
  }
}

/** Without the port; an IPv6 address without its brackets. */
function hostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d+$/u, '')
    .replace(/^\[(.*)\]$/u, '$1')
}

function isOriginOf(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}
