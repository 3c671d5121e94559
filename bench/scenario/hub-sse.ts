import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express from 'express'
import type { Response } from 'express'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, cached, memory, raw } from '../../src/index.ts'
import type { Measurement, Row, Scenario, Side } from '../scenario.ts'
import { makeValues, perSecond } from '../workload.ts'

const WATCHERS = 1_000
/** Changes of a sample, each waited for until every watcher has it. */
const ROUNDS = 100
/** Changes of a sample that follow each other without waiting. */
const BURST = 300
const CLIENT = fileURLToPath(new URL('../sse-client.js', import.meta.url))

/**
 * 1 000 watchers of one hub in another process, over server-sent events. Bare: an Express handler that keeps the responses
 * in a Set and writes each change to all, without state, positions, limits or back pressure.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'hub: 1 000 watchers, server-sent events',
  rows: [
    row('B15', 'one change → 1 000 watchers, then the next', 'perSecond', 'deliveries/s', 0.7),
    row('B15p', 'changes in a row → 1 000 watchers', 'burstPerSecond', 'deliveries/s'),
    row('B15m', 'memory of the server per watcher', 'kbPerWatcher', 'kB'),
  ],
  sides: { ours, 'bare Express broadcast': bare },
}

function row(id: string, work: string, metric: string, unit: string, atLeast?: number): Row {
  const goal = atLeast === undefined ? {} : { goal: { atLeast } }
  return { id, work, ours: 'ours', beside: 'bare Express broadcast', metric, unit, ...goal }
}

async function ours(): Promise<Side> {
  const agent = new Agent({ transport: cached(memory()) })
  await agent.start()
  const server = await serveRest(agent, {
    limits: { maxWatchersPerClient: 2 * WATCHERS, requestsPerSecond: 0 },
  })
  const messages = makeValues(64).map(raw)
  return watched(
    server.port,
    '/v1/watch?prefix=%2Fconfig%2F',
    (i) => agent.put('/config/one', messages[i % 64] as ReturnType<typeof raw>),
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
    (server.address() as AddressInfo).port,
    '/watch',
    async (i) => {
      const value = Buffer.from(values[i % 64] as Uint8Array).toString('base64')
      const data = JSON.stringify({ type: 'put', key: '/config/one', value, revision: ++id })
      const text = `id: ${id}\nevent: change\ndata: ${data}\n\n`
      for (const watcher of watchers) watcher.write(text)
    },
    async () => {
      server.close()
      server.closeAllConnections()
    },
  )
}

async function watched(
  port: number,
  path: string,
  change: (i: number) => Promise<unknown>,
  close: () => Promise<void>,
): Promise<Side> {
  const before = heldBytes()
  const client = fork(CLIENT, [String(port), path, String(WATCHERS)])
  await once(client, 'message')
  const kbPerWatcher = (heldBytes() - before) / WATCHERS / 1_024
  const reached = async (events: number, act: () => Promise<void>): Promise<void> => {
    const done = heard(client)
    client.send(events)
    await act()
    await done
  }
  return {
    sample: async (): Promise<Measurement> => {
      let startedAt = performance.now()
      for (let i = 0; i < ROUNDS; i++) await reached(1, async () => void (await change(i)))
      const rounds = perSecond(ROUNDS * WATCHERS, startedAt)
      startedAt = performance.now()
      await reached(BURST, async () => {
        for (let i = 0; i < BURST; i++) await change(i)
      })
      return {
        perSecond: rounds,
        burstPerSecond: perSecond(BURST * WATCHERS, startedAt),
        kbPerWatcher,
      }
    },
    close: async () => {
      client.disconnect()
      await close()
    },
  }
}

async function heard(client: ChildProcess): Promise<void> {
  await once(client, 'message')
}

/** What the process holds after a collection, buffers of sockets included. */
function heldBytes(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
