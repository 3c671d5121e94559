// Of this CommonJS package Node finds few names.
import kafkajs from 'kafkajs'
import type { Admin, ITopicConfig } from 'kafkajs'
import { AccessDeniedError, InvalidOptionError } from '../../api/errors.ts'
import type { Io } from '../../api/transport.ts'
import { pause } from '../../kit/pause.ts'
import type { Client } from './client.ts'
import { answerOf, isTopicMissing } from './errors.ts'
import { CREATED_MESSAGE_BYTES } from './options.ts'
import type { KafkaSettings, TopicCreation } from './options.ts'

/** What the broker says of the topic; undefined where it does not let us look. */
export interface TopicSettings {
  readonly cleanupPolicy: string | undefined
  readonly deleteRetentionMs: number | undefined
  readonly maxMessageBytes: number | undefined
}

/** Kafka's default, where it may not be read. */
export const DEFAULT_DELETE_RETENTION_MS = 86_400_000
/** After a topic is made, brokers hear of it one by one. */
const APPEARS_MS = 10_000
const LOOK_MS = 50

const UNKNOWN: TopicSettings = {
  cleanupPolicy: undefined,
  deleteRetentionMs: undefined,
  maxMessageBytes: undefined,
}

/**
 * Makes sure that the topic exists, or makes it, and that it is a table.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) when it is missing and may not be made, or is not compacted
 * only; errors of kafkajs
 */
export async function prepareTopic(
  client: Client,
  settings: KafkaSettings,
  io: Io,
): Promise<TopicSettings> {
  const { topic, create } = settings
  const admin = client.kafka.admin()
  try {
    await admin.connect()
    if (!(await exists(admin, topic))) {
      if (create === undefined) {
        throw new InvalidOptionError(
          'topic',
          `${topic} does not exist; make it with cleanup.policy=compact, or set the option create`,
        )
      }
      await makeTopic(admin, topic, create)
      await appears(admin, topic, io)
    }
    const found = await readTopicSettings(admin, topic)
    assertCompacted(topic, found)
    return found
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

/** @throws errors of kafkajs */
export async function readTopicSettings(admin: Admin, topic: string): Promise<TopicSettings> {
  const names = ['cleanup.policy', 'delete.retention.ms', 'max.message.bytes']
  try {
    const { resources } = await admin.describeConfigs({
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: names }],
      includeSynonyms: false,
    })
    const entries = resources[0]?.configEntries ?? []
    const value = (name: string): string | undefined =>
      entries.find(({ configName }) => configName === name)?.configValue
    const number = (name: string): number | undefined => {
      const text = value(name)
      return text === undefined ? undefined : Number(text)
    }
    return {
      cleanupPolicy: value('cleanup.policy'),
      deleteRetentionMs: number('delete.retention.ms'),
      maxMessageBytes: number('max.message.bytes'),
    }
  } catch (error) {
    // Reading settings is a right of its own, which a watcher need not have.
    if (answerOf(error) === 'TOPIC_AUTHORIZATION_FAILED') return UNKNOWN
    throw error
  }
}

/** With `delete` beside it, keys would vanish without a tombstone. @throws InvalidOptionError */
export function assertCompacted(topic: string, { cleanupPolicy }: TopicSettings): void {
  if (cleanupPolicy === undefined || cleanupPolicy === 'compact') return
  throw new InvalidOptionError(
    'topic',
    `${topic} has cleanup.policy=${cleanupPolicy}, a table needs exactly compact: kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config cleanup.policy=compact`,
  )
}

async function exists(admin: Admin, topic: string): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics.some(({ name }) => name === topic)
  } catch (error) {
    if (isTopicMissing(error)) return false
    throw error
  }
}

/** @throws AccessDeniedError (`SYNC_ACCESS_DENIED`), errors of kafkajs */
async function makeTopic(admin: Admin, topic: string, create: TopicCreation): Promise<void> {
  const { brokers } = await admin.describeCluster()
  const config = {
    'cleanup.policy': 'compact',
    'max.message.bytes': String(CREATED_MESSAGE_BYTES),
    ...create.config,
  }
  const wanted: ITopicConfig = {
    topic,
    numPartitions: create.partitions ?? 1,
    replicationFactor: create.replicationFactor ?? Math.min(3, brokers.length),
    configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
  }
  try {
    await admin.createTopics({ topics: [wanted], waitForLeaders: false })
  } catch (error) {
    // Another process was first.
    if (answerOf(error) === 'TOPIC_ALREADY_EXISTS') return
    if (answerOf(error) === 'TOPIC_AUTHORIZATION_FAILED') {
      throw new AccessDeniedError('kafka', `the topic ${topic} may not be made`, { cause: error })
    }
    throw error
  }
}

async function appears(admin: Admin, topic: string, io: Io): Promise<void> {
  for (let waited = 0; waited < APPEARS_MS; waited += LOOK_MS) {
    if (await exists(admin, topic)) return
    await pause(LOOK_MS, io.clock, io.signal)
  }
}
