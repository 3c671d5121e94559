import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Agent } from '../agent/agent.ts'
import { assertGuarded } from '../serving/access.ts'
import { Dashboard } from './dashboard.ts'
import { resolveServeOptions } from './options.ts'
import type { ServeDashboardOptions } from './options.ts'

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
  options: ServeDashboardOptions = {},
): Promise<ServedDashboard> {
  const { host, port, ...settings } = resolveServeOptions(options)
  assertGuarded(host, settings.access)
  const page = new Dashboard(agent, settings)
  // Who sends its request a byte at a time is not waited for; answers may last.
  const server = createServer({
    headersTimeout: 5_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 1_000,
  })
  server.on('request', page.app)
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    page.close()
    throw error
  }
  const { port: own, address, family } = server.address() as AddressInfo
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= new Promise((resolve) => {
      page.close()
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
