import { it } from '@jest/globals'
import fc from 'fast-check'
import { cached, memory } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { FaultyTransport } from '../support/faulty-transport.ts'
import { etcdWorld } from './etcd-world.ts'
import { ForgetfulTransport } from './forgetful-transport.ts'
import { ObservedTransport } from './observed-transport.ts'
import { redisWorld } from './redis-world.ts'
import { replayable } from './replay.ts'
import { play, readStore } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

/** Nearly nothing: readers that do not read at once are cut off. */
const TINY = { historyLimit: 3, historyBytes: 60 }

/** Readers of a cache: while it hangs, they read nothing; when it is cut, they come back with their positions. */
function slowed(transport: Transport): { readers: FaultyTransport; faults: World['faults'] } {
  const readers = new FaultyTransport(transport)
  return {
    readers,
    faults: { deaf: () => readers.hang(), reconcile: () => readers.failStreams() },
  }
}

function cachedMemoryWorld(): World {
  const clock = new FakeClock()
  const store = memory()
  const forgetful = new ForgetfulTransport(store)
  const upstream = new FaultyTransport(forgetful, { livenessMs: 10_000 })
  const { readers, faults } = slowed(cached(upstream, TINY))
  return {
    transport: readers,
    clock,
    agent: { random: () => 0.5 },
    doneTimeoutMs: { change: 2_000, resync: 10_000 },
    prefix: '',
    faults: {
      ...faults,
      cut: () => upstream.failStreams(),
      'cut and hold': () => {
        upstream.unreachable = true
        upstream.failStreams()
      },
      forget: () => {
        forgetful.forget = 'reconnected'
        upstream.failStreams()
      },
      compact: () => {
        forgetful.forget = 'compacted'
        upstream.failStreams()
      },
      'fail list': () => {
        upstream.failListAfter(1)
        readers.failListAfter(1)
      },
      hang: () => upstream.hang(),
      release: () => {
        upstream.heal()
        readers.heal()
      },
    },
    heal: () => {
      forgetful.forget = undefined
      upstream.heal()
      readers.heal()
    },
    pass: (ms) => clock.run(ms),
    calm: { ms: 10_000, rounds: 40 },
    stored: () => readStore(store, '', clock),
    dispose: async () => {
      if (clock.pending > 0) throw new Error(`C11: ${clock.pending} timers are left`)
    },
  }
}

/** Above a store without revisions, whose notifications get lost and whose reconciles find what was missed. */
function cachedObservedWorld(): World {
  const clock = new FakeClock()
  const store = memory()
  const observed = new ObservedTransport(store)
  const upstream = new FaultyTransport(observed)
  const readers = new FaultyTransport(cached(upstream, TINY))
  return {
    transport: readers,
    clock,
    agent: { random: () => 0.5 },
    doneTimeoutMs: { change: 2_000, resync: 10_000 },
    prefix: '',
    faults: {
      cut: () => upstream.failStreams(),
      'fail list': () => upstream.failListAfter(1),
      hang: () => readers.hang(),
      'cut and hold': () => readers.failStreams(),
      release: () => readers.heal(),
      deaf: () => {
        observed.deaf = true
      },
      reconcile: () => {
        observed.deaf = false
        observed.reconcile()
      },
    },
    heal: () => {
      upstream.heal()
      readers.heal()
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

/** A world whose agent reads through a cache with next to no history, and at times does not read. */
async function cachedWorld(
  make: (over: (transport: Transport, prefix: string) => Transport) => Promise<World>,
): Promise<World> {
  let slow: ReturnType<typeof slowed> | undefined
  const world = await make((transport, prefix) => {
    slow = slowed(cached(transport, { ...TINY, prefixes: [prefix] }))
    return slow.readers
  })
  return {
    ...world,
    faults: {
      ...world.faults,
      ...slow?.faults,
      release: () => {
        slow?.readers.heal()
        void world.faults.release?.()
      },
    },
    heal: () => {
      slow?.readers.heal()
      world.heal()
    },
  }
}

const PAUSES = [0, 1, 20, 100, 700, 1_500, 2_500, 11_000, 70_000]
const REAL_PAUSES = [0, 1, 10, 50, 120, 400]

it('C1–C6 hold on every event, and C3 in the end, with a tiny history and slow readers', async () => {
  const options = {
    faults: [
      'cut',
      'cut and hold',
      'forget',
      'compact',
      'fail list',
      'hang',
      'release',
      'deaf',
      'reconcile',
    ] as const,
    transactions: true,
    applied: true,
    resumable: true,
    pauses: PAUSES,
  }
  await fc.assert(
    fc.asyncProperty(scenarios(options), (scenario) => play(scenario, cachedMemoryWorld())),
    replayable(1_000),
  )
}, 300_000)

it('the same where the upstream has no revisions and reconciles', async () => {
  const options = {
    faults: ['cut', 'fail list', 'hang', 'cut and hold', 'release', 'deaf', 'reconcile'] as const,
    transactions: true,
    applied: false,
    resumable: true,
    pauses: PAUSES,
  }
  await fc.assert(
    fc.asyncProperty(scenarios(options), (scenario) => play(scenario, cachedObservedWorld())),
    replayable(500),
  )
}, 300_000)

describeWithRedisUrl('cached Redis', (url) => {
  it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
    const options = {
      faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release', 'deaf', 'reconcile'] as const,
      transactions: true,
      applied: false,
      resumable: true,
      pauses: REAL_PAUSES,
    }
    await fc.assert(
      fc.asyncProperty(scenarios(options), async (scenario) => {
        const server = new URL(url())
        const world = await cachedWorld((over) =>
          redisWorld({ server, notifications: 'keyspace', over }),
        )
        await play(scenario, world)
      }),
      // Time is real here: a failure does not shrink, its path plays it again.
      { ...replayable(100), endOnFailure: true },
    )
  }, 300_000)
})

describeWithEtcdUrl('cached etcd', (url) => {
  it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
    const options = {
      faults: [
        'cut',
        'cut and hold',
        'hang',
        'fail list',
        'compact',
        'release',
        'deaf',
        'reconcile',
      ] as const,
      transactions: true,
      applied: false,
      resumable: true,
      pauses: REAL_PAUSES,
    }
    await fc.assert(
      fc.asyncProperty(scenarios(options), async (scenario) => {
        await play(scenario, await cachedWorld((over) => etcdWorld({ server: url(), over })))
      }),
      { ...replayable(100), endOnFailure: true },
    )
  }, 300_000)
})
