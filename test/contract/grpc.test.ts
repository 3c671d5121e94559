import { memory, raw } from '../../src/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { serveAgent } from '../support/grpc.ts'

contract('grpc, an agent on memory', async () => {
  const { agent, client, close } = await serveAgent({ transport: memory() })
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
