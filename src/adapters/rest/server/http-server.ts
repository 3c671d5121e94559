import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import express from 'express'
import type { Servable } from '../../../api/served.ts'
import { assertGuarded } from '../../../serving/access.ts'
import { assertCertificates } from '../../../serving/certificates.ts'
import { readServerOptions } from './options.ts'
import type { ServeRestOptions } from './options.ts'
import { HttpProblem, noSuchPath, sendProblem } from './problem.ts'
import { restRouter } from './router.ts'

/** A REST server that listens. */
export interface RestServer extends AsyncDisposable {
  /** `http://127.0.0.1:8080`, with the path: what `rest({ url })` takes. */
  readonly url: string
  readonly port: number
  /** Ends all watches; their clients connect again. */
  closeWatches(): void
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
  if (tls !== undefined) assertCertificates(tls)
  const router = restRouter(agent, routerOptions)
  const app = express().disable('x-powered-by').disable('etag')
  for (const each of mount) app.use(each.path, each.router)
  app.use(path, router)
  app.use((_request, response) => {
    sendProblem(response, noSuchPath())
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
  // Node would wait two minutes for a handshake, before it counts the time of a head.
  const handshakeTimeout = common.headersTimeout
  const server: Server =
    tls === undefined
      ? createServer(common, app)
      : createTlsServer({ ...common, handshakeTimeout, ...tls }, app)
  const connections = new Connections(server)
  server.maxConnections = settings.maxConnections
  server.listen({ host, port })
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
  const scheme = tls === undefined ? 'http' : 'https'
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    if (closed === undefined) {
      closed = connections.close(settings.closeTimeoutMs)
      router.closeWatches()
    }
    return closed
  }
  return {
    url: `${scheme}://${shown}:${address.port}${path === '/' ? '' : path.replace(/\/+$/u, '')}`,
    port: address.port,
    closeWatches: () => router.closeWatches(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Which connections a server has, and which of them have a request under way. */
class Connections {
  readonly #sockets = new Set<Socket>()
  readonly #busy = new Map<Socket, number>()
  readonly #server: Server
  #closing = false

  constructor(server: Server) {
    this.#server = server
    const known = (socket: Socket): void => {
      this.#sockets.add(socket)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        this.#busy.delete(socket)
      })
    }
    // Of TLS both: what is not yet through its handshake counts, too.
    server.on('connection', known).on('secureConnection', known)
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1)
      response.once('close', () => {
        const left = (this.#busy.get(socket) ?? 1) - 1
        if (left > 0) this.#busy.set(socket, left)
        else this.#busy.delete(socket)
        if (this.#closing && left === 0) socket.destroySoon()
      })
    })
  }

  /** Node's own closes no connection that has not sent anything yet. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true
    const ended = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    const raw = new Set(
      Array.from(this.#busy.keys(), (socket) => (socket as { _parent?: Socket })._parent),
    )
    for (const socket of this.#sockets) {
      if (!this.#busy.has(socket) && !raw.has(socket)) socket.destroy()
    }
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, timeoutMs)
    await ended
    clearTimeout(late)
  }
}
