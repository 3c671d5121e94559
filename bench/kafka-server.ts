import { randomUUID } from 'node:crypto'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { Message } from 'kafkajs'
import { startKafka } from '../test/servers/kafka-server.ts'
import { NEWEST_KAFKA } from '../test/servers/provision-kafka.ts'
import type { Shared } from './scenario.ts'

/** A Kafka of our own with a compacted topic. */
export async function kafkaServer(
  fill?: (send: (messages: Message[]) => Promise<unknown>) => Promise<void>,
): Promise<Shared> {
  const server = await startKafka({
    // Of a group's start only what cannot be helped: the bare sides have one.
    config: { 'group.initial.rebalance.delay.ms': '0', 'log.cleaner.enable': 'true' },
  })
  const topic = `bench-${randomUUID()}`
  const kafka = bareKafka(server.address)
  const admin = kafka.admin()
  await admin.connect()
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] })
  await admin.disconnect()
  if (fill !== undefined) {
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
    await fill((messages) => producer.send({ topic, messages }))
    await producer.disconnect()
  }
  return {
    settings: { address: server.address, topic },
    versions: [`Kafka ${NEWEST_KAFKA}`],
    close: () => server.stop(),
  }
}

/** kafkajs, as one uses it without us. */
export function bareKafka(address: string): Kafka {
  return new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
}
