import { join } from 'node:path'
import { beforeAll, expect, it } from '@jest/globals'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startKafka } from '../servers/kafka-server.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { startRedis } from '../servers/redis.ts'
import { runCli, startCli } from '../support/cli.ts'
import { createTopic, otherProgram } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'

await describeWithKafka('datasync with Kafka', () => {
  let server: KafkaServer
  let other: OtherProgram

  beforeAll(async () => {
    server = await startKafka()
    other = await otherProgram(server.address)
  }, 180_000)

  async function keys(url: string): Promise<unknown[]> {
    return (await runCli(['ls', url, '/m/'])).records.map(({ key }) => key)
  }

  it('mirrors Redis into a topic, follows, ends with Ctrl-C; the topic into a folder, once', async () => {
    const source = await startRedis()
    await source.cli('MSET', '/m/a', '1', '/m/b', '2')
    const topic = await createTopic(other, { partitions: 3 })
    const url = `kafka://${server.address}/${topic}`
    await other.producer.send({ topic, messages: [{ key: '/m/stale', value: 'x' }] })
    const mirror = startCli(['mirror', source.url, url, '/m/'])
    await mirror.record(({ event }) => event === 'resynced')
    expect(await keys(url)).toEqual(['/m/a', '/m/b'])
    await source.cli('DEL', '/m/a')
    await source.cli('SET', '/m/c', '3')
    await waitFor(async () => (await keys(url)).join() === '/m/b,/m/c', { timeoutMs: 20_000 })
    expect((await mirror.kill('SIGINT'))?.code).toBe(0)
    const folder = `lmdb:${join(await tempDir('mirror'), 'store')}`
    expect((await runCli(['mirror', url, folder, '/m/', '--once'])).code).toBe(0)
    expect(await keys(folder)).toEqual(['/m/b', '/m/c'])
  }, 90_000)

  it('watches a topic: what is there, changes, Ctrl-C', async () => {
    const topic = await createTopic(other)
    const url = `kafka://${server.address}/${topic}`
    await other.producer.send({ topic, messages: [{ key: '/w/a', value: '1' }] })
    const watch = startCli(['watch', url, '/w/'])
    await watch.record(({ key }) => key === '/w/a')
    await other.producer.send({ topic, messages: [{ key: '/w/b', value: null }] })
    await other.producer.send({ topic, messages: [{ key: '/w/c', value: '' }] })
    await watch.record(({ key }) => key === '/w/c')
    expect(watch.records.some(({ key }) => key === '/w/b')).toBe(false)
    expect((await watch.kill('SIGINT'))?.code).toBe(0)
  }, 60_000)
})
