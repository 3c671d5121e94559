import { DefaultKafkaTransport } from './kafka-transport.ts'
import type { KafkaTransport } from './kafka-transport.ts'
import { readOptions } from './options.ts'
import type { KafkaOptions } from './options.ts'

export { msgsync } from './msgsync.ts'
export type { MessagePublisher, TopicMessage, TopicResult } from './msgsync.ts'
export type { MsgsyncOptions } from './msgsync-options.ts'
export type { KafkaTransport, SkippedRecords } from './kafka-transport.ts'
export type {
  KafkaConnectionOptions,
  KafkaOptions,
  SaslMechanism,
  TopicCreation,
} from './options.ts'

/**
 * A transport over a compacted topic of Kafka (2.4 or later): keys are its keys, values its values, a record without
 * value deletes. Nothing is contacted before `open`.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range, a bad URL, no topic
 */
export function kafka(options: KafkaOptions): KafkaTransport {
  return new DefaultKafkaTransport(readOptions(options))
}
