import { open } from 'lmdb'
import { Subject } from 'rxjs'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { Agent, composite, memory } from '../../src/index.ts'
import type { Message, Transport } from '../../src/index.ts'
import { putToEvent, Receiver } from '../put-to-event.ts'
import type { Scenario, Side } from '../scenario.ts'
import { tempFolder } from '../temp-folder.ts'
import { agentKey, makeMessages } from '../workload.ts'

const KEYS = 10_000
const EVENTS = 50_000

const keys = Array.from({ length: KEYS }, (_, i) => agentKey(i))
const messages = makeMessages(64)

/**
 * `put` to event over LMDB, awaited in windows of 256. Both sides answer a put when it is on disk, and tell the receiver
 * then. Bare: the driver's own batches with the same durability (`overlappingSync: false`), a Map of the values beside
 * it, a Subject behind it. It has no revisions that survive a restart, no conditions or time to live, nothing to resume
 * from, no acknowledgement, and nothing keeps a second process from writing the same store.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'LMDB and a composite with it',
  rows: [
    {
      id: 'B4',
      work: 'put → event, durable batches',
      ours: 'ours',
      beside: 'lmdb put, Map and Subject',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.7 },
    },
    {
      id: 'B16',
      work: 'put → event, composite of memory and LMDB, each write to both',
      ours: 'composite',
      beside: 'ours',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.9 },
    },
  ],
  sides: {
    ours: () => ours((path) => lmdb({ path })),
    composite: () => ours((path) => composite([memory(), lmdb({ path })])),
    'lmdb put, Map and Subject': bare,
  },
}

async function ours(transport: (path: string) => Transport): Promise<Side> {
  const folder = await tempFolder()
  const agent = new Agent({ transport: transport(folder.path) })
  const receiver = new Receiver()
  agent.watch('agents', '/agents/').handle({ change: (event) => receiver.receive(event) })
  await agent.start()
  return {
    sample: () =>
      putToEvent(receiver, EVENTS, keys, messages, (key, message) => agent.put(key, message)),
    close: async () => {
      await agent.close()
      await folder.remove()
    },
  }
}

async function bare(): Promise<Side> {
  const folder = await tempFolder()
  const database = open<Buffer, string>({
    path: folder.path,
    encoding: 'binary',
    overlappingSync: false,
  })
  const values = new Map<string, Uint8Array>()
  const changes$ = new Subject<{ key: string; value: Uint8Array; prev: Uint8Array | undefined }>()
  const receiver = new Receiver()
  changes$.subscribe((event) => receiver.receive(event))
  const put = async (key: string, message: Message): Promise<void> => {
    const value = message.serializeBinary()
    await database.put(key, value as Buffer)
    const prev = values.get(key)
    values.set(key, value)
    changes$.next({ key, value, prev })
  }
  return {
    sample: () => putToEvent(receiver, EVENTS, keys, messages, put),
    close: async () => {
      await database.close()
      await folder.remove()
    },
  }
}
