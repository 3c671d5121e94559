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
    const parts = {
      redis: () => redis({ url: redisUrl() }),
      etcd: () => etcd({ url: etcdUrl() }),
    } as const
    // With writes to both, changes of different keys come in any order, which the suite's fences do not allow for; they
    // are in test/property/composite-model.test.ts.
    for (const [first, second] of [
      ['redis', 'etcd'],
      ['etcd', 'redis'],
    ] as const) {
      contract(`composite of ${first} and ${second}, write: first`, async () => ({
        prefix: uniquePrefix(),
        // Redis does not tell of them.
        repeats: first === 'etcd',
        transport: () => composite([parts[first](), parts[second]()], { write: 'first' }),
        dispose: async () => {},
      }))
    }
  })
})
