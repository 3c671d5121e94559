import { setTimeout as delay } from 'node:timers/promises'
import { it } from '@jest/globals'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

const LIVENESS_MS = 300

for (const notifications of ['keyspace', 'tracking'] as const) {
  describeWithRedisUrl(`Redis by ${notifications}`, (url) => {
    it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
      const options = {
        faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
        transactions: true,
        applied: false,
        resumable: false,
        pauses: [0, 1, 10, 50, 120, 400],
      }
      await fc.assert(
        fc.asyncProperty(scenarios(options), async (scenario) => {
          await play(scenario, await redisWorld(new URL(url()), notifications))
        }),
        // Time is real here: a failure does not shrink, its path plays it again.
        { ...replayable(100), endOnFailure: true },
      )
    }, 300_000)
  })
}

async function redisWorld(server: URL, notifications: 'keyspace' | 'tracking'): Promise<World> {
  const link = await openLink({ host: server.hostname, port: Number(server.port) })
  const beside = new Redis(server.href)
  const prefix = uniquePrefix()
  const through = new URL(server.href)
  through.host = `${link.host}:${link.port}`
  const heal = async (): Promise<void> => {
    await link.restore()
    link.release()
  }
  return {
    transport: redis({
      url: through.href,
      notifications,
      livenessMs: LIVENESS_MS,
      connectTimeoutMs: LIVENESS_MS,
      commandTimeoutMs: LIVENESS_MS,
      scanCount: 2,
    }),
    clock: systemClock,
    // Short back-offs.
    agent: { random: () => Math.random() * 0.01, acceptTimeoutMs: 20, ackTimeoutMs: 100 },
    doneTimeoutMs: { change: 30, resync: 60 },
    prefix,
    write: (op) => (op.do === 'delete' ? beside.del(op.key) : beside.set(op.key, op.value)),
    faults: {
      cut: () => link.drop(),
      'cut and hold': () => void link.cut(),
      hang: () => link.hold(),
      'fail list': () => link.onUpstream(/scan/iu, () => link.drop()),
      release: () => void heal(),
    },
    heal: () => void heal(),
    pass: (ms) => delay(ms),
    calm: { ms: 20, rounds: 1_000 },
    stored: async () => {
      const pairs = new Map<string, string>()
      for (const key of await beside.keys(`${prefix.replace(/[*?[\]\\]/gu, '\\$&')}*`)) {
        const value = await beside.get(key)
        if (value !== null) pairs.set(key, value)
      }
      return pairs
    },
    dispose: async () => {
      beside.disconnect()
      await link.close()
    },
  }
}
