import { memory } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { KeptOpen } from '../support/kept-open.ts'

contract('memory', async () => {
  const store = memory()
  return {
    prefix: uniquePrefix(),
    clock: new FakeClock(),
    transport: () => new KeptOpen(store),
    dispose: () => store.close(),
  }
})
