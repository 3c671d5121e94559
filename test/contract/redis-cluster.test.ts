import { beforeAll } from '@jest/globals'
import { redis } from '../../src/adapters/redis/index.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedisCluster } from '../servers/redis.ts'
import type { RedisCluster } from '../servers/redis.ts'
import { contract, uniquePrefix } from '../support/contract.ts'

describeWithRedis('Redis Cluster, three primaries', () => {
  let cluster: RedisCluster

  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  contract('redis cluster', async () => ({
    // One slot, so that transactions are possible.
    prefix: `/{${uniquePrefix()}}/`,
    transport: () => redis({ url: cluster.url }),
    dispose: async () => {},
  }))
  contract('redis cluster, keys in many slots', async () => ({
    prefix: uniquePrefix(),
    transactions: false,
    transport: () => redis({ url: cluster.url }),
    dispose: async () => {},
  }))
})
