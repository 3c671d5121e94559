import { beforeAll, describe } from '@jest/globals'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { HubProcess } from '../support/hub-process.ts'
import { tempDir } from '../support/temp-dir.ts'

describe('a hub in another process', () => {
  let hub: HubProcess

  beforeAll(async () => {
    hub = await HubProcess.start({ upstream: `lmdb:${await tempDir('hub')}` })
  }, 60_000)

  contract('hub on lmdb, over REST', async () => ({
    prefix: uniquePrefix(),
    receivers: false,
    transport: () => rest({ url: hub.http }),
    dispose: async () => {},
  }))

  contract('hub on lmdb, over gRPC', async () => ({
    prefix: uniquePrefix(),
    receivers: false,
    transport: () => grpc({ url: hub.grpc }),
    dispose: async () => {},
  }))
})
