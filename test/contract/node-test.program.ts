import { describe, it } from 'node:test'
import { Agent, memory } from '../../src/index.ts'
import { contractSuite, FakeClock } from '../../src/testing/index.ts'
import { KeptOpen } from '../support/kept-open.ts'

contractSuite(
  { describe, it, Agent },
  {
    name: 'memory under node:test',
    createFixture: async () => {
      const store = memory()
      return {
        prefix: '/t/',
        clock: new FakeClock(),
        transport: () => new KeptOpen(store),
        dispose: () => store.close(),
      }
    },
  },
)
