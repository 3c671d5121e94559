import { Redis } from 'ioredis'
import { startRedis } from '../test/servers/redis.ts'
import { tearDown } from '../test/support/teardown.ts'
import type { Shared } from './scenario.ts'

/**
 * A Redis server of our own. A subscriber that lags may buffer what it likes: with the default limit the server would
 * drop it, which the bare sides never notice.
 */
export async function redisServer(fill?: (client: Redis) => Promise<void>): Promise<Shared> {
  const server = await startRedis({
    config: { 'client-output-buffer-limit': 'pubsub 0 0 0', 'notify-keyspace-events': 'KA' },
  })
  const client = new Redis(server.url)
  try {
    const version = /redis_version:(\S+)/u.exec(await client.info('server'))?.[1] ?? 'unknown'
    await fill?.(client)
    return {
      settings: { url: server.url, port: String(server.port) },
      versions: [`Redis ${version}`],
      close: () => server.stop(),
    }
  } finally {
    client.disconnect()
  }
}

/** After the last scenario: what servers leave behind. */
export const removeServers: () => Promise<void> = tearDown

/** Sets so many keys, in pipelines. */
export async function setAll(
  client: Redis,
  count: number,
  entry: (i: number) => readonly [key: string, value: Uint8Array],
): Promise<void> {
  const PIPELINE = 5_000
  for (let start = 0; start < count; start += PIPELINE) {
    const pipeline = client.pipeline()
    for (let i = start; i < Math.min(count, start + PIPELINE); i++) {
      const [key, value] = entry(i)
      pipeline.set(key, value as Buffer)
    }
    await pipeline.exec()
  }
}
