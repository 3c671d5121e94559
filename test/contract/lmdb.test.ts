import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { tempDir } from '../support/temp-dir.ts'

contract('lmdb', async () => {
  const path = await tempDir('lmdb')
  return {
    prefix: uniquePrefix(),
    clock: new FakeClock(),
    transport: () => lmdb({ path }),
    dispose: async () => {},
  }
})
