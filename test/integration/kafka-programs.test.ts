import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { kafka } from '../../src/adapters/kafka/index.ts'
import type { KafkaOptions, KafkaTransport } from '../../src/adapters/kafka/index.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startKafka } from '../servers/kafka-server.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { KAFKA_VERSIONS } from '../servers/provision-kafka.ts'
import { createTopic, otherProgram } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import { commitTo, probeStream, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const opened: KafkaTransport[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()))
})

async function open(options: KafkaOptions): Promise<KafkaTransport> {
  const transport = kafka(options)
  opened.push(transport)
  await transport.open(realIo())
  return transport
}

for (const version of KAFKA_VERSIONS) {
  await describeWithKafka(`Kafka ${version} and other programs`, () => {
    let server: KafkaServer
    let other: OtherProgram

    beforeAll(async () => {
      // A group would cost its three seconds here.
      server = await startKafka({
        version,
        config: {
          'group.initial.rebalance.delay.ms': '3000',
          'log.cleaner.backoff.ms': '100',
          'log.cleaner.min.cleanable.ratio': '0.01',
        },
      })
      other = await otherProgram(server.address)
    }, 180_000)

    const url = (topic: string): string => `kafka://${server.address}/${topic}`

    it("Kafka's console producer: keys and values arrive; what we put its consumer reads, in the same partitions", async () => {
      const topic = await createTopic(other, { partitions: 5 })
      const transport = await open({ url: url(topic) })
      const probe = probeStream(transport, ['/'])
      await probe.untilListed()
      const keys = ['/a/1', '/a/ü', '/b/😀', '/c/x y', '/d', '/e', '/f']
      const producer =
        version === '3.9.2'
          ? 'kafka.tools.ConsoleProducer'
          : 'org.apache.kafka.tools.ConsoleProducer'
      const settings = ['--property', 'parse.key=true', '--property', 'key.separator==']
      await server.tool(
        producer,
        ['--bootstrap-server', server.address, '--topic', topic, ...settings],
        {
          input: keys.map((key) => `${key}=by Java ${keys.indexOf(key)}\n`).join(''),
        },
      )
      await probe.until((state) =>
        keys.every((key) => state.get(key) === `by Java ${keys.indexOf(key)}`),
      )
      // Deletes by Java's clients, and ours of what Java wrote, meet in one partition.
      for (const key of keys) await commitTo(transport, put(key, `ours ${keys.indexOf(key)}`))
      await probe.until((state) =>
        keys.every((key) => state.get(key) === `ours ${keys.indexOf(key)}`),
      )
      expect(transport.skipped).toEqual({ keys: 0, stranded: 0 })
      const printed = await server.consumed(topic, {
        show: ['key', 'partition'],
        count: 2 * keys.length,
      })
      const partitions = new Map<string, Set<string>>()
      for (const key of keys) {
        const lines = printed.filter((line) => line.includes(`\t${key}\t`))
        expect(lines.map((line) => line.split('\t').at(-1))).toEqual([
          `by Java ${keys.indexOf(key)}`,
          `ours ${keys.indexOf(key)}`,
        ])
        partitions.set(key, new Set(lines.map((line) => line.split('\t')[0] ?? '')))
      }
      expect([...partitions.values()].map(({ size }) => size)).toEqual(keys.map(() => 1))
      await probe.stop()
    })

    it('a start takes no rebalance, and leaves no group behind', async () => {
      const topic = await createTopic(other, { partitions: 3 })
      const before = await other.admin.listGroups()
      const begunAt = performance.now()
      const transport = await open({ url: url(topic) })
      const probe = probeStream(transport, [''])
      await probe.untilListed()
      expect(performance.now() - begunAt).toBeLessThan(2_500)
      await commitTo(transport, put('/a', 'x'), put('/b', 'x'))
      await probe.until((state) => state.size === 2)
      expect(await other.admin.listGroups()).toEqual(before)
      await probe.stop()
      await transport.close()
      expect(await other.admin.listGroups()).toEqual(before)
    })

    it('zero bytes are a value, no value is a delete; keys that are none are skipped and counted', async () => {
      const topic = await createTopic(other)
      const long = 'x'.repeat(1_025)
      const messages = [
        { key: '/empty', value: Buffer.alloc(0) },
        { key: '/gone', value: 'x' },
        { key: '/gone', value: null },
        { key: Buffer.from([0x2f, 0xff]), value: 'not UTF-8' },
        { key: Buffer.alloc(0), value: 'empty key' },
        { key: long, value: 'long key' },
      ]
      await other.producer.send({ topic, messages })
      const transport = await open({ url: url(topic) })
      const probe = probeStream(transport, [''])
      await probe.untilListed()
      expect([...probe.state]).toEqual([['/empty', '']])
      expect(transport.skipped.keys).toBe(3)
      await commitTo(transport, put('/empty', ''))
      await commitTo(transport, { type: 'delete', key: '/empty' })
      await probe.until((state) => state.size === 0)
      expect(probe.history('/empty')).toEqual(['', '', undefined])
      await probe.stop()
    })

    it('compaction leaves gaps, also before the end: list, resume and reads get over them', async () => {
      const config = {
        'segment.bytes': '1048576',
        'min.cleanable.dirty.ratio': '0.01',
        'segment.ms': '100',
      }
      const topic = await createTopic(other, { config })
      const value = 'x'.repeat(1_000)
      for (let round = 0; round < 8; round++) {
        const messages = Array.from({ length: 500 }, (_, i) => ({
          key: `/k/${i % 50}`,
          value: `${round}${value}`,
        }))
        await other.producer.send({ topic, messages })
      }
      const count = async (): Promise<number> =>
        (await server.consumed(topic, { idleMs: 3_000 })).length
      await waitFor(async () => (await count()) < 4_000, { timeoutMs: 60_000 })
      const transport = await open({ url: url(topic), fetchBytes: 4_096 })
      const probe = probeStream(transport, [''])
      await probe.untilListed()
      expect(probe.state.size).toBe(50)
      expect([...probe.state.values()].every((text) => text.startsWith('7'))).toBe(true)
      const read = await transport.get(['/k/0', '/k/none'], realIo())
      expect(read.map(({ key }) => key)).toEqual(['/k/0'])
      await probe.stop()
      const alone = await transport.get(['/k/49'], realIo())
      expect(Buffer.from(alone[0]?.value ?? []).toString()).toBe(`7${value}`)
    })

    it('a version names the record: partition and offset', async () => {
      const topic = await createTopic(other)
      const transport = await open({ url: url(topic) })
      const first = await commitTo(transport, put('/a', '1'))
      const both = await commitTo(transport, put('/a', '2'), put('/b', '1'))
      expect(first.versions).toEqual(['0:0'])
      expect(both.versions).toEqual(['0:1', '0:2'])
      const [pair] = await transport.get(['/b'], realIo())
      expect(pair).toMatchObject({ version: '0:2', revision: 2 })
    })
  })
}
