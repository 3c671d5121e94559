import { it } from '@jest/globals'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { tempDir } from '../support/temp-dir.ts'
import { checkModelInRealTime } from './check-model.ts'
import { faultyStore } from './faulty-store.ts'
import { REAL_TIME } from './real-time.ts'
import { readStore } from './watch-model.ts'
import type { World } from './watch-model.ts'

async function lmdbWorld(): Promise<World> {
  const store = lmdb({ path: await tempDir('lmdb-model') })
  return {
    ...REAL_TIME,
    ...faultyStore(store),
    prefix: '',
    stored: () => readStore(store, '', systemClock),
    dispose: async () => {},
  }
}

it('C1–C6 hold on every event, and C3 in the end, on a file', async () => {
  const options = {
    faults: ['cut', 'cut and hold', 'forget', 'compact', 'fail list', 'hang', 'release'] as const,
    transactions: true,
    applied: true,
    resumable: true,
    pauses: [0, 1, 10, 50, 120],
  }
  await checkModelInRealTime(options, lmdbWorld)
}, 300_000)
