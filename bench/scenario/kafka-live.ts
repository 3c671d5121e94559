import { Partitioners } from 'kafkajs'
import { kafka, msgsync } from '../../src/adapters/kafka/index.ts'
import type { TopicMessage } from '../../src/adapters/kafka/index.ts'
import { Agent } from '../../src/index.ts'
import { bareKafka, kafkaServer } from '../kafka-server.ts'
import type { Measurement, Scenario, Side } from '../scenario.ts'
import { Counter, makeValues, perSecond } from '../workload.ts'

const RECORDS = 100_000
const KEYS = 10_000
const BATCH = 1_000
const values = makeValues(64).map((value) => Buffer.from(value))

/**
 * Live consume: the same writer (kafkajs, batches of 1 000) on both sides, until the last record was handled; ours gives
 * previous values and waits for `done`. Publish: our `msgsync`, a result per message, beside `producer.send` of batches
 * of 1 000, one after the other, by an idempotent producer too.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Kafka: live',
  rows: [
    {
      id: 'B12',
      work: '100 k records live → handled',
      ours: 'consume',
      beside: 'bare consume',
      metric: 'perSecond',
      unit: 'records/s',
      goal: { atLeast: 0.9 },
    },
    {
      id: 'B12p',
      work: '100 k messages published',
      ours: 'publish',
      beside: 'bare publish',
      metric: 'perSecond',
      unit: 'messages/s',
      goal: { atLeast: 0.9 },
    },
  ],
  sides: { consume, 'bare consume': bareConsume, publish, 'bare publish': barePublish },
  prepare: () => kafkaServer(),
}

type Settings = Readonly<Record<string, string>>

async function consume({ address = '', topic = '' }: Settings): Promise<Side> {
  const agent = new Agent({ transport: kafka({ url: `kafka://${address}/${topic}` }) })
  const counter = new Counter()
  let previous = 0
  agent.watch('bench', '/', { queueLimit: 2 * RECORDS, queueBytes: 2 ** 30 }).handle({
    resync: () => {},
    change: (event) => {
      if (event.prev !== undefined) previous += event.prev.revision
      counter.count()
    },
  })
  await agent.start()
  const writer = await newWriter(address, topic)
  return {
    sample: () => measure(counter, () => writer.write()),
    close: async () => {
      await writer.close()
      await agent.close()
      if (previous < 0) throw new Error('never')
    },
  }
}

async function bareConsume({ address = '', topic = '' }: Settings): Promise<Side> {
  const consumer = bareKafka(address).consumer({ groupId: `bench-${process.pid}` })
  const counter = new Counter()
  const table = new Map<string, Buffer | null>()
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: false })
  const joined = new Promise<void>((resolve) => consumer.on('consumer.group_join', () => resolve()))
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { key, value } of batch.messages) {
        const name = String(key)
        table.get(name)
        table.set(name, value)
        counter.count()
      }
    },
  })
  await joined
  const writer = await newWriter(address, topic)
  return {
    sample: () => measure(counter, () => writer.write()),
    close: async () => {
      await writer.close()
      await consumer.disconnect()
    },
  }
}

async function measure(counter: Counter, write: () => Promise<unknown>): Promise<Measurement> {
  const startedAt = performance.now()
  const all = counter.reaches(counter.seen + RECORDS)
  await write()
  await all
  return { perSecond: perSecond(RECORDS, startedAt) }
}

async function newWriter(
  address: string,
  topic: string,
): Promise<{ write(): Promise<void>; close(): Promise<void> }> {
  const producer = bareKafka(address).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  return {
    write: async () => {
      for (let start = 0; start < RECORDS; start += BATCH) {
        const messages = Array.from({ length: BATCH }, (_, i) => recordOf(start + i))
        await producer.send({ topic, messages })
      }
    },
    close: () => producer.disconnect(),
  }
}

async function publish({ address = '', topic = '' }: Settings): Promise<Side> {
  const publisher = msgsync({ url: `kafka://${address}/${topic}` })
  await publisher.open()
  return {
    sample: async () => {
      const startedAt = performance.now()
      let done = 0
      async function* messages(): AsyncGenerator<TopicMessage> {
        for (let i = 0; i < RECORDS; i++) {
          const { key, value } = recordOf(i)
          yield { key, message: { serializeBinary: () => value } }
        }
      }
      await new Promise<void>((resolve, reject) => {
        publisher.publish(messages()).subscribe({
          next: (result) => {
            if (result.ok) done++
          },
          complete: resolve,
          error: reject,
        })
      })
      if (done !== RECORDS) throw new Error(`${done} of ${RECORDS} published`)
      return { perSecond: perSecond(RECORDS, startedAt) }
    },
    close: () => publisher.close(),
  }
}

async function barePublish({ address = '', topic = '' }: Settings): Promise<Side> {
  const writer = await newWriter(address, topic)
  return {
    sample: async () => {
      const startedAt = performance.now()
      await writer.write()
      return { perSecond: perSecond(RECORDS, startedAt) }
    },
    close: () => writer.close(),
  }
}

function recordOf(i: number): { key: string; value: Buffer } {
  return { key: `/k/${i % KEYS}`, value: values[i % 64] as Buffer }
}
