import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { Partitioners } from 'kafkajs'
import { kafka } from '../../src/adapters/kafka/index.ts'
import type { KafkaTransport } from '../../src/adapters/kafka/index.ts'
import { Agent } from '../../src/index.ts'
import type { Checkpoint } from '../../src/index.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startKafka } from '../servers/kafka-server.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { createTopic, fill, otherProgram } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import { commitTo, probeStream, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { listOf } from '../../src/kit/list-of.ts'
import { Follower } from './kafka-follower.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

await describeWithKafka('Kafka: what the log cleaner and new partitions leave', () => {
  let server: KafkaServer
  let other: OtherProgram

  beforeAll(async () => {
    // This version takes segments of any size.
    server = await startKafka({
      version: '3.9.2',
      config: { 'log.cleaner.backoff.ms': '200', 'log.segment.delete.delay.ms': '100' },
    })
    other = await otherProgram(server.address)
  }, 180_000)

  async function open(topic: string): Promise<KafkaTransport> {
    const transport = kafka({ url: `kafka://${server.address}/${topic}` })
    opened.push(transport)
    await transport.open(realIo())
    return transport
  }

  it('a segment of batches without records, which producers left, hides nothing behind it', async () => {
    const topic = await createTopic(other, {
      config: {
        'segment.bytes': '250',
        'min.cleanable.dirty.ratio': '0.01',
        'min.compaction.lag.ms': '0',
      },
    })
    const value = 'x'.repeat(150)
    const early = await open(topic)
    const probe = probeStream(early, [''])
    await probe.untilListed()
    // Each producer's last batch stays, though its record is gone.
    for (let i = 0; i < 6; i++) {
      const producer = other.kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        createPartitioner: Partitioners.DefaultPartitioner,
      })
      await producer.connect()
      await producer.send({ topic, messages: [{ key: '/k', value: `${i}${value}` }] })
      await producer.disconnect()
    }
    await other.producer.send({ topic, messages: [{ key: '/other', value: 'other' }] })
    await waitFor(
      async () => {
        const lines = await server.consumed(topic, { idleMs: 2_000 })
        return lines.length <= 3
      },
      { timeoutMs: 60_000 },
    )
    const late = await open(topic)
    const second = probeStream(late, [''])
    await second.untilListed()
    expect([...second.state.keys()].sort()).toEqual(['/k', '/other'])
    expect(second.state.get('/k')).toBe(`5${value}`)
    expect(new Set(probe.state)).toEqual(new Set(second.state))
    const reader = await open(topic)
    const read = await reader.get(['/k', '/other'], realIo())
    expect(read.map(({ key }) => key)).toEqual(['/k', '/other'])
  }, 120_000)

  it('a checkpoint of a grown topic: a put of a key that lay elsewhere is not lost', async () => {
    const topic = await createTopic(other)
    const pairs = await fill(other, topic, 50, 'old')
    await other.admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    const first = new Agent({ transport: kafka({ url: `kafka://${server.address}/${topic}` }) })
    opened.push(first)
    const registration = first.watch('first', '/f/')
    registration.handle({ resync: () => {}, change: () => {} })
    await first.start()
    const checkpoint = JSON.parse(JSON.stringify(registration.checkpoint())) as Checkpoint
    await first.close()
    const next = await open(topic)
    for (const key of Object.keys(pairs)) await commitTo(next, put(key, 'new'))
    const second = new Agent({ transport: kafka({ url: `kafka://${server.address}/${topic}` }) })
    opened.push(second)
    const fold = new Map<string, string>()
    second.watch('second', '/f/', { resume: checkpoint }).handle({
      resync: (event) => {
        fold.clear()
        for (const { key, bytes } of event.values.get('/f/') ?? []) {
          fold.set(key, Buffer.from(bytes).toString())
        }
      },
      change: (event) => {
        if (event.changeType === 'put') fold.set(event.key, Buffer.from(event.bytes).toString())
        else fold.delete(event.key)
      },
    })
    await second.start()
    await waitFor(() => [...fold.values()].filter((value) => value === 'new').length === 50, {
      timeoutMs: 10_000,
    })
  }, 60_000)

  it('programs that partition in other ways, and growth: the fold is what a list gives', async () => {
    for (const partitions of [1, 3]) {
      const topic = await createTopic(other, { partitions })
      const url = `kafka://${server.address}/${topic}`
      const stranger = other.kafka.producer({
        createPartitioner:
          () =>
          ({ partitionMetadata }) =>
            Math.floor(Math.random() * partitionMetadata.length),
        metadataMaxAge: 300,
      })
      await stranger.connect()
      const follower = new Follower({ url, fetchBytes: 1_024 })
      opened.push(follower.agent)
      await follower.start()
      for (let round = 0; round < 60; round++) {
        const messages = Array.from({ length: 1 + (round % 5) }, (_, i) => ({
          key: `/f/${Math.floor(Math.random() * 8)}`,
          value: Math.random() < 0.3 ? null : `${round}.${i}`,
          timestamp: String(Date.now() - Math.floor(Math.random() * 50)),
        }))
        const { producer } = round % 2 === 0 ? { producer: stranger } : other
        await producer.send({ topic, messages })
        if (round === 20) {
          await other.admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
        }
      }
      const reader = await open(topic)
      const stored: Record<string, string> = {}
      for await (const page of listOf(reader, '/f/', realIo())) {
        for (const { key, value } of page) stored[key] = Buffer.from(value).toString()
      }
      await follower.converges(stored)
      await stranger.disconnect()
    }
  }, 90_000)
})
