import { it } from '@jest/globals'
import { Etcd3 } from 'etcd3'
import { Redis } from 'ioredis'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import { composite } from '../../src/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import { checkModelInRealTime } from './check-model.ts'
import { REAL_PAUSES, REAL_TIME } from './real-time.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 400
const FAST = {
  livenessMs: LIVENESS_MS,
  connectTimeoutMs: LIVENESS_MS,
  commandTimeoutMs: LIVENESS_MS,
} as const

describeWithRedisUrl('composite', (redisUrl) => {
  describeWithEtcdUrl('of Redis and etcd', (etcdUrl) => {
    it('C1–C6 hold on every event, and C3 in the end, whatever the links do', async () => {
      const options = {
        faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
        transactions: false,
        applied: false,
        resumable: false,
        pauses: REAL_PAUSES,
      }
      await checkModelInRealTime(options, () => compositeWorld(redisUrl(), etcdUrl()))
    }, 300_000)
  })
})

/** Two stores with a link before each; faults and other programs' writes meet them in turn. */
async function compositeWorld(redisUrl: string, etcdUrl: string): Promise<World> {
  const redisServer = new URL(redisUrl)
  const [host = '', port = ''] = etcdUrl.replace('etcd://', '').split(':')
  const redisLink = await openLink({
    host: redisServer.hostname,
    port: Number(redisServer.port),
  })
  const etcdLink = await openLink({ host, port: Number(port) })
  const besideRedis = new Redis(redisUrl)
  const besideEtcd = new Etcd3({ hosts: `http://${host}:${port}` })
  const prefix = uniquePrefix()
  let turn = 0
  const nextLink = (): typeof redisLink => (turn++ % 2 === 0 ? redisLink : etcdLink)
  const heal = (): void => {
    for (const link of [redisLink, etcdLink]) void link.restore().then(() => link.release())
  }
  return {
    ...REAL_TIME,
    transport: composite([
      redis({ url: redisLink.url('redis'), scanCount: 2, ...FAST }),
      etcd({ url: etcdLink.url('etcd'), ...FAST }),
    ]),
    prefix,
    write: async (op) => {
      if (turn++ % 2 === 0) {
        return op.do === 'delete' ? besideRedis.del(op.key) : besideRedis.set(op.key, op.value)
      }
      return op.do === 'delete'
        ? besideEtcd.delete().key(op.key)
        : besideEtcd.put(op.key).value(op.value)
    },
    faults: {
      cut: () => nextLink().drop(),
      'cut and hold': () => void nextLink().cut(),
      hang: () => nextLink().hold(),
      'fail list': () => {
        const link = nextLink()
        link.onUpstream(prefix, () => link.drop())
      },
      release: heal,
    },
    heal,
    stored: async () => {
      const { kvs } = await besideEtcd.kv.range({
        key: Buffer.from(prefix),
        range_end: Buffer.from(`${prefix.slice(0, -1)}0`),
      })
      const pairs = new Map(kvs.map(({ key, value }) => [key.toString(), value.toString()]))
      // The first part wins.
      for (const key of await besideRedis.keys(`${prefix.replace(/[*?[\]\\]/gu, '\\$&')}*`)) {
        const value = await besideRedis.get(key)
        if (value !== null) pairs.set(key, value)
      }
      return pairs
    },
    dispose: async () => {
      besideRedis.disconnect()
      besideEtcd.close()
      await redisLink.close()
      await etcdLink.close()
    },
  }
}
