import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { WATCH_PATH, watchRequest, watchResponse } from '../../src/adapters/etcd/schema.ts'
import { Agent } from '../../src/index.ts'
import { etcdClient, etcdServer } from '../etcd-server.ts'
import { Delays } from '../delays.ts'
import type { Row, Scenario, Side } from '../scenario.ts'

type Settings = Readonly<Record<string, string>>

export const LATENCY_PREFIX = '/latency/'
/** Puts per second, and for how long. */
export const ETCD_RATE = 1_000
export const ETCD_SECONDS = 3

const PACER = fileURLToPath(new URL('../etcd-pacer.js', import.meta.url))

/**
 * A process of its own puts keys at a steady 1 000/s, each value the time at which it was sent; the receiver takes the
 * difference when it has the value. Bare: etcd3's Watcher, and a gRPC stream with nothing around it.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'etcd: latency at 1 000 puts a second',
  rows: [
    row('B10', 'p50Ms', 'etcd3 Watcher', { atMost: 1.2 }),
    row('B10b', 'p99Ms', 'etcd3 Watcher'),
    row('B10s', 'p50Ms', 'bare gRPC stream'),
  ],
  sides: { ours, 'etcd3 Watcher': watcher, 'bare gRPC stream': stream },
  // Else every side would follow what is written for the others.
  freshProcess: true,
  warmUps: 1,
  prepare: () => etcdServer(),
}

function row(id: string, metric: string, beside: string, goal?: { atMost: number }): Row {
  const work = `put → event, ${metric.slice(0, 3)}`
  return { id, work, ours: 'ours', beside, metric, unit: 'ms', ...(goal ? { goal } : {}) }
}

async function ours({ url }: Settings): Promise<Side> {
  const delays = new Delays(PACER, ETCD_RATE * ETCD_SECONDS)
  const agent = new Agent({ transport: etcd({ url: url as string }) })
  agent.watch('latency', LATENCY_PREFIX).handle({
    change: (event) => {
      if (event.changeType === 'put') delays.arrived(event.bytes)
    },
  })
  await agent.start()
  return { sample: () => delays.whilePaced(url as string), close: () => agent.close() }
}

async function watcher({ url }: Settings): Promise<Side> {
  const delays = new Delays(PACER, ETCD_RATE * ETCD_SECONDS)
  const client = etcdClient(url as string)
  const watching = await client.watch().prefix(LATENCY_PREFIX).create()
  watching.on('put', (kv) => delays.arrived(kv.value))
  return {
    sample: () => delays.whilePaced(url as string),
    close: async () => {
      await watching.cancel()
      client.close()
    },
  }
}

async function stream({ url }: Settings): Promise<Side> {
  const delays = new Delays(PACER, ETCD_RATE * ETCD_SECONDS)
  const client = new Client((url as string).replace('etcd://', ''), credentials.createInsecure())
  const call = client.makeBidiStreamRequest(
    WATCH_PATH,
    watchRequest.encode,
    watchResponse.decode,
    new Metadata(),
  )
  call.on('data', ({ events }: ReturnType<typeof watchResponse.decode>) => {
    for (const { kv } of events) delays.arrived(kv.value)
  })
  call.on('error', () => {}) // canceled below
  call.write({
    createRequest: {
      key: Buffer.from(LATENCY_PREFIX),
      rangeEnd: Buffer.from('/latency0'),
      startRevision: 0,
      fragment: false,
    },
  })
  await once(call, 'data')
  return {
    sample: () => delays.whilePaced(url as string),
    close: async () => {
      call.cancel()
      client.close()
    },
  }
}
