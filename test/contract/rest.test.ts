import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { memory } from '../../src/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { serveAgent } from '../support/rest.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { tempDir } from '../support/temp-dir.ts'

contract('rest, memory behind it', async () => {
  const world = await serveAgent({}, { transport: memory() })
  return {
    prefix: uniquePrefix(),
    receivers: false,
    transport: () => rest({ url: world.url }),
    dispose: () => world.close(),
  }
})

contract('rest, LMDB behind it', async () => {
  const world = await serveAgent({}, { transport: lmdb({ path: await tempDir('rest') }) })
  return {
    prefix: uniquePrefix(),
    receivers: false,
    transport: () => rest({ url: world.url }),
    dispose: () => world.close(),
  }
})

contract('rest, the agent in another process', async () => {
  const program = spawnNode('test/contract/rest-agent.program.ts')
  const url = await program.nextLine()
  return {
    prefix: uniquePrefix(),
    receivers: false,
    transport: () => rest({ url }),
    dispose: () => program.kill(),
  }
})
