import { kafka } from '../../src/adapters/kafka/index.ts'
import { bareKafka, kafkaServer } from '../kafka-server.ts'
import { listToResync, Look } from '../list-to-resync.ts'
import type { Scenario, Side } from '../scenario.ts'
import { makeValues } from '../workload.ts'

const RECORDS = 1_000_000
const PREFIX = '/config/interfaces/'
const BATCH = 5_000

/**
 * From the first connection to a RESYNC whose every pair was looked at, one process per sample. Bare: kafkajs'
 * `eachBatch` into a Map until the end offset, then walked. Its values are parts of the answers, its keys in no order.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Kafka: table of 1 M records',
  freshProcess: true,
  rows: [
    {
      id: 'B11',
      work: '1 M records → RESYNC handled',
      ours: 'ours',
      beside: 'eachBatch into a Map',
      metric: 'perSecond',
      unit: 'records/s',
      goal: { atLeast: 0.8 },
    },
    {
      id: 'B11m',
      work: 'peak memory of the process',
      ours: 'ours',
      beside: 'eachBatch into a Map',
      metric: 'peakRssMb',
      unit: 'MB',
    },
  ],
  sides: { ours, 'eachBatch into a Map': bare },
  prepare: () => {
    const values = makeValues(64).map((value) => Buffer.from(value))
    return kafkaServer(async (send) => {
      for (let start = 0; start < RECORDS; start += BATCH) {
        await send(
          Array.from({ length: BATCH }, (_, i) => ({
            key: `${PREFIX}eth${String(start + i).padStart(7, '0')}`,
            value: values[i % 64] as Buffer,
          })),
        )
      }
    })
  },
}

async function ours({ address, topic }: Readonly<Record<string, string>>): Promise<Side> {
  return listToResync(kafka({ url: `kafka://${address}/${topic}` }), PREFIX, RECORDS)
}

async function bare(settings: Readonly<Record<string, string>>): Promise<Side> {
  const { address = '', topic = '' } = settings
  const client = bareKafka(address)
  const consumer = client.consumer({
    groupId: `bench-${process.pid}`,
    maxBytesPerPartition: 4 * 2 ** 20,
  })
  const values = new Map<string, Buffer>()
  return {
    sample: async () => {
      const startedAt = performance.now()
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await new Promise<void>((resolve) => {
        void consumer.run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            for (const { key, value } of batch.messages) {
              if (value === null) values.delete(String(key))
              else values.set(String(key), value)
            }
            if (Number(batch.lastOffset()) >= RECORDS - 1) resolve()
          },
        })
      })
      const looked = new Look(RECORDS)
      for (const [key, value] of values) looked.at(key, value)
      return looked.all(startedAt)
    },
    close: () => consumer.disconnect(),
  }
}
