import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { redisServer, setAll } from '../redis-server.ts'
import { listToResync, Look } from '../list-to-resync.ts'
import type { Scenario, Side } from '../scenario.ts'
import { makeValues } from '../workload.ts'

const KEYS = 1_000_000
const PREFIX = '/config/interfaces/'
const SCAN_COUNT = '1000'

/**
 * From the first connection to a RESYNC whose every pair was looked at, one process per sample. Bare: the SCAN that is
 * asked for the next page while MGET reads the last one, values kept in a Map, then walked. Its values are parts of the
 * chunks that were read, its keys in no order, and what changes while it lists is not noticed; ours has subscribed
 * before, hands the pairs out in order and each value as the receiver's own copy.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Redis: list of 1 M keys',
  freshProcess: true,
  rows: (['keyspace', 'tracking'] as const).flatMap((notifications) => [
    {
      id: notifications === 'keyspace' ? 'B5' : 'B5t',
      work: `1 M keys → RESYNC handled, ${notifications}`,
      ours: notifications,
      beside: 'SCAN and MGET',
      metric: 'perSecond',
      unit: 'keys/s',
      goal: { atLeast: 0.8 },
    },
    {
      id: notifications === 'keyspace' ? 'B5m' : 'B5tm',
      work: `peak memory of the process, ${notifications}`,
      ours: notifications,
      beside: 'SCAN and MGET',
      metric: 'peakRssMb',
      unit: 'MB',
      goal: { atMost: 1.5 },
    },
  ]),
  sides: {
    keyspace: (settings) => ours(settings, 'keyspace'),
    tracking: (settings) => ours(settings, 'tracking'),
    'SCAN and MGET': bare,
  },
  prepare: async () => {
    const values = makeValues(64)
    return redisServer((client) =>
      setAll(client, KEYS, (i) => [
        `${PREFIX}eth${String(i).padStart(7, '0')}`,
        values[i % 64] as Uint8Array,
      ]),
    )
  },
}

async function ours(
  { url }: Readonly<Record<string, string>>,
  notifications: 'keyspace' | 'tracking',
): Promise<Side> {
  return listToResync(redis({ url: url as string, notifications }), PREFIX, KEYS)
}

async function bare({ url }: Readonly<Record<string, string>>): Promise<Side> {
  const client = new Redis(url as string, { lazyConnect: true })
  const values = new Map<string, Buffer>()
  return {
    sample: async () => {
      const startedAt = performance.now()
      await client.connect()
      let reading = Promise.resolve()
      let cursor = '0'
      do {
        const [next, keys] = await client.scan(cursor, 'MATCH', `${PREFIX}*`, 'COUNT', SCAN_COUNT)
        cursor = next
        await reading
        reading = keep(client, keys, values)
      } while (cursor !== '0')
      await reading
      const looked = new Look(KEYS)
      for (const [key, value] of values) looked.at(key, value)
      return looked.all(startedAt)
    },
    close: async () => client.disconnect(),
  }
}

async function keep(client: Redis, keys: string[], into: Map<string, Buffer>): Promise<void> {
  if (keys.length === 0) return
  const values = await client.mgetBuffer(keys)
  for (const [i, value] of values.entries()) if (value !== null) into.set(keys[i] as string, value)
}
