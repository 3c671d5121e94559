import { setTimeout as delay } from 'node:timers/promises'
import { it } from '@jest/globals'
import fc from 'fast-check'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { FaultyTransport } from '../support/faulty-transport.ts'
import { tempDir } from '../support/temp-dir.ts'
import { ForgetfulTransport } from './forgetful-transport.ts'
import { replayable } from './replay.ts'
import { play, readStore } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

async function lmdbWorld(): Promise<World> {
  const store = lmdb({ path: await tempDir('lmdb-model') })
  const forgetful = new ForgetfulTransport(store)
  const faulty = new FaultyTransport(forgetful)
  return {
    transport: faulty,
    clock: systemClock,
    // Short back-offs.
    agent: { random: () => Math.random() * 0.01, acceptTimeoutMs: 20, ackTimeoutMs: 100 },
    doneTimeoutMs: { change: 30, resync: 60 },
    prefix: '',
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
    pass: (ms) => delay(ms),
    calm: { ms: 20, rounds: 1_000 },
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
  await fc.assert(
    fc.asyncProperty(scenarios(options), async (scenario) => {
      await play(scenario, await lmdbWorld())
    }),
    // Time is real here: a failure does not shrink, its path plays it again.
    { ...replayable(100), endOnFailure: true },
  )
}, 300_000)
