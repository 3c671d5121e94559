import { memory } from '../../src/index.ts'
import { FaultyTransport } from '../support/faulty-transport.ts'
import { ObservedTransport } from './observed-transport.ts'
import { virtualTime } from './virtual-time.ts'
import { readStore } from './watch-model.ts'
import type { World } from './watch-model.ts'

/** A store as Redis shows it: no revisions, nothing to resume from, notifications that get lost. */
export function observedWorld(): World {
  const time = virtualTime()
  const store = memory()
  const observed = new ObservedTransport(store)
  const faulty = new FaultyTransport(observed)
  return {
    ...time,
    transport: faulty,
    prefix: '',
    faults: {
      cut: () => faulty.failStreams(),
      'fail list': () => faulty.failListAfter(1),
      deaf: () => {
        observed.deaf = true
      },
      reconcile: () => {
        observed.deaf = false
        observed.reconcile()
      },
    },
    heal: () => {
      faulty.heal()
      observed.deaf = false
      observed.reconcile()
    },
    stored: () => readStore(store, '', time.clock),
  }
}
