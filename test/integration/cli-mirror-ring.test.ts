import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startEtcd } from '../servers/etcd.ts'
import { startKafka } from '../servers/kafka-server.ts'
import { startRedis } from '../servers/redis.ts'
import { runCli } from '../support/cli.ts'
import { createTopic, otherProgram } from '../support/kafka-topics.ts'
import { tempDir } from '../support/temp-dir.ts'

await describeWithKafka('datasync mirror, from store to store', () => {
  it('carries the same data from each to each', async () => {
    const [redis, etcd, kafka] = await Promise.all([startRedis(), startEtcd(), startKafka()])
    const other = await otherProgram(kafka.address)
    const topic = async (): Promise<string> =>
      `kafka://${kafka.address}/${await createTopic(other, { partitions: 2 })}`
    const folder = async (): Promise<string> => `lmdb:${join(await tempDir('ring'), 'store')}`
    await redis.cli('MSET', '/m/a', '1', '/m/ü *', '', '/m/c', '3', '/other', 'x')
    const contents = async (url: string): Promise<unknown[]> => {
      const { records } = await runCli(['ls', url, '/m/', '--values'])
      return records.map(({ key, value, valueBase64 }) => [key, value ?? valueBase64 ?? ''])
    }
    const expected = await contents(redis.url)
    expect(expected).toHaveLength(3)
    const ring = [redis.url, await topic(), etcd.url, await topic(), await folder(), redis.url]
    for (const [i, source] of ring.slice(0, -1).entries()) {
      const target = ring[i + 1] as string
      const { code, stderr } = await runCli(['mirror', source, target, '/m/', '--once'])
      expect({ source, target, code, stderr: code === 0 ? '' : stderr }).toMatchObject({ code: 0 })
      expect(await contents(target)).toEqual(expected)
    }
    // What vanished in the first vanishes in the next; the keys beside are nobody's business.
    await redis.cli('DEL', '/m/a')
    expect((await runCli(['mirror', redis.url, etcd.url, '/m/', '--once'])).code).toBe(0)
    expect(await contents(etcd.url)).toEqual(await contents(redis.url))
    expect(await redis.cli('GET', '/other')).toBe('x')
  }, 120_000)
})
