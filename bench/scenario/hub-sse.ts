import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Response } from 'express'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, cached, memory, raw } from '../../src/index.ts'
import type { Message } from '../../src/index.ts'
import type { Scenario, Side } from '../scenario.ts'
import { watched, watcherRows, WATCHERS } from '../watchers.ts'
import { makeValues } from '../workload.ts'

const KEY = '/config/one'

/**
 * 1 000 watchers of one hub in another process, over server-sent events. Bare: an Express handler that keeps the responses
 * in a Set and writes each change to all, without state, positions, limits or back pressure.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'hub: 1 000 watchers, server-sent events',
  rows: watcherRows('B15', 'bare Express broadcast'),
  sides: { ours, 'bare Express broadcast': bare },
}

async function ours(): Promise<Side> {
  const agent = new Agent({ transport: cached(memory()) })
  await agent.start()
  const server = await serveRest(agent, {
    limits: { maxWatchersPerClient: 2 * WATCHERS, requestsPerSecond: 0 },
  })
  const messages = makeValues(64).map(raw)
  return watched(
    client(server.port, '/v1/watch?prefix=%2Fconfig%2F'),
    (i) => agent.put(KEY, messages[i % 64] as Message),
    async () => {
      await server.close()
      await agent.close()
    },
  )
}

async function bare(): Promise<Side> {
  const watchers = new Set<Response>()
  const app = express()
  app.get('/watch', (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.flushHeaders()
    watchers.add(response)
    request.on('close', () => watchers.delete(response))
  })
  const server = app.listen(0, '127.0.0.1', 2_048)
  await once(server, 'listening')
  const values = makeValues(64)
  let id = 0
  return watched(
    client((server.address() as AddressInfo).port, '/watch'),
    async (i) => {
      const value = Buffer.from(values[i % 64] as Uint8Array).toString('base64')
      const data = JSON.stringify({ type: 'put', key: KEY, value, revision: ++id })
      const text = `id: ${id}\nevent: changes\ndata: ${data}\n\n`
      for (const watcher of watchers) watcher.write(text)
    },
    async () => {
      server.close()
      server.closeAllConnections()
    },
  )
}

function client(port: number, path: string): { program: string; args: string[] } {
  return { program: 'sse-client.js', args: [String(port), path, String(WATCHERS)] }
}
