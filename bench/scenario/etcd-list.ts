import { etcd } from '../../src/adapters/etcd/index.ts'
import { etcdClient, etcdServer, putAll } from '../etcd-server.ts'
import { listToResync, Look } from '../list-to-resync.ts'
import type { Scenario, Side } from '../scenario.ts'
import { makeValues } from '../workload.ts'

type Settings = Readonly<Record<string, string>>

const KEYS = 100_000
const PREFIX = '/config/interfaces/'
const PAGE = 10_000

/**
 * From the first connection to a RESYNC whose every pair was looked at, one process per sample. Bare: etcd3's range in pages
 * of 10 000 at one revision, values kept in a Map, then walked. It does not watch what changes next.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'etcd: list of 100 k keys',
  freshProcess: true,
  rows: [
    {
      id: 'B9',
      work: '100 k keys → RESYNC handled',
      ours: 'ours',
      beside: 'paged range',
      metric: 'perSecond',
      unit: 'keys/s',
      goal: { atLeast: 0.8 },
    },
    {
      id: 'B9m',
      work: 'peak memory of the process',
      ours: 'ours',
      beside: 'paged range',
      metric: 'peakRssMb',
      unit: 'MB',
    },
  ],
  sides: { ours, 'paged range': bare },
  prepare: async () => {
    const values = makeValues(64)
    return etcdServer((client) =>
      putAll(client, KEYS, (i) => [
        `${PREFIX}eth${String(i).padStart(7, '0')}`,
        values[i % 64] as Uint8Array,
      ]),
    )
  },
}

async function ours({ url }: Settings): Promise<Side> {
  return listToResync(etcd({ url: url as string }), PREFIX, KEYS)
}

async function bare({ url }: Settings): Promise<Side> {
  const client = etcdClient(url as string)
  const values = new Map<string, Buffer>()
  return {
    sample: async () => {
      const startedAt = performance.now()
      let key = Buffer.from(PREFIX)
      let revision: string | number = 0
      for (;;) {
        const page = await client.kv.range({
          key,
          range_end: Buffer.from('/config/interfaces0'),
          limit: PAGE,
          revision,
        })
        revision = page.header.revision
        for (const kv of page.kvs) values.set(kv.key.toString(), kv.value)
        const last = page.kvs.at(-1)
        if (!page.more || last === undefined) break
        key = Buffer.concat([last.key, Buffer.of(0)])
      }
      const looked = new Look(KEYS)
      for (const [name, value] of values) looked.at(name, value)
      return looked.all(startedAt)
    },
    close: async () => client.close(),
  }
}
