import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { memory, prefixed, raw } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { serveAgent } from '../support/grpc.ts'
import { tempDir } from '../support/temp-dir.ts'

function served(name: string, store: () => Promise<Transport>, wrap = (t: Transport) => t): void {
  contract(name, async () => {
    const { agent, client, close } = await serveAgent({ transport: await store() })
    return {
      prefix: uniquePrefix(),
      // The receivers of a write are the served agent's.
      receivers: false,
      transport: () => wrap(client()),
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
served(
  'prefixed grpc',
  async () => memory(),
  (transport) => prefixed(transport, '/vnf-agent/a1/'),
)
