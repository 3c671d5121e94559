import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Servable } from '../../../api/served.ts'
import { assertGuarded } from '../../../serving/access.ts'
import { readServerOptions } from './options.ts'
import type { ServeRestOptions } from './options.ts'
import { HttpProblem, sendProblem } from './problem.ts'
import { restRouter } from './router.ts'

/** A REST server that listens. */
export interface RestServer extends AsyncDisposable {
  /** `http://127.0.0.1:8080`, with the path: what `rest({ url })` takes. */
  readonly url: string
  readonly port: number
  /** Ends watches, lets requests end, and leaves no socket. Idempotent. The agent stays open. */
  close(): Promise<void>
}

/** How often connections that are too slow are looked for. */
const CHECK_MS = 1_000

/**
 * Serves an agent by a server of its own, with limits on everything that a client decides (docs/operations.md).
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), also for an address that other machines reach without `access`;
 * and what listening fails with
 */
export async function serveRest(
  agent: Servable,
  options: ServeRestOptions = {},
): Promise<RestServer> {
  const { router: routerOptions, server: settings } = readServerOptions(options)
  const { host, port, tls, path, mount } = settings
  if (routerOptions.insecure !== true) assertGuarded(host, routerOptions.access)
  const router = restRouter(agent, routerOptions)
  const app = express().disable('x-powered-by').disable('etag')
  for (const each of mount) app.use(each.path, each.router)
  app.use(path, router)
  app.use((_request, response) => {
    sendProblem(response, new HttpProblem(404, 'NOT_FOUND', 'there is no such path'))
  })
  app.use(((error: unknown, _request, response, _next) => {
    const status = error instanceof URIError ? 400 : 500
    const problem = new HttpProblem(
      status,
      status === 400 ? 'SYNC_INVALID_OPTION' : 'SYNC_BUG',
      'the request failed',
    )
    sendProblem(response, problem)
  }) as express.ErrorRequestHandler)
  const common = {
    maxHeaderSize: settings.maxHeaderBytes,
    headersTimeout: Math.min(settings.headersTimeoutMs, settings.requestTimeoutMs),
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: settings.keepAliveTimeoutMs,
    connectionsCheckingInterval: CHECK_MS,
    keepAlive: true,
    noDelay: true,
  }
  const server: Server =
    tls === undefined ? createServer(common, app) : createTlsServer({ ...common, ...tls }, app)
  server.maxConnections = settings.maxConnections
  server.listen({ host, port })
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
  const scheme = tls === undefined ? 'http' : 'https'
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= closeServer(server, () => router.closeWatches(), settings.closeTimeoutMs)
    return closed
  }
  return {
    url: `${scheme}://${shown}:${address.port}${path === '/' ? '' : path.replace(/\/+$/u, '')}`,
    port: address.port,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function closeServer(
  server: Server,
  closeWatches: () => void,
  timeoutMs: number,
): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  closeWatches()
  server.closeIdleConnections()
  const late = setTimeout(() => server.closeAllConnections(), timeoutMs)
  // Kept-alive connections become idle one after the other.
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  await ended
  clearTimeout(late)
  clearInterval(idle)
}
