import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { isSyncError } from '../../src/index.ts'
import type { KafkaOptions } from '../../src/adapters/kafka/index.ts'
import { TransportUnavailableError } from '../../src/index.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startKafka } from '../servers/kafka-server.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { freePort } from '../support/free-port.ts'
import { createTopic, fill, otherProgram } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { commitTo, probeStream, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { Follower, LIVENESS_MS } from './kafka-follower.ts'

const followers: Follower[] = []
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.agent.close()))
})

async function follow(options: KafkaOptions): Promise<Follower> {
  const follower = new Follower(options)
  followers.push(follower)
  return follower.start()
}

await describeWithKafka('Kafka faults', () => {
  let server: KafkaServer
  let link: Link
  let other: OtherProgram

  beforeAll(async () => {
    const port = await freePort()
    link = await openLink({ port })
    server = await startKafka({
      // Clients that come through the link are told to stay there.
      listeners: [{ name: 'LINK', protocol: 'PLAINTEXT', port, advertisedPort: link.port }],
      // A killed broker comes back as soon as it is started.
      config: { 'broker.session.timeout.ms': '3000', 'broker.heartbeat.interval.ms': '500' },
    })
    other = await otherProgram(server.address)
  }, 180_000)
  afterEach(async () => {
    await link.restore()
    link.release()
    link.delay(0)
    link.trickle(Infinity)
  })

  const url = (topic: string): string => `${link.url('kafka')}/${topic}`
  const send = (topic: string, key: string, value: string | null): Promise<unknown> =>
    other.producer.send({ topic, messages: [{ key, value }] })

  it('the link is cut during the list', async () => {
    const topic = await createTopic(other)
    const pairs = await fill(other, topic, 5_000, 'old value')
    const hook = link.onDownstream(/old value/, async () => {
      await link.cut()
      await send(topic, '/f/0', 'new')
      await send(topic, '/f/1', null)
      await link.restore()
    })
    const follower = await follow({ url: url(topic) })
    await hook.matched
    const { '/f/1': _gone, ...rest } = pairs
    await follower.converges({ ...rest, '/f/0': 'new' })
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('changes and deletes while the link is cut: it goes on without RESYNC', async () => {
    const topic = await createTopic(other, { partitions: 3 })
    await fill(other, topic, 100, 'old')
    const follower = await follow({ url: url(topic) })
    for (let round = 0; round < 3; round++) {
      await link.cut()
      await waitFor(() => follower.state === 'stale')
      await send(topic, '/f/0', `round ${round}`)
      await send(topic, '/f/1', null)
      await send(topic, `/f/new ${round}`, 'x')
      await link.restore()
      await waitFor(() => follower.fold.get('/f/0') === `round ${round}`)
    }
    await waitFor(() => follower.fold.has('/f/new 2') && !follower.fold.has('/f/1'))
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.violations).toEqual([])
  })

  it('half-open: noticed within 2 × livenessMs, and what was missed arrives', async () => {
    const topic = await createTopic(other)
    await fill(other, topic, 10, 'old')
    const follower = await follow({ url: url(topic) })
    link.hold()
    const heldAt = performance.now()
    await send(topic, '/f/0', 'missed')
    await send(topic, '/f/1', null)
    await waitFor(() => follower.state === 'stale', { timeoutMs: 10 * LIVENESS_MS })
    expect(performance.now() - heldAt).toBeLessThan(2 * LIVENESS_MS + 250)
    await link.cut()
    await link.restore()
    link.release()
    await waitFor(() => follower.fold.get('/f/0') === 'missed' && !follower.fold.has('/f/1'))
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.violations).toEqual([])
  })

  it('away for longer than half of delete.retention.ms: a new list, as deletes may be lost', async () => {
    const topic = await createTopic(other, { config: { 'delete.retention.ms': '4000' } })
    const pairs = await fill(other, topic, 10, 'old')
    const follower = await follow({ url: url(topic) })
    await link.cut()
    const since = performance.now()
    await send(topic, '/f/0', null)
    await waitFor(() => performance.now() - since > 2_500)
    await link.restore()
    const { '/f/0': _gone, ...rest } = pairs
    await follower.converges(rest)
    expect(follower.resyncs).toEqual(['startup', 'compacted'])
  })

  it('a slow link: the list takes long, nobody gives up', async () => {
    const topic = await createTopic(other)
    const pairs = await fill(other, topic, 2_000, 'a value that is not so short')
    link.trickle(4_096, 40, 'down')
    const follower = await follow({ url: url(topic), livenessMs: 2_000, fetchBytes: 16_384 })
    await follower.converges(pairs)
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('a writer goes on all the time while the link is dropped again and again', async () => {
    const topic = await createTopic(other, { partitions: 2 })
    const follower = await follow({ url: url(topic) })
    const expected: Record<string, string> = {}
    for (let round = 0; round < 30; round++) {
      const key = `/f/${round % 7}`
      if (round % 5 === 4) {
        await send(topic, key, null)
        delete expected[key]
      } else {
        await send(topic, key, String(round))
        expected[key] = String(round)
      }
      if (round % 3 === 0) link.drop()
    }
    await follower.converges(expected)
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('the topic is deleted and made anew, empty', async () => {
    const topic = await createTopic(other)
    await fill(other, topic, 100, 'old')
    const follower = await follow({ url: url(topic) })
    await other.admin.deleteTopics({ topics: [topic] })
    await createTopic(other, { topic })
    await follower.converges({})
    await send(topic, '/f/0', 'after')
    await follower.converges({ '/f/0': 'after' })
    expect(follower.resyncs.length).toBe(2)
  })

  it('reads and writes go on in a topic that was made anew, without a stream', async () => {
    const topic = await createTopic(other)
    const { transport } = new Follower({ url: url(topic) })
    await transport.open(realIo())
    for (let i = 0; i < 10; i++) await commitTo(transport, put('/f/0', `${i}`))
    await other.admin.deleteTopics({ topics: [topic] })
    await createTopic(other, { topic })
    await send(topic, '/f/1', 'anew')
    const keys = async (): Promise<string[]> =>
      (await transport.get(['/f/0', '/f/1'], realIo())).map(({ key }) => key)
    await waitFor(async () => (await keys()).join() === '/f/1', { timeoutMs: 20_000 })
    await commitTo(transport, put('/f/2', 'ours'))
    expect((await transport.get(['/f/2'], realIo())).length).toBe(1)
    await transport.close()
  })

  it('close ends a stream that is open, and every connection', async () => {
    const topic = await createTopic(other)
    const { transport } = new Follower({ url: url(topic) })
    await transport.open(realIo())
    const probe = probeStream(transport, [''])
    await probe.untilListed()
    await commitTo(transport, put('/f/0', 'x'))
    await transport.close()
    await waitFor(() => probe.ended && link.connections === 0)
  })

  it('the topic is made anew and filled past the old offset, while the link is cut', async () => {
    const topic = await createTopic(other)
    await fill(other, topic, 100, 'old')
    const follower = await follow({ url: url(topic) })
    await link.cut()
    await waitFor(() => follower.state === 'stale')
    await other.admin.deleteTopics({ topics: [topic] })
    await createTopic(other, { topic })
    await fill(other, topic, 100, 'old')
    const { '/f/0': _gone, ...refilled } = await fill(other, topic, 90, 'refilled')
    await send(topic, '/f/0', null)
    const rest = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`/f/${90 + i}`, 'old']))
    await link.restore()
    await follower.converges({ ...rest, ...refilled })
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
  })

  it('the topic is made anew and filled past the old offset, live', async () => {
    const topic = await createTopic(other)
    await fill(other, topic, 20, 'old')
    const follower = await follow({ url: url(topic) })
    await other.admin.deleteTopics({ topics: [topic] })
    await createTopic(other, { topic })
    const refilled = await fill(other, topic, 15, 'refilled')
    await fill(other, topic, 15, 'refilled')
    await follower.converges(refilled)
    expect(follower.resyncs.at(-1)).not.toBe('startup')
  })

  it('partitions are added: a new list; of a key in two partitions the newer record counts', async () => {
    const topic = await createTopic(other)
    const pairs = await fill(other, topic, 50, 'old')
    const follower = await follow({ url: url(topic) })
    await other.admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    await waitFor(() => follower.resyncs.length === 2, { timeoutMs: 20_000 })
    const fresh = await otherProgram(server.address)
    const newer = await fill(fresh, topic, 40, 'newer')
    await follower.converges({ ...pairs, ...newer })
    // Deletes, too, and through the transport itself.
    await follower.agent.delete('/f/0')
    await follower.agent.put('/f/1', { serializeBinary: () => Buffer.from('ours') })
    const stored: Record<string, string> = { ...pairs, ...newer, '/f/1': 'ours' }
    const { '/f/0': _gone, ...rest } = stored
    await follower.converges(rest)
    const later = await follow({ url: url(topic) })
    await later.converges(rest)
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
  })

  it('a consumer that takes nothing for longer than any session loses nothing', async () => {
    const topic = await createTopic(other)
    const transport = new Follower({ url: url(topic), fetchBytes: 65_536 }).transport
    await transport.open(realIo())
    const io = realIo()
    const batches = transport.stream(['/f/'], undefined, io)[Symbol.asyncIterator]()
    await batches.next()
    const pairs = await fill(other, topic, 3_000, 'x'.repeat(100))
    // Three times the time after which a silent broker is given up.
    const since = performance.now()
    await waitFor(() => performance.now() - since > 3 * LIVENESS_MS)
    const seen = new Map<string, string>()
    await waitFor(async () => {
      const { value } = await batches.next()
      if (value?.kind === 'changes') {
        for (const change of value.changes) {
          if (change.type === 'put') {
            seen.set(change.pair.key, Buffer.from(change.pair.value).toString())
          }
        }
      }
      return seen.size === 3_000
    })
    expect(Object.fromEntries(seen)).toEqual(pairs)
    io.abort()
    await batches.return?.()
    await transport.close()
  })

  it('aborted transactions are never seen; markers at the end do not hold up the list', async () => {
    const topic = await createTopic(other)
    const pairs = await fill(other, topic, 10, 'plain')
    const producer = other.kafka.producer({
      transactionalId: `aborting-${topic}`,
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    const run = async (value: string, how: 'commit' | 'abort'): Promise<void> => {
      const transaction = await producer.transaction()
      await transaction.send({
        topic,
        messages: [
          { key: '/f/0', value },
          { key: '/f/t', value },
        ],
      })
      await transaction[how]()
    }
    await run('aborted', 'abort')
    await run('committed', 'commit')
    await run('aborted', 'abort')
    const follower = await follow({ url: url(topic) })
    await follower.converges({ ...pairs, '/f/0': 'committed', '/f/t': 'committed' })
    await run('aborted', 'abort')
    await run('later', 'commit')
    await run('aborted', 'abort')
    await follower.converges({ ...pairs, '/f/0': 'later', '/f/t': 'later' })
    expect(follower.changes).toBe(2)
    await producer.disconnect()
  })

  it('an open transaction holds back what comes behind it, until it ends', async () => {
    const topic = await createTopic(other)
    const producer = other.kafka.producer({ transactionalId: `open-${topic}`, idempotent: true })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ key: '/f/t', value: 'x' }] })
    await send(topic, '/f/0', 'behind')
    const follower = await follow({ url: url(topic) })
    await follower.converges({})
    const written = follower.agent.put('/f/1', { serializeBinary: () => Buffer.from('ours') })
    await written
    const read = follower.agent.get('/f/1')
    await transaction.abort()
    expect(Buffer.from((await read)?.bytes ?? []).toString()).toBe('ours')
    await follower.converges({ '/f/0': 'behind', '/f/1': 'ours' })
    await producer.disconnect()
  })

  it('the answer to a commit is lost: outcome unknown, and all or nothing is stored', async () => {
    const topic = await createTopic(other)
    const follower = await follow({ url: url(topic), commandTimeoutMs: 2_000 })
    await follower.agent.put('/f/0', { serializeBinary: () => Buffer.from('before') })
    // EndTxn is API 26, version 1.
    const hook = link.onUpstream(Buffer.from([0, 26, 0, 1]), () => link.drop())
    const failure = await commitTo(
      follower.transport,
      put('/f/0', 'txn'),
      put('/f/1', 'txn'),
    ).catch((error: unknown) => error)
    await hook.matched
    expect(failure).toBeInstanceOf(TransportUnavailableError)
    expect((failure as TransportUnavailableError).outcome).toBe('unknown')
    await commitTo(follower.transport, put('/f/2', 'later'))
    await waitFor(() => follower.fold.get('/f/2') === 'later', { timeoutMs: 20_000 })
    const both = [follower.fold.get('/f/0'), follower.fold.get('/f/1')]
    expect([
      ['txn', 'txn'],
      ['before', undefined],
    ]).toContainEqual(both)
    expect(follower.violations).toEqual([])
  })

  it('the answer to a put is lost: outcome unknown, applied once at most; never left: not-applied', async () => {
    const topic = await createTopic(other)
    const follower = await follow({ url: url(topic), commandTimeoutMs: 2_000 })
    await follower.agent.put('/f/0', { serializeBinary: () => Buffer.from('before') })
    const hook = link.onUpstream(/lost value/, () => link.drop())
    const lost = await commitTo(follower.transport, put('/f/1', 'lost value')).catch(
      (error: unknown) => error,
    )
    await hook.matched
    expect(isSyncError(lost, 'SYNC_UNAVAILABLE')).toBe(true)
    expect((lost as TransportUnavailableError).outcome).toBe('unknown')
    await link.cut()
    const refused = await commitTo(follower.transport, put('/f/2', 'never left')).catch(
      (error: unknown) => error,
    )
    expect((refused as TransportUnavailableError).outcome).toBe('not-applied')
    await link.restore()
    await send(topic, '/f/3', 'end')
    await waitFor(() => follower.fold.get('/f/3') === 'end', { timeoutMs: 20_000 })
    expect(follower.fold.has('/f/2')).toBe(false)
    const [offsets] = await other.admin.fetchTopicOffsets(topic)
    expect(['2', '3']).toContain(offsets?.high)
  })

  it('the broker is killed by SIGKILL and started again: nothing is lost', async () => {
    const topic = await createTopic(other)
    const pairs = await fill(other, topic, 200, 'kept')
    const follower = await follow({ url: url(topic) })
    await server.kill('SIGKILL')
    await waitFor(() => follower.state === 'stale')
    await server.start()
    await waitFor(() => send(topic, '/f/0', 'after').then(() => true), { timeoutMs: 60_000 })
    await follower.converges({ ...pairs, '/f/0': 'after' }, 60_000)
    await commitTo(follower.transport, put('/f/1', 'ours'))
    await follower.converges({ ...pairs, '/f/0': 'after', '/f/1': 'ours' })
  })
})

await describeWithKafka('Kafka without coordinators', () => {
  it('watch, read and write need none; a transaction says that it was not applied', async () => {
    const server = await startKafka({
      // Their topics cannot be made with one broker.
      config: {
        'offsets.topic.replication.factor': '3',
        'transaction.state.log.replication.factor': '3',
      },
    })
    const other = await otherProgram(server.address)
    const topic = await createTopic(other)
    const follower = await follow({ url: `kafka://${server.address}/${topic}` })
    await follower.agent.put('/f/0', { serializeBinary: () => Buffer.from('x') })
    await follower.converges({ '/f/0': 'x' })
    const failure = await commitTo(
      follower.transport,
      put('/f/1', 'txn'),
      put('/f/2', 'txn'),
    ).catch((error: unknown) => error)
    expect((failure as TransportUnavailableError).outcome).toBe('not-applied')
    const probe = probeStream(follower.transport, ['/f/'])
    await probe.untilListed()
    expect([...probe.state.keys()]).toEqual(['/f/0'])
    await probe.stop()
  })
})
