import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { kafka, msgsync } from '../../src/adapters/kafka/index.ts'
import type { KafkaTransport, TopicMessage } from '../../src/adapters/kafka/index.ts'
import { isSyncError, raw, TimeoutError } from '../../src/index.ts'
import type { TransportUnavailableError } from '../../src/index.ts'
import type { Op } from '../../src/api/transport.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startLinkedKafka } from '../servers/linked-kafka.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { createTopic, fill, uniqueTopic } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import type { Link } from '../support/link.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

await describeWithKafka('Kafka: what became of a write', () => {
  let server: KafkaServer
  let link: Link
  let other: OtherProgram

  beforeAll(async () => {
    ;({ server, link, other } = await startLinkedKafka())
  }, 180_000)
  afterEach(async () => {
    await link.restore()
    link.release()
  })

  async function open(topic: string): Promise<KafkaTransport> {
    const transport = kafka({ url: `${link.url('kafka')}/${topic}` })
    opened.push(transport)
    await transport.open(realIo())
    return transport
  }

  const within = (transport: KafkaTransport, timeoutMs: number, ...ops: Op[]): Promise<unknown> =>
    transport.commit(ops, { waitFor: 'stored', timeoutMs }, realIo()).catch((e: unknown) => e)

  const written = async (topic: string): Promise<number> => {
    const offsets = await other.admin.fetchTopicOffsets(topic)
    return offsets.reduce((sum, { high }) => sum + Number(high), 0)
  }

  it('a put whose time is over before there was a connection is not sent later', async () => {
    const topic = await createTopic(other)
    const transport = await open(topic)
    link.hold()
    const failure = await within(transport, 300, put('/k', 'late'))
    expect(failure).toBeInstanceOf(TimeoutError)
    expect((failure as TimeoutError).outcome).toBe('not-applied')
    link.release()
    await waitFor(() => commitTo(transport, put('/k', 'next')).then(() => true))
    expect(await written(topic)).toBe(1)
  })

  it('a transaction whose time is over while it is filled is not committed later', async () => {
    const topic = await createTopic(other)
    const transport = await open(topic)
    await commitTo(transport, put('/a', 'before'), put('/b', 'before'))
    // The records, not yet the end of the transaction.
    const hook = link.onUpstream(/too late/, () => link.hold())
    const failing = within(transport, 500, put('/a', 'too late'), put('/b', 'too late'))
    await hook.matched
    const failure = await failing
    expect((failure as TimeoutError).outcome).toBe('not-applied')
    link.release()
    await commitTo(transport, put('/c', 'next'), put('/d', 'next'))
    const pairs = await transport.get(['/a', '/b', '/c'], realIo())
    expect(pairs.map(({ value }) => Buffer.from(value).toString())).toEqual([
      'before',
      'before',
      'next',
    ])
  })

  it('after a topic is made anew reads wait for nothing that is gone', async () => {
    const topic = await createTopic(other)
    const transport = await open(topic)
    for (let i = 0; i < 5; i++) await commitTo(transport, put('/k', `${i}`))
    await other.admin.deleteTopics({ topics: [topic] })
    await createTopic(other, { topic })
    await fill(other, topic, 1, 'anew')
    await waitFor(async () => {
      const pairs = await transport.get(['/f/0', '/k'], realIo()).catch(() => [])
      return pairs.length === 1 && pairs[0]?.key === '/f/0'
    })
  }, 30_000)

  it('a topic that is made later is found', async () => {
    const topic = uniqueTopic()
    const publisher = msgsync({ url: `${link.url('kafka')}/${topic}` })
    opened.push(publisher)
    const refused = await publisher.open().catch((error: unknown) => error)
    expect(isSyncError(refused, 'SYNC_INVALID_OPTION')).toBe(true)
    await createTopic(other, { topic })
    await publisher.open()
    const result = await new Promise((resolve) => {
      publisher
        .publish(
          (async function* () {
            yield { key: 'k', message: raw(Buffer.from('v')) }
          })(),
        )
        .subscribe(resolve)
    })
    expect(result).toMatchObject({ ok: true, offset: 0 })
  })

  it('reads do not wait for a consumer that takes nothing', async () => {
    const topic = await createTopic(other)
    const transport = await open(topic)
    const io = realIo()
    const batches = transport.stream([''], undefined, io)[Symbol.asyncIterator]()
    for (let next = await batches.next(); next.value?.kind !== 'listed';) {
      next = await batches.next()
    }
    await batches.next()
    for (let i = 0; i < 3; i++) await commitTo(transport, put('/k', `${i}`))
    const pairs = await transport.get(['/k'], realIo())
    expect(pairs.map(({ version }) => version)).toEqual(['0:2'])
    io.abort()
    await batches.return?.()
  }, 20_000)

  it('a publisher waits for a broker that is killed and started again: what was not sent is sent then', async () => {
    const topic = await createTopic(other)
    const publisher = msgsync({
      url: `kafka://${server.address}/${topic}`,
      batchMessages: 10,
      maxInFlight: 100,
    })
    opened.push(publisher)
    await publisher.open()
    const outcomes: string[] = []
    let over = false
    async function* messages(): AsyncGenerator<TopicMessage> {
      for (let i = 0; !over; i++) {
        yield { key: `k${i % 7}`, message: raw(Buffer.from(String(i))) }
      }
    }
    const done = new Promise<void>((resolve, reject) => {
      publisher.publish(messages()).subscribe({
        next: (result) => {
          const error = result.ok ? undefined : (result.error as TransportUnavailableError)
          outcomes.push(error?.outcome ?? 'applied')
        },
        complete: resolve,
        error: reject,
      })
    })
    await waitFor(() => outcomes.length > 200)
    await server.kill('SIGKILL')
    await server.start()
    const before = outcomes.length
    await waitFor(() => outcomes.length > before + 500, { timeoutMs: 60_000 })
    over = true
    await done
    const lines = await server.consumed(topic, { idleMs: 5_000 })
    const numbers = lines.map(Number)
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
    const stored = new Set(numbers)
    const lost = outcomes.flatMap((of, i) => (of === 'applied' && !stored.has(i) ? [i] : []))
    expect(lost).toEqual([])
    // Requests that were under way, one at a time.
    expect(outcomes.filter((of) => of !== 'applied').length).toBeLessThanOrEqual(50)
  }, 120_000)
})
