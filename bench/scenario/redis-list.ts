import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { Agent } from '../../src/index.ts'
import { server, urlOf } from '../redis-server.ts'
import type { Measurement, Scenario } from '../scenario.ts'
import { perSecond } from '../workload.ts'

const LISTED = 1_000_000
const PAGE = 1_000

/** A list of 1 M keys. Bare: SCAN and MGET with one page ahead into a Map; unordered, nothing watched meanwhile. */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Redis: list',
  freshProcess: true,
  prepare: async () => {
    const shared = await server()
    await fill(shared.settings['url'] as string)
    return shared
  },
  rows: [
    {
      id: 'B5',
      work: 'list of 1 M keys → RESYNC handled',
      ours: 'RESYNC',
      beside: 'SCAN + MGET into a Map',
      metric: 'perSecond',
      unit: 'keys/s',
      goal: { atLeast: 0.8 },
    },
    {
      id: 'B5m',
      work: 'list of 1 M keys: peak memory',
      ours: 'RESYNC',
      beside: 'SCAN + MGET into a Map',
      metric: 'peakRssMb',
      unit: 'MB',
      goal: { atMost: 1.5 },
    },
  ],
  sides: {
    RESYNC: async (settings) => ({
      sample: () => listOurs(urlOf(settings)),
      close: async () => {},
    }),
    'SCAN + MGET into a Map': async (settings) => ({
      sample: () => listBare(urlOf(settings)),
      close: async () => {},
    }),
  },
}

async function fill(url: string): Promise<void> {
  const client = new Redis(url)
  const value = 'v'.repeat(98)
  for (let start = 0; start < LISTED; start += 10_000) {
    const pairs: string[] = []
    for (let i = start; i < start + 10_000; i++) {
      pairs.push(`/list/${String((i * 7_919) % LISTED).padStart(9, '0')}`, value)
    }
    await client.mset(pairs)
  }
  client.disconnect()
}

async function listOurs(url: string): Promise<Measurement> {
  const startedAt = performance.now()
  const agent = new Agent({ transport: redis({ url }) })
  let pairs = 0
  agent.watch('list', '/list/', { doneTimeoutMs: { resync: 0 } }).handle({
    resync: (event) => {
      for (const pair of event.values.get('/list/') ?? []) if (pair.key !== '') pairs++
    },
  })
  await agent.start()
  assertCount(pairs, LISTED)
  const result = { perSecond: perSecond(pairs, startedAt) }
  await agent.close()
  return result
}

async function listBare(url: string): Promise<Measurement> {
  const startedAt = performance.now()
  const client = new Redis(url)
  const values = new Map<string, Buffer>()
  const scan = (cursor: string): Promise<[string, string[]]> =>
    client.scan(cursor, 'MATCH', '/list/*', 'COUNT', PAGE)
  let page: Promise<[string, string[]]> | undefined = scan('0')
  while (page !== undefined) {
    const [cursor, keys]: [string, string[]] = await page
    page = cursor === '0' ? undefined : scan(cursor)
    if (keys.length === 0) continue
    const found = await client.mgetBuffer(keys)
    for (const [i, key] of keys.entries()) {
      const value = found[i]
      if (value) values.set(key, value)
    }
  }
  let pairs = 0
  for (const key of values.keys()) if (key !== '') pairs++
  assertCount(pairs, LISTED)
  const result = { perSecond: perSecond(pairs, startedAt) }
  client.disconnect()
  return result
}

function assertCount(pairs: number, expected: number): void {
  if (pairs !== expected) throw new Error(`${pairs} pairs instead of ${expected}`)
}
