// Of this CommonJS package Node finds few names.
import kafkajs from 'kafkajs'
import type { Admin, ITopicMetadata } from 'kafkajs'
import { isSyncError } from '../../api/errors.ts'
import type { Finding } from '../../api/finding.ts'
import type { Io } from '../../api/transport.ts'
import { newClient } from './client.ts'
import type { Client } from './client.ts'
import { diagnoseSettings } from './doctor-settings.ts'
import type { Setting } from './doctor-settings.ts'
import { answerOf, isTopicMissing, translate } from './errors.ts'
import { readOptions } from './options.ts'
import type { KafkaOptions, KafkaSettings } from './options.ts'
import { loadTopic, readOffsets } from './topic-offsets.ts'
import { fetchPartitions } from './topic-reader.ts'

/** By Kafka's numbers: the versions of which one has to be offered, and what for. */
const NEEDED: readonly (readonly [api: number, from: number, to: number, what: string])[] = [
  [0, 3, 7, 'writing'],
  [1, 4, 11, 'reading'],
  [2, 2, 3, 'reading (offsets)'],
  [3, 1, 6, 'metadata'],
  [22, 0, 1, 'transactions'],
]

/** Looks at the brokers and the topic, without a change to them. @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export async function* diagnoseKafka(options: KafkaOptions, io: Io): AsyncGenerator<Finding> {
  const settings = readOptions(options)
  const client = await newClient(settings, io, settings.commandTimeoutMs)
  const admin = client.kafka.admin()
  try {
    await client.cluster.connect()
    await admin.connect()
  } catch (error) {
    await client.end(new Error('the look is over'))
    io.signal.throwIfAborted()
    yield unreachable(error, settings)
    return
  }
  try {
    yield* look(client, admin, settings)
  } catch (error) {
    io.signal.throwIfAborted()
    const { message, code } = translate(settings.name, error)
    yield { level: 'error', check: 'connection', detail: message, code }
  } finally {
    await admin.disconnect().catch(() => {})
    await client.end(new Error('the look is over'))
  }
}

async function* look(
  client: Client,
  admin: Admin,
  settings: KafkaSettings,
): AsyncGenerator<Finding> {
  const { topic } = settings
  const { brokers } = await admin.describeCluster()
  const names = brokers.map(({ host, port }) => `${host}:${port}`)
  yield { level: 'ok', check: 'connection', detail: `brokers ${names.join(', ')}; login accepted` }
  const metadata = await topicMetadata(admin, topic)
  if (metadata === undefined) {
    yield {
      level: 'error',
      check: 'topic',
      detail: `${topic} does not exist, or this user may not see it`,
      fix: `kafka-topics.sh --create --topic ${topic} --config cleanup.policy=compact --config max.message.bytes=8388608, or the option create`,
      code: 'SYNC_INVALID_OPTION',
    }
    return
  }
  yield { level: 'ok', check: 'topic', detail: `${topic} exists` }
  await loadTopic(client.cluster, topic)
  yield await versions(client)
  yield partitions(metadata)
  yield* diagnoseSettings(await readSettings(admin, topic), metadata)
  yield await reading(client, settings)
}

async function topicMetadata(admin: Admin, topic: string): Promise<ITopicMetadata | undefined> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics.find(({ name }) => name === topic)
  } catch (error) {
    if (isTopicMissing(error)) return undefined
    throw error
  }
}

async function versions({ cluster }: Client): Promise<Finding> {
  const [nodeId] = cluster.getNodeIds()
  const broker = await cluster.findBroker({ nodeId: String(nodeId) })
  const offered = await broker.apiVersions()
  const missing = NEEDED.filter(([api, from, to]) => {
    const has = offered[api]
    return has === undefined || has.maxVersion < from || has.minVersion > to
  })
  const check = 'protocol'
  if (missing.length === 0) return { level: 'ok', check, detail: 'all that is used is offered' }
  return {
    level: 'error',
    check,
    detail: `the broker does not offer what is used for ${missing.map((of) => of[3]).join(', ')}`,
    fix: 'Kafka 2.4 or later is needed',
    code: 'SYNC_UNAVAILABLE',
  }
}

function partitions({ name, partitions: all }: ITopicMetadata): Finding {
  const check = 'partitions'
  const leaderless = all.filter(({ leader }) => leader < 0)
  if (leaderless.length > 0) {
    return {
      level: 'error',
      check,
      detail: `${leaderless.length} of ${all.length} partitions have no leader`,
      fix: `start the brokers that are missing: kafka-topics.sh --describe --topic ${name}`,
      code: 'SYNC_UNAVAILABLE',
    }
  }
  const behind = all.filter(({ isr, replicas }) => isr.length < replicas.length)
  const copies = all[0]?.replicas.length ?? 0
  const detail = `${all.length}, ${copies} ${copies === 1 ? 'copy' : 'copies'} of each`
  if (behind.length > 0) {
    return {
      level: 'warn',
      check,
      detail: `${detail}; copies of ${behind.length} are behind`,
      fix: `kafka-topics.sh --describe --under-replicated-partitions --topic ${name}`,
    }
  }
  return {
    level: 'ok',
    check,
    detail: all.length === 1 ? detail : `${detail}; order is promised per key only`,
  }
}

async function readSettings(admin: Admin, topic: string): Promise<readonly Setting[] | undefined> {
  try {
    const { resources } = await admin.describeConfigs({
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
      includeSynonyms: false,
    })
    return resources[0]?.configEntries ?? []
  } catch (error) {
    if (answerOf(error) === 'TOPIC_AUTHORIZATION_FAILED') return undefined
    throw error
  }
}

async function reading({ cluster }: Client, settings: KafkaSettings): Promise<Finding> {
  const check = 'right to read'
  try {
    const ends = await readOffsets(cluster, settings.topic, 'end')
    const begins = await readOffsets(cluster, settings.topic, 'beginning')
    const leaders = cluster.findLeaderForPartitions(settings.topic, [...ends.keys()])
    for (const [nodeId, led] of Object.entries(leaders)) {
      const broker = await cluster.findBroker({ nodeId })
      const offsets = new Map(led.map((partition) => [partition, begins.get(partition) ?? 0]))
      await fetchPartitions(broker, settings.topic, { offsets, maxBytes: 1, maxWaitMs: 1 })
    }
    const records = [...ends].reduce((sum, [at, end]) => sum + end - (begins.get(at) ?? 0), 0)
    return { level: 'ok', check, detail: `at most ${records} records from beginning to end` }
  } catch (error) {
    const { message, code } = translate(settings.name, error)
    const fix = `kafka-acls.sh --add --operation Read --operation Describe --topic ${settings.topic}`
    return { level: 'error', check, detail: message, fix, code }
  }
}

function unreachable(error: unknown, settings: KafkaSettings): Finding {
  const { message, code } = isSyncError(error) ? error : translate(settings.name, error)
  const fix =
    code === 'SYNC_ACCESS_DENIED'
      ? 'check user, password and sasl (plain, scram-sha-256, scram-sha-512), or for TLS the certificate (--tls-ca names the authority)'
      : `is a broker running at ${settings.brokers.join(', ')}, and no firewall between? ${
          settings.tls === undefined
            ? 'For TLS the URL begins with kafkas://'
            : 'Without TLS the URL begins with kafka://'
        }`
  return { level: 'error', check: 'connection', detail: message, fix, code }
}
