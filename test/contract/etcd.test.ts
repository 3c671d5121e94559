import { Etcd3 } from 'etcd3'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { composite, memory, prefixed } from '../../src/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { KeptOpen } from '../support/kept-open.ts'

describeWithEtcdUrl('etcd', (url) => {
  contract('etcd', async () => {
    const other = new Etcd3({ hosts: url().replace('etcd://', 'http://') })
    return {
      prefix: uniquePrefix(),
      transport: () => etcd({ url: url() }),
      external: {
        put: async (key, value) => other.put(key).value(Buffer.from(value)),
        delete: async (key) => other.delete().key(key),
      },
      dispose: async () => other.close(),
    }
  })

  contract('prefixed etcd', async () => ({
    prefix: uniquePrefix(),
    transport: () => prefixed(etcd({ url: url() }), '/vnf-agent/a1/'),
    dispose: async () => {},
  }))

  contract('composite of memory and etcd', async () => {
    const store = memory()
    return {
      prefix: uniquePrefix(),
      transport: () => composite([new KeptOpen(store), etcd({ url: url() })]),
      dispose: () => store.close(),
    }
  })
})
