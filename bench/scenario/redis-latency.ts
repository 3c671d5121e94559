import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { redis } from '../../src/adapters/redis/index.ts'
import { Agent } from '../../src/index.ts'
import { BareRedisMirror } from '../bare-redis-mirror.ts'
import { redisServer } from '../redis-server.ts'
import type { Measurement, Row, Scenario, Side } from '../scenario.ts'
import { quantile } from '../statistics.ts'

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
  const delays = new Delays()
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
  const delays = new Delays()
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

class Delays {
  readonly #delays = new Float64Array(RATE * SECONDS)
  #count = 0
  #all: (() => void) | undefined

  arrived(value: Uint8Array): void {
    const sentAt = Number(new TextDecoder().decode(value))
    this.#delays[this.#count++] = performance.timeOrigin + performance.now() - sentAt
    if (this.#count === this.#delays.length) this.#all?.()
  }

  async whilePaced(url: string): Promise<Measurement> {
    this.#count = 0
    const all = new Promise<void>((resolve) => {
      this.#all = resolve
    })
    const writer = spawn(process.execPath, [WRITER, url], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    await Promise.all([all, once(writer, 'exit')])
    return {
      p50Ms: quantile(this.#delays, 0.5),
      p99Ms: quantile(this.#delays, 0.99),
    }
  }
}
