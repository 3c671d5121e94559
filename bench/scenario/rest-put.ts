import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, memory } from '../../src/index.ts'
import type { Scenario, Side } from '../scenario.ts'
import { perSecond } from '../workload.ts'

const REQUESTS = 20_000
const CONNECTIONS = 32
const CLIENT = fileURLToPath(new URL('../put-client.js', import.meta.url))

/**
 * PUTs of one process over 32 connections with keep-alive, each answered when its receiver has said done. Bare: an Express
 * 5 handler that keeps the body in a Map and answers.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'REST: PUT with applied',
  rows: [
    {
      id: 'B13',
      work: 'PUT → applied, keep-alive',
      ours: 'ours',
      beside: 'bare Express 5 PUT',
      metric: 'perSecond',
      unit: 'requests/s',
      goal: { atLeast: 0.7 },
    },
  ],
  sides: { ours, 'bare Express 5 PUT': bare },
}

async function ours(): Promise<Side> {
  const agent = new Agent({ transport: memory() })
  agent.watch('interfaces', '/config/interfaces/').handle({ change: () => {} })
  await agent.start()
  // What limits a client is no part of the comparison.
  const server = await serveRest(agent, { port: 0, limits: { requestsPerSecond: 0 } })
  return requests(server.port, '/v1/keys', async () => {
    await server.close()
    await agent.close()
  })
}

async function bare(): Promise<Side> {
  const values = new Map<string, Buffer>()
  const app = express()
  app.put('/v1/keys', express.raw({ type: '*/*' }), (request, response) => {
    values.set(request.query['key'] as string, request.body as Buffer)
    response.status(200).json({ version: String(values.size) })
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return requests((server.address() as AddressInfo).port, '/v1/keys', async () => {
    server.close()
    server.closeAllConnections()
  })
}

function requests(port: number, path: string, close: () => Promise<void>): Side {
  const client = fork(CLIENT, [String(port), path, String(CONNECTIONS)])
  return {
    sample: async () => {
      const startedAt = performance.now()
      client.send(REQUESTS)
      await answered(client)
      return { perSecond: perSecond(REQUESTS, startedAt) }
    },
    close: async () => {
      client.disconnect()
      await close()
    },
  }
}

async function answered(client: ChildProcess): Promise<void> {
  await once(client, 'message')
}
