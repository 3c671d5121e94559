import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { Agent, composite, memory } from '../../src/index.ts'
import type { Message, Transport } from '../../src/index.ts'
import type { Scenario, Side } from '../scenario.ts'
import { agentKey, Counter, makeMessages, perSecond, writeInWindows } from '../workload.ts'

const KEYS = 10_000
const EVENTS = 50_000

const keys = Array.from({ length: KEYS }, (_, i) => agentKey(i))
const messages = makeMessages(64)

/**
 * `put` to event on the embedded store, awaited in windows of 256, answered when it is on the disk. Bare: lmdb-js with
 * the same durability, a Map of the values, and a callback behind every put that was answered. It has no order across
 * writers, revisions, conditions, TTL, RESYNC, acknowledgement or bound.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'LMDB',
  rows: [
    {
      id: 'B4',
      work: 'put → event, durable batches',
      ours: 'ours',
      beside: 'lmdb-js, same durability',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.7 },
    },
    {
      id: 'B16',
      work: 'composite of memory and LMDB: put → event',
      ours: 'composite',
      beside: 'ours',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.9 },
    },
  ],
  sides: {
    ours: () => withFolder(async (path) => ours(lmdb({ path }))),
    composite: () => withFolder(async (path) => ours(composite([memory(), lmdb({ path })]))),
    'lmdb-js, same durability': () => withFolder(bare),
  },
}

async function withFolder(make: (path: string) => Promise<Side>): Promise<Side> {
  const folder = await mkdtemp(join(tmpdir(), 'datasync-bench-'))
  const side = await make(join(folder, 'store'))
  return {
    sample: () => side.sample(),
    close: async () => {
      await side.close()
      await rm(folder, { recursive: true })
    },
  }
}

async function ours(transport: Transport): Promise<Side> {
  const agent = new Agent({ transport })
  const counter = new Counter()
  agent.watch('bench', '/agents/').handle({ change: () => counter.count() })
  await agent.start()
  return {
    sample: () => run(counter, (key, message) => agent.put(key, message)),
    close: () => agent.close(),
  }
}

async function bare(path: string): Promise<Side> {
  const database = open<Uint8Array, string>({ path, encoding: 'binary', overlappingSync: false })
  const values = new Map<string, Uint8Array>()
  const counter = new Counter()
  const receive = (_event: {
    key: string
    value: Uint8Array
    prev: Uint8Array | undefined
  }): void => counter.count()
  const put = async (key: string, message: Message): Promise<void> => {
    const value = message.serializeBinary()
    await database.put(key, value)
    const event = { key, value, prev: values.get(key) }
    values.set(key, value)
    receive(event)
  }
  return {
    sample: () => run(counter, put),
    close: () => database.close(),
  }
}

async function run(
  counter: Counter,
  put: (key: string, message: Message) => Promise<unknown>,
): Promise<{ perSecond: number }> {
  const target = counter.seen + EVENTS
  const startedAt = performance.now()
  await writeInWindows(EVENTS, (i) =>
    put(keys[i % KEYS] as string, messages[i % messages.length] as Message),
  )
  await counter.reaches(target)
  return { perSecond: perSecond(EVENTS, startedAt) }
}
