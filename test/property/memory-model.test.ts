import { it } from '@jest/globals'
import fc from 'fast-check'
import { memory } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { FaultyTransport } from '../support/faulty-transport.ts'
import { ForgetfulTransport } from './forgetful-transport.ts'
import { ObservedTransport } from './observed-transport.ts'
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
    pass: (ms) => clock.run(ms),
    calm: { ms: 10_000, rounds: 40 },
    stored: () => readStore(store, '', clock),
    dispose: async () => {
      if (clock.pending > 0) throw new Error(`C11: ${clock.pending} timers are left`)
    },
  }
}

/** The same as Redis shows it: no revisions, nothing to resume from, notifications that get lost. */
function observedWorld(): World {
  const clock = new FakeClock()
  const store = memory()
  const observed = new ObservedTransport(store)
  const faulty = new FaultyTransport(observed)
  return {
    transport: faulty,
    clock,
    agent: { random: () => 0.5 },
    doneTimeoutMs: { change: 2_000, resync: 10_000 },
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
    pass: (ms) => clock.run(ms),
    calm: { ms: 10_000, rounds: 40 },
    stored: () => readStore(store, '', clock),
    dispose: async () => {
      if (clock.pending > 0) throw new Error(`C11: ${clock.pending} timers are left`)
    },
  }
}

const PAUSES = [0, 1, 20, 100, 700, 1_500, 2_500, 11_000, 70_000]

it('C1–C6 hold on every event, and C3 in the end, whatever happens', async () => {
  const options = {
    faults: FAULTS.filter((fault) => fault !== 'deaf' && fault !== 'reconcile'),
    transactions: true,
    applied: true,
    resumable: true,
    pauses: PAUSES,
  }
  await fc.assert(
    fc.asyncProperty(scenarios(options), (scenario) => play(scenario, memoryWorld())),
    replayable(1_000),
  )
}, 300_000)

it('the same where the store has no revisions and notifications get lost', async () => {
  const options = {
    faults: ['cut', 'fail list', 'deaf', 'reconcile'] as const,
    transactions: true,
    applied: false,
    resumable: false,
    pauses: PAUSES,
  }
  await fc.assert(
    fc.asyncProperty(scenarios(options), (scenario) => play(scenario, observedWorld())),
    replayable(500),
  )
}, 300_000)
