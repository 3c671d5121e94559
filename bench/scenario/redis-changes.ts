import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { Agent } from '../../src/index.ts'
import { server, urlOf } from '../redis-server.ts'
import type { Settings } from '../redis-server.ts'
import type { Measurement, Scenario, Side } from '../scenario.ts'
import { quantile } from '../statistics.ts'
import { Counter } from '../workload.ts'

const BURST = 200_000
const PACED = 15_000
const PER_MS = 5
const PAGE = 1_000
const WRITER = fileURLToPath(new URL('../redis-writer.js', import.meta.url))

/**
 * Changes by another program. Bare, batched: notifications collected in a Set, read by one MGET under way at a time, with
 * a Map of previous values; it has no list, no reconnect, no acknowledgement, no bound. Bare, GET: one GET per
 * notification, as many under way as come.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Redis: changes',
  warmUps: 1,
  prepare: server,
  rows: [
    {
      id: 'B6',
      work: 'burst of 200 k SETs → folds equal, keyspace',
      ours: 'keyspace',
      beside: 'MGET in batches',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.8 },
    },
    {
      id: 'B6t',
      work: 'burst of 200 k SETs → folds equal, tracking',
      ours: 'tracking',
      beside: 'MGET in batches',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.8 },
    },
    {
      id: 'B6g',
      work: 'burst of 200 k SETs → folds equal, keyspace',
      ours: 'keyspace',
      beside: 'GET per event',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 2 },
    },
    ...(['p50Ms', 'p99Ms'] as const).map((metric) => ({
      id: metric === 'p50Ms' ? 'B7' : 'B7b',
      work: `SET → event at 5 000/s, ${metric.slice(0, 3)}`,
      ours: 'keyspace',
      beside: 'MGET in batches',
      metric,
      unit: 'ms',
      goal: { atMost: 1.3 },
    })),
  ],
  sides: {
    keyspace: (settings) => changesOurs(settings, 'keyspace'),
    tracking: (settings) => changesOurs(settings, 'tracking'),
    'MGET in batches': (settings) => changesBare(settings, 'batched'),
    'GET per event': (settings) => changesBare(settings, 'each'),
  },
}

/** What a side's receiver does with every event. */
class Arrivals extends Counter {
  latenciesMs: number[] = []

  arrived(value: Uint8Array): void {
    const sentAt = BigInt(
      Buffer.from(value.buffer, value.byteOffset, 20).toString('latin1').split(' ')[0] ?? 0,
    )
    this.latenciesMs.push(Number(process.hrtime.bigint() - sentAt) / 1e6)
    this.count()
  }
}

async function changesOurs(
  settings: Settings,
  notifications: 'keyspace' | 'tracking',
): Promise<Side> {
  const url = urlOf(settings)
  const agent = new Agent({ transport: redis({ url, notifications, name: notifications }) })
  const arrivals = new Arrivals()
  const watch = { queueLimit: 2 * BURST }
  agent.watch('burst', `/${notifications}/`, watch).handle({
    change: (event) => {
      if (event.changeType === 'put') arrivals.arrived(event.bytes)
    },
  })
  await agent.start()
  return {
    sample: () => sample(url, `/${notifications}/`, arrivals),
    close: () => agent.close(),
  }
}

async function changesBare(settings: Settings, how: 'batched' | 'each'): Promise<Side> {
  const url = urlOf(settings)
  const prefix = `/${how}/`
  const reader = new Redis(url)
  const subscriber = new Redis(url)
  const values = new Map<string, Buffer>()
  const arrivals = new Arrivals()
  const receive = (key: string, value: Buffer | null): void => {
    const prev = values.get(key)
    if (value === null || prev?.equals(value) === true) return
    values.set(key, value)
    arrivals.arrived(value)
  }
  const dirty = new Set<string>()
  let reading = false
  const readDirty = async (): Promise<void> => {
    reading = true
    while (dirty.size > 0) {
      const keys = [...dirty].slice(0, PAGE)
      for (const key of keys) dirty.delete(key)
      const found = await reader.mgetBuffer(keys)
      for (const [i, key] of keys.entries()) receive(key, found[i] ?? null)
    }
    reading = false
  }
  const channel = '__keyspace@0__:'
  subscriber.on('pmessage', (_pattern: string, from: string) => {
    const key = from.slice(channel.length)
    if (how === 'each') {
      void reader.getBuffer(key).then((value) => receive(key, value))
      return
    }
    dirty.add(key)
    if (!reading) {
      reading = true
      setImmediate(() => void readDirty())
    }
  })
  await subscriber.psubscribe(`${channel}${prefix}*`)
  return {
    sample: () => sample(url, prefix, arrivals),
    close: async () => {
      reader.disconnect()
      subscriber.disconnect()
    },
  }
}

let rounds = 0

async function sample(url: string, prefix: string, arrivals: Arrivals): Promise<Measurement> {
  const round = `${prefix}${++rounds}/`
  const burst = await write(url, arrivals, BURST, ['burst', `${round}burst/`, String(BURST)])
  arrivals.latenciesMs = []
  // A key that is written twice before it is read comes once: the fold is right, the count is less.
  await write(url, arrivals, 0, ['paced', `${round}paced/`, String(PACED), String(PER_MS)])
  const latencies = Float64Array.from(arrivals.latenciesMs)
  return {
    perSecond: (BURST * 1_000) / burst,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  }
}

/** Lets another process write; ms until so many events have arrived. */
async function write(
  url: string,
  arrivals: Arrivals,
  events: number,
  args: readonly string[],
): Promise<number> {
  const writer = fork(WRITER, [url, ...args])
  await once(writer, 'message')
  const target = arrivals.seen + events
  const startedAt = performance.now()
  const ended = once(writer, 'exit')
  writer.send('go')
  await arrivals.reaches(target)
  const elapsedMs = performance.now() - startedAt
  await ended
  return elapsedMs
}
