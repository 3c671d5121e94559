import { EventEmitter, on, setMaxListeners } from 'node:events'
import { Agent, cached, memory } from '../../src/index.ts'
import type { Message } from '../../src/index.ts'
import { Receiver } from '../put-to-event.ts'
import type { Measurement, Scenario, Side } from '../scenario.ts'
import { agentKey, agentPrefix, makeMessages, perSecond, writeInWindows } from '../workload.ts'

const KEYS = 10_000
const WRITES = 100_000
const READERS = 1_000
/** Each goes to all readers. */
const FANNED_OUT = 1_000

const keys = Array.from({ length: KEYS }, (_, i) => agentKey(i))
const messages = makeMessages(64)

/**
 * `put` to batch at readers that servers serve, in one process. Bare: an EventEmitter and an async iterator of it for
 * every reader, which queues without bound and knows neither lists nor positions.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Fan-out of a cache',
  rows: [
    {
      id: 'B17',
      work: 'put → batch, 10 000 readers on distinct prefixes',
      ours: 'cached, 10 000 readers',
      beside: 'cached, 1 reader',
      metric: 'perSecond',
      unit: 'changes/s',
      goal: { atLeast: 0.5 },
    },
    {
      id: 'B17a',
      work: 'put → batch at each of 1 000 readers of one prefix',
      ours: 'cached, 1 000 readers of one prefix',
      beside: 'EventEmitter, 1 000 async iterators',
      metric: 'perSecond',
      unit: 'changes at readers/s',
      goal: { atLeast: 0.7 },
    },
  ],
  sides: {
    'cached, 1 reader': () => ours(['/agents/'], WRITES),
    'cached, 10 000 readers': () =>
      ours(
        keys.map((_, i) => agentPrefix(i)),
        WRITES,
      ),
    'cached, 1 000 readers of one prefix': () =>
      ours(
        Array.from({ length: READERS }, () => '/agents/'),
        FANNED_OUT,
      ),
    'EventEmitter, 1 000 async iterators': bare,
  },
}

async function ours(prefixes: readonly string[], writes: number): Promise<Side> {
  const agent = new Agent({ transport: cached(memory()) })
  await agent.start()
  const served = agent.served()
  const receiver = new Receiver()
  const end = new AbortController()
  setMaxListeners(0, end.signal)
  // Readers of one prefix all get each change; on distinct prefixes one of them does.
  const copies = new Set(prefixes).size === 1 ? prefixes.length : 1
  let listed = 0
  for (const prefix of prefixes) {
    void (async () => {
      for await (const batch of served.stream([prefix], undefined, end.signal)) {
        if (batch.kind === 'listed') listed++
        if (batch.kind !== 'changes') continue
        for (const change of batch.changes) {
          receiver.receive({ key: change.type === 'put' ? change.pair.key : change.key })
        }
      }
    })()
  }
  while (listed < prefixes.length) await new Promise((resolve) => setImmediate(resolve))
  return {
    sample: () => fanOut(receiver, writes, copies, (key, message) => agent.put(key, message)),
    close: async () => {
      end.abort()
      await agent.close()
    },
  }
}

async function bare(): Promise<Side> {
  const emitter = new EventEmitter()
  emitter.setMaxListeners(0)
  const receiver = new Receiver()
  const end = new AbortController()
  setMaxListeners(0, end.signal)
  for (let i = 0; i < READERS; i++) {
    const reading = (async () => {
      for await (const [change] of on(emitter, 'change', { signal: end.signal })) {
        receiver.receive(change as { key: string })
      }
    })()
    reading.catch(() => {}) // the abort
  }
  return {
    sample: () =>
      fanOut(receiver, FANNED_OUT, READERS, async (key, message) => {
        emitter.emit('change', { key, value: message.serializeBinary() })
      }),
    close: async () => end.abort(),
  }
}

/** By changes at readers. */
async function fanOut(
  receiver: Receiver,
  writes: number,
  copies: number,
  put: (key: string, message: Message) => Promise<unknown>,
): Promise<Measurement> {
  const target = receiver.seen + writes * copies
  const startedAt = performance.now()
  await writeInWindows(writes, (i) =>
    put(keys[i % keys.length] as string, messages[i % messages.length] as Message),
  )
  await receiver.reaches(target)
  return { perSecond: perSecond(writes * copies, startedAt) }
}
