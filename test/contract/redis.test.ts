import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { contract, uniquePrefix } from '../support/contract.ts'

for (const notifications of ['keyspace', 'tracking'] as const) {
  describeWithRedisUrl(`Redis, ${notifications}`, (url) => {
    contract(`redis, ${notifications}`, async () => {
      const other = new Redis(url())
      return {
        prefix: uniquePrefix(),
        transport: () => redis({ url: url(), notifications }),
        external: {
          put: (key, value) => other.set(key, Buffer.from(value)),
          delete: (key) => other.del(key),
        },
        dispose: async () => other.disconnect(),
      }
    })
  })
}
