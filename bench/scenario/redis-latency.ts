import { fileURLToPath } from 'node:url'
import { redis } from '../../src/adapters/redis/index.ts'
import { Agent } from '../../src/index.ts'
import { BareRedisMirror } from '../bare-redis-mirror.ts'
import { redisServer } from '../redis-server.ts'
import { Delays } from '../delays.ts'
import type { Row, Scenario, Side } from '../scenario.ts'

export const LATENCY_PREFIX = '/latency/'
/** SETs per second, and for how long. */
export const RATE = 5_000
export const SECONDS = 3

const WRITER = fileURLToPath(new URL('../redis-pacer.js', import.meta.url))

/**
 * A process of its own sets keys at a steady 5 000/s, each value the time at which it was sent; the receiver takes the
 * difference when it has the value. Bare: {@link BareRedisMirror}.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Redis: latency at 5 000 SETs a second',
  rows: [...rowsOf('B7', 'keyspace'), ...rowsOf('B7t', 'tracking')],
  sides: {
    keyspace: (settings) => ours(settings, 'keyspace'),
    tracking: (settings) => ours(settings, 'tracking'),
    'bare MGET loop, keyspace': (settings) => bare(settings, 'keyspace'),
    'bare MGET loop, tracking': (settings) => bare(settings, 'tracking'),
  },
  // Else every side would follow what is written for the others.
  freshProcess: true,
  warmUps: 1,
  prepare: () => redisServer(),
}

function rowsOf(id: string, announcements: 'keyspace' | 'tracking'): Row[] {
  return (['p50Ms', 'p99Ms'] as const).map((metric) => ({
    id: metric === 'p50Ms' ? id : `${id}b`,
    work: `SET → event with its value, ${metric.slice(0, 3)}, ${announcements}`,
    ours: announcements,
    beside: `bare MGET loop, ${announcements}`,
    metric,
    unit: 'ms',
    goal: { atMost: 1.3 },
  }))
}

type Announcements = 'keyspace' | 'tracking'

async function ours(
  { url }: Readonly<Record<string, string>>,
  notifications: Announcements,
): Promise<Side> {
  const delays = new Delays(WRITER, RATE * SECONDS)
  const agent = new Agent({ transport: redis({ url: url as string, notifications }) })
  agent.watch('latency', LATENCY_PREFIX).handle({
    change: (event) => {
      if (event.changeType === 'put') delays.arrived(event.bytes)
    },
  })
  await agent.start()
  return { sample: () => delays.whilePaced(url as string), close: () => agent.close() }
}

async function bare(
  { url }: Readonly<Record<string, string>>,
  announcements: Announcements,
): Promise<Side> {
  const delays = new Delays(WRITER, RATE * SECONDS)
  const mirror = new BareRedisMirror({
    url: url as string,
    prefix: LATENCY_PREFIX,
    announcements,
    onChange: (_key, value) => {
      if (value !== undefined) delays.arrived(value)
    },
  })
  await mirror.start()
  return { sample: () => delays.whilePaced(url as string), close: async () => mirror.close() }
}
