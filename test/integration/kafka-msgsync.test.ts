import { beforeAll, expect, it } from '@jest/globals'
import { from, lastValueFrom, range, Subject, toArray } from 'rxjs'
import { map } from 'rxjs/operators'
import { msgsync } from '../../src/adapters/kafka/index.ts'
import type { MsgsyncOptions, TopicMessage, TopicResult } from '../../src/adapters/kafka/index.ts'
import { isSyncError, raw } from '../../src/index.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startLinkedKafka } from '../servers/linked-kafka.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { freePort } from '../support/free-port.ts'
import { createTopic } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import type { Link } from '../support/link.ts'
import { waitFor } from '../support/wait-for.ts'

await describeWithKafka('msgsync', () => {
  let server: KafkaServer
  let link: Link
  let other: OtherProgram

  beforeAll(async () => {
    ;({ server, link, other } = await startLinkedKafka())
  }, 180_000)

  const options = (topic: string): MsgsyncOptions => ({ url: `${link.url('kafka')}/${topic}` })
  const text = (value: string): TopicMessage['message'] => raw(Buffer.from(value))

  /** Everything in the topic, as Kafka's own consumer shows it. */
  const consumed = (topic: string, count: number): Promise<string[]> =>
    server.consumed(topic, { show: ['key', 'headers'], count })

  it('sends what an Observable gives: one result per message, in order, with keys and headers', async () => {
    const topic = await createTopic(other, { partitions: 3 })
    await using publisher = msgsync(options(topic))
    await publisher.open()
    const messages = range(0, 1_000).pipe(
      map((i): TopicMessage => ({
        key: `k${i % 10}`,
        message: text(`v${i}`),
        headers: { n: `${i}` },
      })),
    )
    const results = await lastValueFrom(publisher.publish(messages).pipe(toArray()))
    expect(results.every(({ ok }) => ok)).toBe(true)
    expect(results.map(({ key }) => key)).toEqual(
      Array.from({ length: 1_000 }, (_, i) => `k${i % 10}`),
    )
    const lines = await consumed(topic, 1_000)
    for (let k = 0; k < 10; k++) {
      const values = lines.filter((line) => line.includes(`\tk${k}\t`))
      expect(values).toEqual(
        Array.from({ length: 100 }, (_, i) => `n:${10 * i + k}\tk${k}\tv${10 * i + k}`),
      )
    }
  })

  it('a message that fails is a result, and no other one', async () => {
    const topic = await createTopic(other, { config: { 'max.message.bytes': '20000' } })
    await using publisher = msgsync(options(topic))
    const messages: TopicMessage[] = [
      { key: 'a', message: text('1') },
      { key: 'b', message: text('x'.repeat(30_000)) },
      { key: 'c', message: text('2'), partition: 7 },
      {
        key: 'd',
        message: {
          serializeBinary: () => {
            throw new Error('cannot')
          },
        },
      },
      { key: 'a', message: null },
      { message: text('without a key'), partition: 0 },
    ]
    await expectOutcomes(publisher.publish(from(messages.slice(0, 5))), [
      'ok',
      'SYNC_PAYLOAD_TOO_LARGE',
      'SYNC_INVALID_OPTION',
      'Error: cannot',
      'ok',
    ])
    const plain = await createTopic(other, { config: { 'cleanup.policy': 'delete' } })
    await using keyless = msgsync(options(plain))
    await expectOutcomes(keyless.publish(from(messages.slice(5))), ['ok'])
  })

  async function expectOutcomes(
    results$: ReturnType<ReturnType<typeof msgsync>['publish']>,
    expected: readonly string[],
  ): Promise<void> {
    const results = await lastValueFrom(results$.pipe(toArray()))
    expect(results.map(outcome)).toEqual(expected)
  }

  it('pulls an AsyncIterable no faster than results come', async () => {
    const topic = await createTopic(other)
    await using publisher = msgsync({ ...options(topic), maxInFlight: 10 })
    let pulled = 0
    let done = 0
    async function* inputs(): AsyncGenerator<TopicMessage> {
      for (; pulled < 500; pulled++) yield { key: `k${pulled}`, message: text('x') }
    }
    link.hold('down')
    const finished = new Promise<void>((resolve) => {
      publisher.publish(inputs()).subscribe({ next: () => done++, complete: resolve })
    })
    await waitFor(() => pulled >= 10)
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(pulled).toBeLessThanOrEqual(11)
    link.release()
    await finished
    expect(done).toBe(500)
  })

  it('queues an Observable to a limit; what is beyond fails with OverflowError, in its place', async () => {
    const topic = await createTopic(other)
    await using publisher = msgsync({ ...options(topic), maxInFlight: 5, queueLimit: 10 })
    const subject = new Subject<TopicMessage>()
    const results: TopicResult[] = []
    const finished = new Promise<void>((resolve) => {
      publisher
        .publish(subject)
        .subscribe({ next: (result) => results.push(result), complete: resolve })
    })
    for (let i = 0; i < 20; i++) subject.next({ key: `k${i}`, message: text('x') })
    subject.complete()
    await finished
    expect(results.map(({ key }) => key)).toEqual(Array.from({ length: 20 }, (_, i) => `k${i}`))
    expect(results.map(outcome)).toEqual([
      ...Array.from({ length: 15 }, () => 'ok'),
      ...Array.from({ length: 5 }, () => 'SYNC_OVERFLOW'),
    ])
  })

  it('the link is dropped again and again: nothing acknowledged is missing, nothing is there twice', async () => {
    const topic = await createTopic(other, { config: { 'cleanup.policy': 'delete' } })
    await using publisher = msgsync({
      ...options(topic),
      lingerMs: 1,
      batchMessages: 20,
      maxInFlight: 100,
    })
    let n = 0
    async function* inputs(): AsyncGenerator<TopicMessage> {
      for (; n < 2_000; n++) {
        if (n % 250 === 100) link.drop()
        yield { key: 'k', message: text(`v${n}`) }
      }
    }
    const results = await lastValueFrom(publisher.publish(inputs()).pipe(toArray()))
    const acknowledged = results.flatMap((result, i) => (result.ok ? [`v${i}`] : []))
    expect(acknowledged.length).toBeGreaterThan(1_000)
    const [{ high } = { high: '0' }] = await other.admin.fetchTopicOffsets(topic)
    const lines = await consumed(topic, Number(high))
    const values = lines.map((line) => line.split('\t').at(-1) ?? '')
    expect(new Set(values).size).toBe(values.length)
    const stored = new Set(values)
    expect(acknowledged.filter((value) => !stored.has(value))).toEqual([])
    expect(values).toEqual([...values].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))))
  })

  it('open says what waiting cannot mend; close ends everything', async () => {
    const missing = msgsync(options('no-such-topic'))
    await expect(missing.open()).rejects.toMatchObject({ code: 'SYNC_INVALID_OPTION' })
    await missing.close()
    expect(() => msgsync({ topic: 't', url: 'http://x' })).toThrow('url')
    expect(() => msgsync({ url: 'kafka://x' })).toThrow('topic')
    const unreachable = msgsync({ url: `kafka://127.0.0.1:${await freePort()}/t` })
    await unreachable.open()
    await unreachable.close()
    const results = await lastValueFrom(
      unreachable.publish(from([{ key: 'a', message: text('x') }])).pipe(toArray()),
    )
    expect(results.map(outcome)).toEqual(['SYNC_CLOSED'])
    await expect(unreachable.open()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await waitFor(() => link.connections === 0)
  })
})

function outcome(result: TopicResult): string {
  if (result.ok) return 'ok'
  return isSyncError(result.error) ? result.error.code : String(result.error)
}
