import { composeUp } from './compose.ts'
import { startKafka } from './kafka-server.ts'
import { NEWEST_KAFKA, whyNoKafka } from './provision-kafka.ts'
import type { KafkaVersion } from './provision-kafka.ts'
import { describeWithAny, describeWithOwn, whyNoComposeFor } from './server-describe.ts'
import type { ServerSource } from './server-describe.ts'

const variable = 'KAFKA_URL'

/** For tests that start, stop and set up servers of their own (`startKafka`, `startKafkaCluster`). */
export async function describeWithKafka(title: string, body: () => void): Promise<void> {
  describeWithOwn({ variable, missing: await whyNoKafka(NEWEST_KAFKA) }, title, body)
}

/** For tests that any Kafka will do for, shared with others; its `host:port`. */
export async function describeWithKafkaServer(
  title: string,
  version: KafkaVersion,
  body: (server: () => string) => void,
): Promise<void> {
  const source: ServerSource = {
    variable,
    missing: process.env[variable] ? undefined : await whyNoKafka(version),
    start: async () => (await startKafka({ version })).address,
    compose: () => composeUp('kafka', 9092),
    given: (url) => new URL(url).host,
    timeoutMs: 180_000,
  }
  describeWithAny(source, await whyNoComposeFor(source), title, body)
}
