import { readFile } from 'node:fs/promises'
import { Registry } from 'prom-client'
import { Agent } from '../../agent/agent.ts'
import { cached } from '../../adapters/cached/index.ts'
import type { GrpcServer } from '../../adapters/grpc/server/index.ts'
import type {
  RequestHandler,
  RestServer,
  ServeRestOptions,
} from '../../adapters/rest/server/index.ts'
import type { Logger } from '../../api/logger.ts'
import type { Model } from '../../api/model.ts'
import type { Transport } from '../../api/transport.ts'
import type { Grant } from '../../serving/access.ts'
import type { ServingLimits } from '../../serving/limits.ts'
import { metrics } from '../../telemetry/index.ts'
import { UsageError } from '../exit-codes.ts'
import type { ListenAddress } from './listen-address.ts'

/** PEM files of the servers. */
export interface HubTlsFiles {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Authorities of client certificates. */
  readonly ca?: string | undefined
}

export interface HubOptions {
  readonly upstream: Transport
  /** Served: keys under these. */
  readonly prefixes: readonly string[]
  readonly http?: ListenAddress | undefined
  readonly grpc?: ListenAddress | undefined
  readonly access?: readonly Grant[] | undefined
  readonly tls: HubTlsFiles
  readonly limits: ServingLimits
  readonly allowEmptyResync: boolean
  readonly models: readonly Model<unknown>[]
  readonly dashboard: boolean
  readonly logger: Logger
}

/** Where it listens. */
export interface HubAddresses {
  readonly http?: string
  readonly grpc?: string
}

/** A store that is served: one agent without plugins, one watch on the store for everybody. */
export class Hub {
  readonly agent: Agent
  readonly #options: HubOptions
  readonly #registry = new Registry()
  #rest: RestServer | undefined
  #grpc: GrpcServer | undefined

  constructor(options: HubOptions) {
    this.#options = options
    const { upstream, prefixes, logger } = options
    this.agent = new Agent({
      transport: cached(upstream, { name: upstream.name, prefixes }),
      logger,
      instrumentation: metrics({ register: this.#registry }),
    })
  }

  /** Opens the store, then the servers. @throws what opening and listening reject with; all is closed again by `close` */
  async start(): Promise<HubAddresses> {
    const tls = await readTls(this.#options.tls)
    await this.agent.start()
    this.#beginToWatch()
    return { ...(await this.#serveHttp(tls)), ...(await this.#serveGrpc(tls)) }
  }

  async close(): Promise<void> {
    await Promise.all([this.#rest?.close(), this.#grpc?.close()])
    await this.agent.close()
  }

  /** Not with the first watcher: until then nobody could tell whether the store is there. */
  #beginToWatch(): void {
    const first = new AbortController()
    const { prefixes } = this.#options
    this.agent.served({ prefixes }).stream(prefixes, undefined, first.signal)
    // The watch stays.
    first.abort()
  }

  async #serveHttp(tls: HubTls | undefined): Promise<{ http?: string }> {
    const { http, access, models, prefixes, limits } = this.#options
    if (http === undefined) return {}
    const { serveRest } = await import('../../adapters/rest/server/index.ts')
    this.#rest = await serveRest(this.agent, {
      ...http,
      prefixes,
      models,
      limits,
      ...(access === undefined ? {} : { access }),
      // Beside tokens: browsers and scrapers have no certificate.
      ...(tls === undefined
        ? {}
        : { tls: { ...tls, requestCert: true, rejectUnauthorized: false } }),
      mount: await this.#pages(),
    })
    return { http: this.#rest.url }
  }

  async #pages(): Promise<NonNullable<ServeRestOptions['mount']>> {
    const { access, models, prefixes } = this.#options
    const granted = access === undefined ? {} : { access }
    const { metricsRouter } = await import('./metrics-router.ts')
    const pages = [{ path: '/metrics', router: metricsRouter(this.#registry, access) }]
    if (!this.#options.dashboard) return pages
    const { dashboard } = await import('../../dashboard/index.ts')
    const router = dashboard(this.agent, { models, prefixes, ...granted })
    return [...pages, { path: '/dashboard', router }, { path: '/', router: toDashboard }]
  }

  async #serveGrpc(tls: HubTls | undefined): Promise<{ grpc?: string }> {
    const { grpc, access, models, prefixes, limits, allowEmptyResync } = this.#options
    if (grpc === undefined) return {}
    const { serveGrpc } = await import('../../adapters/grpc/server/index.ts')
    this.#grpc = await serveGrpc(this.agent, {
      ...grpc,
      prefixes,
      models,
      limits,
      allowEmptyResync,
      ...(access === undefined ? {} : { access }),
      // Who has a certificate only may not come without.
      ...(tls === undefined
        ? {}
        : {
            tls: {
              ...tls,
              rejectUnauthorized: access?.every(({ token }) => token === undefined) ?? true,
            },
          }),
    })
    return { grpc: this.#grpc.url }
  }
}

interface HubTls {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca?: Buffer
}

/** Whoever opens the hub's address in a browser wants to see something. */
const toDashboard: RequestHandler = ({ url, method }, response, next) => {
  if (url === '/' && method === 'GET') response.writeHead(302, { location: '/dashboard/' }).end()
  else next()
}

/** @throws UsageError */
async function readTls({ cert, key, ca }: HubTlsFiles): Promise<HubTls | undefined> {
  if (cert === undefined && key === undefined && ca === undefined) return undefined
  if (cert === undefined || key === undefined) {
    throw new UsageError('--serve-cert and --serve-key belong together')
  }
  const read = (option: string, path: string): Promise<Buffer> =>
    readFile(path).catch((cause: unknown) => {
      throw new UsageError(`--${option}: cannot read ${path}`, { cause })
    })
  return {
    cert: await read('serve-cert', cert),
    key: await read('serve-key', key),
    ...(ca === undefined ? {} : { ca: await read('serve-ca', ca) }),
  }
}
