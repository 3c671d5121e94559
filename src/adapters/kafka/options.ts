import type { ConnectionOptions } from 'node:tls'
import { InvalidOptionError } from '../../api/errors.ts'
import {
  checkOptions,
  integerBetween,
  isObject,
  isString,
  MAX_MS,
  numberBetween,
  oneOf,
} from '../../api/options.ts'
import type { OptionCheck } from '../../api/options.ts'
import { isTopicName, parseBroker, parseKafkaUrl } from './kafka-url.ts'

export type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512'

/** How brokers are reached. Every field is optional; what an URL says too is overridden here. */
export interface KafkaConnectionOptions {
  /** `kafka://[user:password@]host[:port],…[/topic]`, `kafkas://` for TLS; `kafka://127.0.0.1:9092`. */
  readonly url?: string
  /** `host[:port]` of some brokers, instead of those in `url`. */
  readonly brokers?: readonly string[]
  readonly username?: string
  /** A function is asked at every attempt to connect (W17). */
  readonly password?: string | (() => string | Promise<string>)
  /** How user and password are shown to the broker; `plain`. */
  readonly sasl?: SaslMechanism
  /** As of `node:tls`: ca, cert, key, servername, …; given, TLS is used whatever the URL says. */
  readonly tls?: ConnectionOptions
  /** Shown in the brokers' logs and quotas; `datasync-` and the name. */
  readonly clientId?: string
  /** From dialling to a connection that is ready, in ms; 10 000. */
  readonly connectTimeoutMs?: number
  /** A request that a broker does not answer for this long, in ms, is given up; 10 000. */
  readonly commandTimeoutMs?: number
}

/** How a missing topic is made; every field is optional. */
export interface TopicCreation {
  /** 1: with more, order is promised per key only, and a later growth strands keys. */
  readonly partitions?: number
  /** Copies; 3, or as many as there are brokers. */
  readonly replicationFactor?: number
  /** Settings of the topic beside `cleanup.policy=compact` and `max.message.bytes=8388608`. */
  readonly config?: Readonly<Record<string, string>>
}

/** Options of {@link kafka}. Every field is optional but the topic, which the URL may name. */
export interface KafkaOptions extends KafkaConnectionOptions {
  /** The compacted topic that is the table. */
  readonly topic?: string
  /** Make the topic when it is missing; false. `true` = one partition. */
  readonly create?: boolean | TopicCreation
  /** A link that is silent for this long, in ms, is lost (W13); 10 000. */
  readonly livenessMs?: number
  /** How long a transaction may stay open, in ms, before the broker aborts it; 15 000. Readers wait behind it. */
  readonly transactionTimeoutMs?: number
  /** The largest value that is written; 8 384 512 (8 MiB less what a record needs beside its value). */
  readonly maxValueBytes?: number
  /** How much is asked for at a time, in bytes; 4 194 304 (4 MiB). Per broker twice as much is held. */
  readonly fetchBytes?: number
  /** Appears in events, metrics and errors; `kafka`. */
  readonly name?: string
}

/** {@link KafkaConnectionOptions}, checked, with defaults filled in. */
export interface ConnectionSettings {
  readonly name: string
  readonly brokers: readonly string[]
  readonly username: string | undefined
  readonly password: (() => string | Promise<string>) | undefined
  readonly sasl: SaslMechanism
  readonly tls: ConnectionOptions | undefined
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly commandTimeoutMs: number
}

/** {@link KafkaOptions}, checked, with defaults filled in. */
export interface KafkaSettings extends ConnectionSettings {
  readonly topic: string
  readonly create: TopicCreation | undefined
  readonly livenessMs: number
  readonly transactionTimeoutMs: number
  readonly maxValueBytes: number
  readonly fetchBytes: number
}

/** `max.message.bytes` of topics that we create. */
export const CREATED_MESSAGE_BYTES: number = 8 * 2 ** 20
/** What a record batch has beside one value: its head, a key of 1 024 bytes, lengths. */
export const RECORD_OVERHEAD = 4_096

const isStrings: OptionCheck = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')
    ? undefined
    : 'must be a list of strings that is not empty'

const isPassword: OptionCheck = (value) =>
  typeof value === 'string' || typeof value === 'function'
    ? undefined
    : 'must be a string or a function'

const isCreation: OptionCheck = (value) =>
  typeof value === 'boolean' ? undefined : isObject(value)

/** How the options of a connection are checked; for those who add their own. */
export const connectionChecks: {
  readonly [K in keyof Required<KafkaConnectionOptions>]: OptionCheck
} = {
  url: isString,
  brokers: isStrings,
  username: isString,
  password: isPassword,
  sasl: oneOf('plain', 'scram-sha-256', 'scram-sha-512'),
  tls: isObject,
  clientId: isString,
  connectTimeoutMs: numberBetween(1, MAX_MS),
  commandTimeoutMs: numberBetween(1, MAX_MS),
}

/**
 * Checks the options at the door; nothing is contacted.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option; passwords are masked
 */
export function readOptions(options: KafkaOptions): KafkaSettings {
  checkOptions<KafkaOptions>(options, {
    ...connectionChecks,
    topic: isString,
    create: isCreation,
    livenessMs: numberBetween(100, MAX_MS),
    transactionTimeoutMs: integerBetween(1_000, 900_000),
    maxValueBytes: integerBetween(1, 2 ** 30),
    fetchBytes: integerBetween(1_024, 2 ** 30),
    name: isString,
  })
  return {
    ...readConnection(options, options.name ?? 'kafka'),
    topic: readTopic(options),
    create: readCreation(options.create ?? false),
    livenessMs: options.livenessMs ?? 10_000,
    transactionTimeoutMs: options.transactionTimeoutMs ?? 15_000,
    maxValueBytes: options.maxValueBytes ?? CREATED_MESSAGE_BYTES - RECORD_OVERHEAD,
    fetchBytes: options.fetchBytes ?? 4 * 2 ** 20,
  }
}

/** Of options that were checked by {@link connectionChecks}. @throws InvalidOptionError */
export function readConnection(options: KafkaConnectionOptions, name: string): ConnectionSettings {
  const url = parseKafkaUrl(options.url ?? 'kafka://127.0.0.1:9092')
  const brokers = options.brokers?.map((text) => {
    const broker = parseBroker(text)
    if (broker === undefined) throw new InvalidOptionError('brokers', `${text} is no host:port`)
    return broker
  })
  const username = options.username ?? url.username
  const password = options.password ?? url.password
  if ((username === undefined) !== (password === undefined)) {
    const missing = username === undefined ? 'username' : 'password'
    throw new InvalidOptionError(missing, 'is missing: user and password go together')
  }
  if (options.sasl !== undefined && username === undefined) {
    throw new InvalidOptionError('sasl', 'needs a user and a password')
  }
  return {
    name,
    brokers: brokers ?? url.brokers,
    username,
    password: typeof password === 'string' ? () => password : password,
    sasl: options.sasl ?? 'plain',
    tls: options.tls ?? (url.tls ? {} : undefined),
    clientId: options.clientId ?? `datasync-${name}`,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    commandTimeoutMs: options.commandTimeoutMs ?? 10_000,
  }
}

/** @throws InvalidOptionError when neither names a topic, or the name is none */
export function readTopic(options: { readonly url?: string; readonly topic?: string }): string {
  const ofUrl = options.url === undefined ? undefined : parseKafkaUrl(options.url).topic
  const topic = options.topic ?? ofUrl
  if (topic === undefined) {
    throw new InvalidOptionError('topic', 'is missing: in the URL it stands behind the brokers')
  }
  if (!isTopicName(topic)) {
    throw new InvalidOptionError('topic', `${JSON.stringify(topic)} is no name of a topic`)
  }
  return topic
}

function readCreation(create: boolean | TopicCreation): TopicCreation | undefined {
  if (typeof create === 'boolean') return create ? {} : undefined
  checkOptions<TopicCreation>(
    create,
    {
      partitions: integerBetween(1, 10_000),
      replicationFactor: integerBetween(1, 100),
      config: isObject,
    },
    'create',
  )
  return create
}
