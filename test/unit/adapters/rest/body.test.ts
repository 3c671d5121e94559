import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { describe, expect, it } from '@jest/globals'
import { readBody } from '../../../../src/adapters/rest/server/body.ts'
import { restRouter } from '../../../../src/adapters/rest/server/index.ts'
import { Agent, memory } from '../../../../src/index.ts'
import { openSse } from '../../../support/sse.ts'
import { onTeardown } from '../../../support/teardown.ts'
import { waitFor } from '../../../support/wait-for.ts'

async function listening(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTeardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Sends the beginning of a request, and leaves when it has arrived. */
async function leave(port: number, path: string, arrived: Promise<unknown>): Promise<void> {
  const headers = { 'content-length': '100' }
  const sent = request({ host: '127.0.0.1', port, path, method: 'PUT', headers, agent: false })
  sent.on('error', () => {}).write('begun')
  await arrived
  sent.destroy()
}

describe('a client that is gone before its request is looked at', () => {
  it('its body is not waited for', async () => {
    let take: ((incoming: IncomingMessage) => void) | undefined
    const taken = new Promise<IncomingMessage>((resolve) => {
      take = resolve
    })
    const port = await listening((incoming) => take?.(incoming))
    await leave(port, '/', taken)
    const incoming = await taken
    await waitFor(() => incoming.destroyed)
    await expect(readBody(incoming, 1_000)).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })

  it('its watch does not begin', async () => {
    const watchers: number[] = []
    const agent = new Agent({
      transport: memory(),
      instrumentation: { watchers: ({ change }) => void watchers.push(change) },
    })
    onTeardown(() => agent.close())
    await agent.start()
    let looking = (): void => {}
    const looked = new Promise<void>((resolve) => {
      looking = resolve
    })
    let passed = false
    const app = express()
    app.use(async (_incoming, response, next) => {
      looking()
      if (!passed) await waitFor(() => response.destroyed)
      passed = true
      next()
    })
    app.use(restRouter(agent))
    const port = await listening(app)
    const sent = request({ host: '127.0.0.1', port, path: '/v1/watch?prefix=', agent: false })
    sent.on('error', () => {}).end()
    await looked
    sent.destroy()
    await waitFor(() => passed)
    // A fence: one that stays is counted, and nobody else.
    const stays = await openSse(`http://127.0.0.1:${port}`, '/v1/watch?prefix=')
    await stays.until('resync-end')
    expect(watchers).toEqual([1])
    stays.stop()
  })
})
