import { randomUUID } from 'node:crypto'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { Admin, Message, Producer } from 'kafkajs'
import { onTeardown } from './teardown.ts'
import { waitFor } from './wait-for.ts'

/** Another program beside ours: kafkajs, as anybody would use it. */
export interface OtherProgram {
  readonly kafka: Kafka
  readonly admin: Admin
  readonly producer: Producer
}

/** A name that no other test has. */
export function uniqueTopic(): string {
  return `t-${randomUUID()}`
}

/** Connects to `host:port,host:port`; it is closed when the test file is over. */
export async function otherProgram(addresses: string): Promise<OtherProgram> {
  const kafka = new Kafka({
    brokers: addresses.split(','),
    logLevel: logLevel.NOTHING,
    retry: { retries: 20, initialRetryTime: 50, maxRetryTime: 500 },
  })
  const admin = kafka.admin()
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
    metadataMaxAge: 500,
  })
  onTeardown(() => Promise.all([admin.disconnect(), producer.disconnect()]))
  await Promise.all([admin.connect(), producer.connect()])
  return { kafka, admin, producer }
}

/** A compacted topic, ready to be written to. */
export async function createTopic(
  { admin }: OtherProgram,
  options: {
    readonly topic?: string
    readonly partitions?: number
    readonly replicationFactor?: number
    readonly config?: Readonly<Record<string, string>>
  } = {},
): Promise<string> {
  const { topic = uniqueTopic(), partitions = 1, replicationFactor = 1, config = {} } = options
  const settings = { 'cleanup.policy': 'compact', ...config }
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  // A name whose deletion is not over yet is refused.
  await waitFor(async () => {
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor, configEntries }],
      waitForLeaders: true,
    })
    return true
  })
  return topic
}

/** Writes `count` keys `/f/0`, `/f/1`, …; what is stored then. */
export async function fill(
  { producer }: OtherProgram,
  topic: string,
  count: number,
  value: string,
): Promise<Record<string, string>> {
  const pairs = Object.fromEntries(Array.from({ length: count }, (_, i) => [`/f/${i}`, value]))
  const messages = Object.entries(pairs).map(([key, text]): Message => ({ key, value: text }))
  await producer.send({ topic, messages })
  return pairs
}
