import { beforeAll } from '@jest/globals'
import { describeServer } from '../support/server-suite.ts'
import { composeUp, whyNoCompose } from './compose.ts'
import { whyNoRedis } from './provision-redis.ts'
import { startRedis } from './redis-server.ts'

const givenUrl = process.env['REDIS_URL'] || undefined
const noPrograms = await whyNoRedis()
const noCompose =
  givenUrl === undefined && noPrograms !== undefined ? await whyNoCompose() : undefined

/**
 * A describe for tests that start, stop and set up servers of their own (`startRedis`, `startRedisCluster`). Without a
 * redis-server the suite is skipped with the reason, and fails with `CI=true`.
 */
export function describeWithRedis(title: string, body: () => void): void {
  const hint = givenUrl === undefined ? '' : '; REDIS_URL is not enough, servers are killed here'
  describeServer(title, noPrograms === undefined ? undefined : noPrograms + hint, body)
}

/**
 * A describe for tests that any Redis will do for, shared with others: the one of REDIS_URL, else one of our own, else
 * one of docker compose. `url` may be called in hooks and tests.
 */
export function describeWithRedisUrl(title: string, body: (url: () => string) => void): void {
  const missing = noCompose === undefined ? undefined : `${noPrograms}; ${noCompose}`
  describeServer(title, missing, () => {
    let url: string | undefined
    beforeAll(async () => {
      url = givenUrl ?? (await startShared())
    }, 120_000)
    body(() => {
      if (url === undefined) throw new Error('url() was called before the hooks have run')
      return url
    })
  })
}

async function startShared(): Promise<string> {
  if (noPrograms === undefined) return (await startRedis()).url
  return `redis://${await composeUp('redis', 6379)}`
}
