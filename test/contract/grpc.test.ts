import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { memory, prefixed, raw } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { serveAgent } from '../support/grpc.ts'
import { tempDir } from '../support/temp-dir.ts'

function served(name: string, store: () => Promise<Transport>): void {
  contract(name, async () => {
    const { agent, client, close } = await serveAgent({ transport: await store() })
    return {
      prefix: uniquePrefix(),
      // The receivers of a write are the served agent's.
      receivers: false,
      transport: () => client(),
      external: {
        put: async (key, value) => agent.put(key, raw(value)),
        delete: async (key) => agent.delete(key),
      },
      dispose: close,
    }
  })
}

served('grpc, an agent on memory', async () => memory())
served('grpc, an agent on LMDB', async () => lmdb({ path: await tempDir() }))

contract('prefixed grpc', async () => {
  const { client, close } = await serveAgent()
  return {
    prefix: uniquePrefix(),
    receivers: false,
    transport: () => prefixed(client(), '/vnf-agent/a1/'),
    dispose: close,
  }
})
