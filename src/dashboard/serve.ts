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
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 })
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
