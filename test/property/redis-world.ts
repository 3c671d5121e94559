import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import { linkFaults } from './link-faults.ts'
import { REAL_TIME } from './real-time.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 300

export interface RedisWorldOptions {
  readonly server: URL
  readonly notifications: 'keyspace' | 'tracking'
}

/** A server behind a link, and another program that writes to it directly. */
export async function redisWorld(options: RedisWorldOptions): Promise<World> {
  const { server, notifications } = options
  const link = await openLink({ host: server.hostname, port: Number(server.port) })
  const beside = new Redis(server.href)
  const prefix = uniquePrefix()
  const through = new URL(server.href)
  through.host = `${link.host}:${link.port}`
  return {
    ...REAL_TIME,
    ...linkFaults(link, () => link.onUpstream(/scan/iu, () => link.drop())),
    transport: redis({
      url: through.href,
      notifications,
      livenessMs: LIVENESS_MS,
      connectTimeoutMs: LIVENESS_MS,
      commandTimeoutMs: LIVENESS_MS,
      scanCount: 2,
    }),
    prefix,
    write: (op) => (op.do === 'delete' ? beside.del(op.key) : beside.set(op.key, op.value)),
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
