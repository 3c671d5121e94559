import type { Transport } from '../../src/index.ts'
import { FaultyTransport } from '../support/faulty-transport.ts'
import { ForgetfulTransport } from './forgetful-transport.ts'
import type { World } from './watch-model.ts'

/** Of a world whose store is in this process: streams that break, hang, and forget where they were. */
export function faultyStore(
  store: Transport,
  options: { readonly livenessMs?: number } = {},
): Pick<World, 'transport' | 'faults' | 'heal'> {
  const forgetful = new ForgetfulTransport(store)
  const faulty = new FaultyTransport(forgetful, options)
  return {
    transport: faulty,
    faults: {
      cut: () => faulty.failStreams(),
      'cut and hold': () => {
        faulty.unreachable = true
        faulty.failStreams()
      },
      forget: () => {
        forgetful.forget = 'reconnected'
        faulty.failStreams()
      },
      compact: () => {
        forgetful.forget = 'compacted'
        faulty.failStreams()
      },
      'fail list': () => faulty.failListAfter(1),
      hang: () => faulty.hang(),
      release: () => faulty.heal(),
    },
    heal: () => {
      forgetful.forget = undefined
      faulty.heal()
    },
  }
}
