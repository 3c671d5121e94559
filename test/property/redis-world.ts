import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import type { Transport } from '../../src/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 300

export interface RedisWorldOptions {
  readonly server: URL
  readonly notifications: 'keyspace' | 'tracking'
  /** What the agent gets; the transport itself. */
  readonly over?: (transport: Transport, prefix: string) => Transport
}

/** A server behind a link, and another program that writes to it directly. */
export async function redisWorld(options: RedisWorldOptions): Promise<World> {
  const { server, notifications, over = (transport: Transport) => transport } = options
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
    transport: over(
      redis({
        url: through.href,
        notifications,
        livenessMs: LIVENESS_MS,
        connectTimeoutMs: LIVENESS_MS,
        commandTimeoutMs: LIVENESS_MS,
        scanCount: 2,
      }),
      prefix,
    ),
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
