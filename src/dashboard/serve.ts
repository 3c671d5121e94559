import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Agent } from '../agent/agent.ts'
import { assertGuarded } from '../serving/access.ts'
import { dashboard } from './dashboard.ts'
import type { DashboardOptions } from './options.ts'

export interface ServeOptions extends DashboardOptions {
  /** 127.0.0.1. Another than a loopback address needs `access`. */
  readonly host?: string
  /** 0 (default) = a free one. */
  readonly port?: number
}

/** A page that is being served. */
export interface ServedDashboard extends AsyncDisposable {
  /** Where browsers find it. */
  readonly url: string
  /** Ends all connections. Idempotent. */
  close(): Promise<void>
}

/**
 * The dashboard on a port of its own, for programs without a web server.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), InvalidKeyError (`SYNC_INVALID_KEY`), ClosedError (`SYNC_CLOSED`),
 * and what listening on the port fails with
 */
export async function serveDashboard(
  agent: Agent,
  { host = '127.0.0.1', port = 0, ...options }: ServeOptions = {},
): Promise<ServedDashboard> {
  assertGuarded(host, options.access)
  // Who sends its request a byte at a time is not waited for; answers may last.
  const server = createServer({
    headersTimeout: 5_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 1_000,
  })
  server.on('request', dashboard(agent, options))
  server.listen(port, host)
  await once(server, 'listening')
  const { port: own, address, family } = server.address() as AddressInfo
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    return closed
  }
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${own}/`,
    close,
    [Symbol.asyncDispose]: close,
  }
}
