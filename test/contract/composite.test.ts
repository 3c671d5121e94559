import { etcd } from '../../src/adapters/etcd/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import { composite, memory } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { KeptOpen } from '../support/kept-open.ts'

for (const write of ['all', 'first'] as const) {
  contract(`composite of two memories, write: ${write}`, async () => {
    const stores = [memory({ name: 'one' }), memory({ name: 'two' })] as const
    return {
      prefix: uniquePrefix(),
      clock: new FakeClock(),
      transport: () =>
        composite(
          stores.map((store) => new KeptOpen(store)),
          { write },
        ),
      dispose: async () => {
        await Promise.all(stores.map((store) => store.close()))
      },
    }
  })
}

describeWithRedisUrl('composite with Redis', (url) => {
  contract('composite of memory and redis', async () => {
    const store = memory()
    return {
      prefix: uniquePrefix(),
      transport: () => composite([new KeptOpen(store), redis({ url: url() })]),
      dispose: () => store.close(),
    }
  })
})

describeWithRedisUrl('composite with Redis', (redisUrl) => {
  describeWithEtcdUrl('and etcd', (etcdUrl) => {
    for (const write of ['all', 'first'] as const) {
      contract(`composite of redis and etcd, write: ${write}`, async () => ({
        prefix: uniquePrefix(),
        // Redis, which wins, does not tell of them.
        repeats: false,
        transport: () =>
          composite([redis({ url: redisUrl() }), etcd({ url: etcdUrl() })], { write }),
        dispose: async () => {},
      }))
    }
  })
})
