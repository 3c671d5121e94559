import { systemClock } from '../../api/clock.ts'
import type { Clock } from '../../api/clock.ts'
import { silentLogger } from '../../api/logger.ts'
import type { Logger } from '../../api/logger.ts'
import {
  checkOptions,
  integerBetween,
  isObject,
  isString,
  numberBetween,
  oneOf,
} from '../../api/options.ts'
import { connectionChecks, readConnection, readTopic } from './options.ts'
import type { KafkaConnectionOptions, KafkaSettings } from './options.ts'

/** Options of {@link msgsync}. Every field is optional but the topic, which the URL may name. */
export interface MsgsyncOptions extends KafkaConnectionOptions {
  /** Where messages go; any topic, compacted or not. */
  readonly topic?: string
  /** How long the first message of a batch waits for others, in ms; 5. */
  readonly lingerMs?: number
  /** Bytes of messages in one request, at most; 900 000 (a topic's default limit is 1 MiB). */
  readonly batchBytes?: number
  /** Messages in one request, at most; 1 000: kafkajs takes the square of it in time. */
  readonly batchMessages?: number
  /** Messages whose result is not out yet, at most; 2 500, more for many partitions. An AsyncIterable is pulled no faster. */
  readonly maxInFlight?: number
  /** Inputs of an Observable that may wait beside them; 10 000. More fail with `OverflowError`, as results. */
  readonly queueLimit?: number
  /** `none` or `gzip`; `none`. */
  readonly compression?: 'none' | 'gzip'
  /** Appears in errors and log; `msgsync`. */
  readonly name?: string
  readonly logger?: Logger
  readonly clock?: Clock
  /** A number in [0, 1). */
  readonly random?: () => number
}

/** {@link MsgsyncOptions}, checked, with defaults filled in. */
export interface MsgsyncSettings {
  readonly kafka: KafkaSettings
  readonly lingerMs: number
  readonly batchBytes: number
  readonly batchMessages: number
  readonly maxInFlight: number
  readonly queueLimit: number
  readonly gzip: boolean
  readonly logger: Logger
  readonly clock: Clock
  readonly random: () => number
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option; passwords are masked */
export function readMsgsyncOptions(options: MsgsyncOptions): MsgsyncSettings {
  checkOptions<MsgsyncOptions>(options, {
    ...connectionChecks,
    topic: isString,
    lingerMs: numberBetween(0, 60_000),
    batchBytes: integerBetween(1, 2 ** 30),
    batchMessages: integerBetween(1, 100_000),
    maxInFlight: integerBetween(1, 1_000_000),
    queueLimit: integerBetween(0, 10_000_000),
    compression: oneOf('none', 'gzip'),
    name: isString,
    logger: isObject,
    clock: isObject,
    random: isObject,
  })
  return {
    kafka: {
      ...readConnection(options, options.name ?? 'msgsync'),
      topic: readTopic(options),
      create: undefined,
      livenessMs: 10_000,
      transactionTimeoutMs: 15_000,
      maxValueBytes: Infinity,
      fetchBytes: 0,
    },
    lingerMs: options.lingerMs ?? 5,
    batchBytes: options.batchBytes ?? 900_000,
    batchMessages: options.batchMessages ?? 1_000,
    maxInFlight: options.maxInFlight ?? 2_500,
    queueLimit: options.queueLimit ?? 10_000,
    gzip: options.compression === 'gzip',
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  }
}
