import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { memory, prefixed } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { KeptOpen } from '../support/kept-open.ts'
import { tempDir } from '../support/temp-dir.ts'

contract('prefixed memory', async () => {
  const store = memory()
  return {
    prefix: uniquePrefix(),
    clock: new FakeClock(),
    transport: () => prefixed(new KeptOpen(store), '/agents/a1/'),
    dispose: () => store.close(),
  }
})

contract('prefixed twice, on lmdb', async () => {
  const path = await tempDir('lmdb')
  return {
    prefix: uniquePrefix(),
    clock: new FakeClock(),
    transport: () => prefixed(prefixed(lmdb({ path }), '/agents/'), 'é😀/'),
    dispose: async () => {},
  }
})
