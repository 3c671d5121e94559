import { rest } from '../../src/adapters/rest/index.ts'
import { memory } from '../../src/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { serveAgent } from '../support/rest.ts'

contract('rest, memory behind it', async () => {
  const world = await serveAgent({}, { transport: memory() })
  return {
    prefix: uniquePrefix(),
    receivers: false,
    transport: () => rest({ url: world.url }),
    dispose: () => world.close(),
  }
})
