import { beforeAll, it } from '@jest/globals'
import { kafka } from '../../src/adapters/kafka/index.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startLinkedKafka } from '../servers/linked-kafka.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { uniquePrefix } from '../support/contract.ts'
import { createTopic } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import type { Link } from '../support/link.ts'
import { realIo } from '../support/transport-stream.ts'
import { listOf } from '../../src/kit/list-of.ts'
import { checkModelInRealTime } from './check-model.ts'
import { linkFaults } from './link-faults.ts'
import { REAL_PAUSES, REAL_TIME } from './real-time.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 300

await describeWithKafka('Kafka', () => {
  let server: KafkaServer
  let link: Link
  let other: OtherProgram

  beforeAll(async () => {
    ;({ server, link, other } = await startLinkedKafka())
  }, 180_000)

  it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
    const options = {
      faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
      transactions: true,
      applied: false,
      resumable: true,
      pauses: REAL_PAUSES,
    }
    let partitions = 0
    await checkModelInRealTime(options, () => {
      partitions = (partitions % 3) + 1
      return kafkaWorld(partitions)
    })
  }, 400_000)

  async function kafkaWorld(partitions: number): Promise<World> {
    const topic = await createTopic(other, { partitions })
    const prefix = uniquePrefix()
    await link.restore()
    link.release()
    return {
      ...REAL_TIME,
      // Fetch is API 1, version 11.
      ...linkFaults(link, () => link.onUpstream(Buffer.from([0, 1, 0, 11]), () => link.drop())),
      transport: kafka({
        url: `${link.url('kafka')}/${topic}`,
        livenessMs: LIVENESS_MS,
        connectTimeoutMs: LIVENESS_MS,
        commandTimeoutMs: LIVENESS_MS,
        transactionTimeoutMs: 1_000,
        fetchBytes: 1_024,
      }),
      prefix,
      write: (op) =>
        other.producer.send({
          topic,
          messages: [{ key: op.key, value: op.do === 'delete' ? null : op.value }],
        }),
      stored: () => stored(topic, prefix),
      // The topic stays: a deleted one would trouble the other writer, which knows it.
      dispose: async () => {},
    }
  }

  /** Read by another transport, past the link. */
  async function stored(topic: string, prefix: string): Promise<ReadonlyMap<string, string>> {
    const reader = kafka({ url: `kafka://${server.address}/${topic}` })
    const io = realIo()
    await reader.open(io)
    const pairs = new Map<string, string>()
    for await (const page of listOf(reader, prefix, io)) {
      for (const { key, value } of page) pairs.set(key, Buffer.from(value).toString())
    }
    await reader.close()
    return pairs
  }
})
