import { composeUp } from './compose.ts'
import { whyNoRedis } from './provision-redis.ts'
import { startRedis } from './redis-server.ts'
import { describeWithAny, describeWithOwn, whyNoComposeFor } from './server-describe.ts'
import type { ServerSource } from './server-describe.ts'

const source: ServerSource = {
  variable: 'REDIS_URL',
  missing: await whyNoRedis(),
  start: async () => (await startRedis()).url,
  compose: async () => `redis://${await composeUp('redis', 6379)}`,
}
const noCompose = await whyNoComposeFor(source)

/** For tests that start, stop and set up servers of their own (`startRedis`, `startRedisCluster`). */
export function describeWithRedis(title: string, body: () => void): void {
  describeWithOwn(source, title, body)
}

/** For tests that any Redis will do for, shared with others; its URL. */
export function describeWithRedisUrl(title: string, body: (url: () => string) => void): void {
  describeWithAny(source, noCompose, title, body)
}
