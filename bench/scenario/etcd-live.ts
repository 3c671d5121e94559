import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { Agent } from '../../src/index.ts'
import { etcdClient, etcdServer, putAll, TXN } from '../etcd-server.ts'
import type { Measurement, Scenario, Side } from '../scenario.ts'
import { Counter, perSecond } from '../workload.ts'

type Settings = Readonly<Record<string, string>>

export const KEYS = 10_000
export const TXNS = 300
export const LIVE_VALUE_BYTES = 98
/** Values alternate, so that each is new. */
export const ROUNDS = ['a', 'b'] as const
const PREFIX = '/live/'

const WRITER = fileURLToPath(new URL('../etcd-writer.js', import.meta.url))

/**
 * A process of its own sends transactions of 100 puts over keys that exist, as fast as the server takes them; the sample
 * ends when the receiver has looked at each change and at its previous value. Bare: etcd3's Watcher, which has the server
 * look previous values up; or without, and a Map. It loses events at reconnects, has no RESYNC and nobody answers for
 * an event.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'etcd: live transactions of 100',
  // Else every side would follow what is written for the others.
  freshProcess: true,
  warmUps: 1,
  rows: [
    {
      id: 'B8',
      work: 'transactions of 100 → changes with previous values',
      ours: 'ours',
      beside: 'etcd3 Watcher, previous values by the server',
      metric: 'perSecond',
      unit: 'changes/s',
      goal: { atLeast: 8 },
    },
    {
      id: 'B8m',
      work: 'the same',
      ours: 'ours',
      beside: 'etcd3 Watcher and a Map',
      metric: 'perSecond',
      unit: 'changes/s',
      goal: { atLeast: 0.9 },
    },
    {
      id: 'B8c',
      work: 'CPU of the receiver',
      ours: 'ours',
      beside: 'etcd3 Watcher and a Map',
      metric: 'cpuMs',
      unit: 'ms',
    },
  ],
  sides: {
    ours,
    'etcd3 Watcher, previous values by the server': (settings) => bare(settings, true),
    'etcd3 Watcher and a Map': (settings) => bare(settings, false),
  },
  prepare: () =>
    etcdServer((client) =>
      putAll(client, KEYS, (i) => [keyOf(i), Buffer.alloc(LIVE_VALUE_BYTES, 'z')]),
    ),
}

export function keyOf(i: number): string {
  return `${PREFIX}${String(i).padStart(6, '0')}`
}

/** What each receiver does with a change. */
class Look {
  readonly counter: Counter = new Counter()
  bytes = 0

  at(key: string, value: Uint8Array, prev: Uint8Array | undefined): void {
    if (prev === undefined) throw new Error(`no previous value of ${key}`)
    this.bytes += value.length + prev.length
    this.counter.count()
  }
}

async function ours({ url }: Settings): Promise<Side> {
  const look = new Look()
  const agent = new Agent({ transport: etcd({ url: url as string }) })
  agent.watch('live', PREFIX).handle({
    change: (event) => {
      if (event.changeType === 'put') look.at(event.key, event.bytes, event.prev?.bytes)
    },
  })
  await agent.start()
  return paced(url as string, look, () => agent.close())
}

async function bare({ url }: Settings, byServer: boolean): Promise<Side> {
  const look = new Look()
  const client = etcdClient(url as string)
  const values = new Map<string, Buffer>()
  if (!byServer) {
    const { kvs } = await client.kv.range({
      key: Buffer.from(PREFIX),
      range_end: Buffer.from('/live0'),
    })
    for (const { key, value } of kvs) values.set(key.toString(), value)
  }
  const builder = client.watch().prefix(PREFIX)
  const watcher = await (byServer ? builder.withPreviousKV() : builder).create()
  watcher.on('put', (kv, previous) => {
    const key = kv.key.toString()
    if (byServer) {
      look.at(key, kv.value, previous?.value)
      return
    }
    const prev = values.get(key)
    values.set(key, kv.value)
    look.at(key, kv.value, prev)
  })
  return paced(url as string, look, async () => {
    await watcher.cancel()
    client.close()
  })
}

async function paced(url: string, look: Look, close: () => Promise<void>): Promise<Side> {
  const writer: ChildProcess = fork(WRITER, [url.replace('etcd://', '')])
  await once(writer, 'message')
  return {
    sample: async (): Promise<Measurement> => {
      const startedAt = performance.now()
      const target = look.counter.seen + TXNS * TXN
      const stored = once(writer, 'message')
      writer.send('go')
      await Promise.all([stored, look.counter.reaches(target)])
      return { perSecond: perSecond(TXNS * TXN, startedAt) }
    },
    close: async () => {
      writer.kill()
      await close()
    },
  }
}
