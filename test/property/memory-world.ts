import { memory } from '../../src/index.ts'
import { faultyStore } from './faulty-store.ts'
import { virtualTime } from './virtual-time.ts'
import { readStore } from './watch-model.ts'
import type { World } from './watch-model.ts'

/** A store in memory, with revisions and a history to resume from. */
export function memoryWorld(): World {
  const time = virtualTime()
  const store = memory()
  return {
    ...time,
    ...faultyStore(store, { livenessMs: 10_000 }),
    prefix: '',
    stored: () => readStore(store, '', time.clock),
  }
}
