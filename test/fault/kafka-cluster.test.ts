import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { kafka } from '../../src/adapters/kafka/index.ts'
import { TransportUnavailableError } from '../../src/index.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startKafkaCluster } from '../servers/kafka-cluster.ts'
import type { KafkaCluster } from '../servers/kafka-cluster.ts'
import { createTopic, otherProgram } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { Follower } from './kafka-follower.ts'

const followers: Follower[] = []
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.agent.close()))
})

await describeWithKafka('Kafka faults, three brokers', () => {
  let cluster: KafkaCluster
  let other: OtherProgram

  beforeAll(async () => {
    cluster = await startKafkaCluster({
      config: { 'broker.session.timeout.ms': '3000', 'broker.heartbeat.interval.ms': '500' },
    })
    other = await otherProgram(cluster.addresses)
  }, 240_000)

  it('the leader is killed under a write load: nothing acknowledged is lost, nothing comes twice', async () => {
    const topic = await createTopic(other, {
      partitions: 3,
      replicationFactor: 3,
      config: { 'min.insync.replicas': '2' },
    })
    const follower = new Follower({ brokers: cluster.addresses.split(','), topic })
    followers.push(follower)
    await follower.start()
    const leader = async (): Promise<number> => {
      const { topics } = await other.admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0]?.partitions.find(({ partitionId }) => partitionId === 0)?.leader ?? -1
    }
    const killed = await leader()
    const expected: Record<string, string> = {}
    const doubtful = new Set<string>()
    let refused = 0
    // Until it was written again without an error, a key's value may be either.
    const write = async (key: string, value: string): Promise<void> => {
      try {
        await commitTo(follower.transport, put(key, value))
        expected[key] = value
        doubtful.delete(key)
      } catch (error) {
        refused++
        if (!(error instanceof TransportUnavailableError)) throw error
        if (error.outcome === 'unknown') doubtful.add(key)
      }
    }
    for (let round = 0; round < 400; round++) {
      await Promise.all(Array.from({ length: 5 }, (_, i) => write(`/f/${i}`, `${round}`)))
      if (round === 50) await cluster.server(killed).kill('SIGKILL')
    }
    // The other brokers lead now.
    await waitFor(
      async () => {
        await Promise.all(Array.from({ length: 5 }, (_, i) => write(`/f/${i}`, 'last')))
        return doubtful.size === 0 && Object.values(expected).every((value) => value === 'last')
      },
      { timeoutMs: 60_000 },
    )
    await follower.converges(expected, 60_000)
    expect(refused).toBeGreaterThan(0)
    expect(await leader()).not.toBe(killed)
    expect(follower.resyncs).toEqual(['startup'])
    // Transactions, whose coordinator may have been the dead broker.
    await waitFor(
      () =>
        commitTo(follower.transport, put('/f/0', 'txn'), put('/f/9', 'txn')).then(
          () => true,
          () => false,
        ),
      { timeoutMs: 60_000 },
    )
    await follower.converges({ ...expected, '/f/0': 'txn', '/f/9': 'txn' }, 60_000)
  })

  it('the leader moves again and again under a write load: no write twice, each outcome true', async () => {
    const topic = await createTopic(other, { replicationFactor: 3 })
    const transport = kafka({ brokers: cluster.addresses.split(','), topic })
    await transport.open(realIo())
    const leader = async (): Promise<number> => {
      const { topics } = await other.admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0]?.partitions[0]?.leader ?? -1
    }
    const outcomes = new Map<string, string>()
    let over = false
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let i = 0; !over; i++) {
        const value = `${writer}-${i}`
        outcomes.set(
          value,
          await commitTo(transport, put(`/f/${writer}`, value)).then(
            () => 'applied',
            (error: unknown) => (error as TransportUnavailableError).outcome,
          ),
        )
      }
    })
    const ids = cluster.servers.map(({ id, running }) => (running ? id : -1)).filter((id) => id > 0)
    for (let move = 0; move < 15; move++) {
      const now = await leader()
      const replicas = ids.filter((id) => id !== now)
      await other.admin.alterPartitionReassignments({
        topics: [{ topic, partitionAssignment: [{ partition: 0, replicas }] }],
      })
      await waitFor(async () => ![now, -1].includes(await leader()), { timeoutMs: 30_000 })
      await other.admin.alterPartitionReassignments({
        topics: [{ topic, partitionAssignment: [{ partition: 0, replicas: [...replicas, now] }] }],
      })
      await waitFor(
        async () => {
          const { topics } = await other.admin.fetchTopicMetadata({ topics: [topic] })
          return topics[0]?.partitions[0]?.isr.length === ids.length
        },
        { timeoutMs: 30_000 },
      )
    }
    over = true
    await Promise.all(writers)
    await transport.close()
    const lines = await cluster.server(await leader()).consumed(topic, { idleMs: 5_000 })
    const stored = new Set(lines)
    expect(lines.length).toBe(stored.size)
    const isFalse = ([value, outcome]: readonly [string, string]): boolean =>
      outcome === (stored.has(value) ? 'not-applied' : 'applied')
    expect([...outcomes].filter(isFalse)).toEqual([])
  }, 180_000)
})
