import { it } from '@jest/globals'
import { cached } from '../../src/index.ts'
import type { CachedOptions } from '../../src/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { FaultyTransport } from '../support/faulty-transport.ts'
import { checkModel, checkModelInRealTime } from './check-model.ts'
import { etcdWorld } from './etcd-world.ts'
import { memoryWorld } from './memory-world.ts'
import { observedWorld } from './observed-world.ts'
import { REAL_PAUSES } from './real-time.ts'
import { redisWorld } from './redis-world.ts'
import { VIRTUAL_PAUSES } from './virtual-time.ts'
import type { World } from './watch-model.ts'

/** Readers of the world through a cache with nearly no history: those that do not read at once are cut off. */
function readersOf(world: World, options: CachedOptions = {}): FaultyTransport {
  return new FaultyTransport(
    cached(world.transport, { historyLimit: 3, historyBytes: 60, ...options }),
  )
}

/** The world with these readers before it: their faults come beside its own. */
function readBy(readers: FaultyTransport, world: World, faults: World['faults']): World {
  return {
    ...world,
    transport: readers,
    faults: {
      ...world.faults,
      ...faults,
      release: () => {
        readers.heal()
        void world.faults.release?.()
      },
    },
    heal: () => {
      readers.heal()
      world.heal()
    },
  }
}

/** While the readers hang, they read nothing; when they are cut, they come back with their positions. */
function slowness(readers: FaultyTransport): World['faults'] {
  return { deaf: () => readers.hang(), reconcile: () => readers.failStreams() }
}

function cachedMemoryWorld(): World {
  const world = memoryWorld()
  const readers = readersOf(world)
  return readBy(readers, world, {
    ...slowness(readers),
    'fail list': () => {
      void world.faults['fail list']?.()
      readers.failListAfter(1)
    },
  })
}

/** Above a store without revisions, whose notifications get lost and whose reconciles find what was missed. */
function cachedObservedWorld(): World {
  const world = observedWorld()
  const readers = readersOf(world)
  return readBy(readers, world, {
    hang: () => readers.hang(),
    'cut and hold': () => readers.failStreams(),
  })
}

function cachedServerWorld(world: World): World {
  const readers = readersOf(world, { prefixes: [world.prefix] })
  return readBy(readers, world, slowness(readers))
}

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
    pauses: VIRTUAL_PAUSES,
  }
  await checkModel(options, cachedMemoryWorld, 1_000)
}, 300_000)

it('the same where the upstream has no revisions and reconciles', async () => {
  const options = {
    faults: ['cut', 'fail list', 'hang', 'cut and hold', 'release', 'deaf', 'reconcile'] as const,
    transactions: true,
    applied: false,
    resumable: true,
    pauses: VIRTUAL_PAUSES,
  }
  await checkModel(options, cachedObservedWorld, 500)
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
    await checkModelInRealTime(options, async () => {
      const server = new URL(url())
      return cachedServerWorld(await redisWorld({ server, notifications: 'keyspace' }))
    })
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
    await checkModelInRealTime(options, async () => cachedServerWorld(await etcdWorld(url())))
  }, 300_000)
})
