import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, it } from '@jest/globals'
import fc from 'fast-check'
import { kafka } from '../../src/adapters/kafka/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startLinkedKafka } from '../servers/linked-kafka.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { uniquePrefix } from '../support/contract.ts'
import { createTopic } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import type { Link } from '../support/link.ts'
import { realIo } from '../support/transport-stream.ts'
import { listOf } from '../../src/kit/list-of.ts'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

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
      pauses: [0, 1, 10, 50, 120, 400],
    }
    let partitions = 0
    await fc.assert(
      fc.asyncProperty(scenarios(options), async (scenario) => {
        partitions = (partitions % 3) + 1
        await play(scenario, await kafkaWorld(partitions))
      }),
      // Time is real here: a failure does not shrink, its path plays it again.
      { ...replayable(100), endOnFailure: true },
    )
  }, 400_000)

  async function kafkaWorld(partitions: number): Promise<World> {
    const topic = await createTopic(other, { partitions })
    const prefix = uniquePrefix()
    const heal = async (): Promise<void> => {
      await link.restore()
      link.release()
    }
    await heal()
    return {
      transport: kafka({
        url: `${link.url('kafka')}/${topic}`,
        livenessMs: LIVENESS_MS,
        connectTimeoutMs: LIVENESS_MS,
        commandTimeoutMs: LIVENESS_MS,
        transactionTimeoutMs: 1_000,
        fetchBytes: 1_024,
      }),
      clock: systemClock,
      // Short back-offs.
      agent: { random: () => Math.random() * 0.01, acceptTimeoutMs: 20, ackTimeoutMs: 100 },
      doneTimeoutMs: { change: 30, resync: 60 },
      prefix,
      write: (op) =>
        other.producer.send({
          topic,
          messages: [{ key: op.key, value: op.do === 'delete' ? null : op.value }],
        }),
      faults: {
        cut: () => link.drop(),
        'cut and hold': () => void link.cut(),
        hang: () => link.hold(),
        // Fetch is API 1, version 11.
        'fail list': () => link.onUpstream(Buffer.from([0, 1, 0, 11]), () => link.drop()),
        release: () => void heal(),
      },
      heal: () => void heal(),
      pass: (ms) => delay(ms),
      calm: { ms: 20, rounds: 1_000 },
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
