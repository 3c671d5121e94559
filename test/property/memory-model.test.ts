import { it } from '@jest/globals'
import fc from 'fast-check'
import { memory } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { FaultyTransport } from '../support/faulty-transport.ts'
import { ForgetfulTransport } from './forgetful-transport.ts'
import { replayable } from './replay.ts'
import { play, readStore } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { FAULTS, scenarios } from './watch-scenario.ts'

function memoryWorld(): World {
  const clock = new FakeClock()
  const store = memory()
  const forgetful = new ForgetfulTransport(store)
  const faulty = new FaultyTransport(forgetful, { livenessMs: 10_000 })
  return {
    transport: faulty,
    clock,
    agent: { random: () => 0.5 },
    doneTimeoutMs: { change: 2_000, resync: 10_000 },
    prefix: '',
    fault: (name) => {
      switch (name) {
        case 'cut':
          faulty.failStreams()
          return
        case 'cut and hold':
          faulty.unreachable = true
          faulty.failStreams()
          return
        case 'forget':
        case 'compact':
          forgetful.forget = name === 'forget' ? 'reconnected' : 'compacted'
          faulty.failStreams()
          return
        case 'fail list':
          faulty.failListAfter(1)
          return
        case 'hang':
          faulty.hang()
          return
        case 'release':
          faulty.heal()
          return
      }
    },
    heal: () => {
      forgetful.forget = undefined
      faulty.heal()
    },
    pass: (ms) => clock.run(ms),
    calm: { ms: 10_000, rounds: 40 },
    stored: () => readStore(store, '', clock),
    dispose: async () => {
      if (clock.pending > 0) throw new Error(`C11: ${clock.pending} timers are left`)
    },
  }
}

it('C1–C6 hold on every event, and C3 in the end, whatever happens', async () => {
  const options = {
    faults: FAULTS,
    transactions: true,
    applied: true,
    resumable: true,
    pauses: [0, 1, 20, 100, 700, 1_500, 2_500, 11_000, 70_000],
  }
  await fc.assert(
    fc.asyncProperty(scenarios(options), (scenario) => play(scenario, memoryWorld())),
    replayable(1_000),
  )
}, 300_000)
