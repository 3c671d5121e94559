import { Etcd3 } from 'etcd3'
import { Redis } from 'ioredis'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import { cached, composite, memory, prefixed } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { KeptOpen } from '../support/kept-open.ts'
import { tempDir } from '../support/temp-dir.ts'

/** It outlives the test's agents, as its positions do; closed at the end. */
function kept(
  store: Transport,
  over: (store: Transport) => Transport = (one) => one,
): { transport: () => Transport; dispose: () => Promise<void> } {
  return { transport: () => over(new KeptOpen(store)), dispose: () => store.close() }
}

contract('cached memory', async () => ({
  prefix: uniquePrefix(),
  clock: new FakeClock(),
  ...kept(cached(memory())),
}))

contract('prefixed, cached twice, with held prefixes, on memory', async () => ({
  prefix: uniquePrefix(),
  clock: new FakeClock(),
  ...kept(cached(cached(memory(), { name: 'inner' }), { prefixes: ['/agents/'] }), (store) =>
    prefixed(store, '/agents/'),
  ),
}))

contract('cached lmdb', async () => ({
  prefix: uniquePrefix(),
  clock: new FakeClock(),
  ...kept(cached(lmdb({ path: await tempDir('lmdb') }))),
}))

contract('cached composite of two memories, write: first', async () => ({
  prefix: uniquePrefix(),
  clock: new FakeClock(),
  ...kept(
    cached(composite([memory({ name: 'one' }), memory({ name: 'two' })], { write: 'first' })),
  ),
}))

describeWithRedisUrl('cached with Redis', (url) => {
  contract('cached redis', async () => {
    const other = new Redis(url())
    const store = kept(cached(redis({ url: url() })))
    return {
      prefix: uniquePrefix(),
      // Redis does not tell of them.
      repeats: false,
      external: {
        put: (key, value) => other.set(key, Buffer.from(value)),
        delete: (key) => other.del(key),
      },
      transport: store.transport,
      dispose: async () => {
        other.disconnect()
        await store.dispose()
      },
    }
  })

  contract('composite of memory and cached redis', async () => {
    const store = memory()
    return {
      prefix: uniquePrefix(),
      transport: () => composite([new KeptOpen(store), cached(redis({ url: url() }))]),
      dispose: () => store.close(),
    }
  })
})

describeWithEtcdUrl('cached with etcd', (url) => {
  contract('cached etcd', async () => {
    const other = new Etcd3({ hosts: url().replace('etcd://', 'http://') })
    const store = kept(cached(etcd({ url: url() })))
    return {
      prefix: uniquePrefix(),
      external: {
        put: async (key, value) => other.put(key).value(Buffer.from(value)),
        delete: async (key) => other.delete().key(key),
      },
      transport: store.transport,
      dispose: async () => {
        other.close()
        await store.dispose()
      },
    }
  })
})
