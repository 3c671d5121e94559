import { beforeAll } from '@jest/globals'
import { describeServer } from '../support/server-suite.ts'
import { composeUp, whyNoCompose } from './compose.ts'
import { startKafka } from './kafka-server.ts'
import { NEWEST_KAFKA, whyNoKafka } from './provision-kafka.ts'
import type { KafkaVersion } from './provision-kafka.ts'

const givenUrl = process.env['KAFKA_URL'] || undefined

/**
 * A describe for tests that start, stop and set up servers of their own (`startKafka`, `startKafkaCluster`). Without
 * Kafka's jars the suite is skipped with the reason, and fails with `CI=true`.
 */
export async function describeWithKafka(title: string, body: () => void): Promise<void> {
  const missing = await whyNoKafka(NEWEST_KAFKA)
  const hint = givenUrl === undefined ? '' : '; KAFKA_URL is not enough, servers are killed here'
  describeServer(title, missing === undefined ? undefined : missing + hint, body)
}

/**
 * A describe for tests that any Kafka will do for, shared with others: the one of KAFKA_URL (`kafka://host:port`), else
 * one of our own, else one of docker compose. `server` gives `host:port`, in hooks and tests.
 */
export async function describeWithKafkaServer(
  title: string,
  version: KafkaVersion,
  body: (server: () => string) => void,
): Promise<void> {
  const noJars = givenUrl === undefined ? await whyNoKafka(version) : undefined
  const noCompose = noJars === undefined ? undefined : await whyNoCompose()
  const missing = noCompose === undefined ? undefined : `${noJars}; ${noCompose}`
  describeServer(title, missing, () => {
    let address: string | undefined
    beforeAll(async () => {
      if (givenUrl !== undefined) address = new URL(givenUrl).host
      else if (noJars === undefined) address = (await startKafka({ version })).address
      else address = await composeUp('kafka', 9092)
    }, 180_000)
    body(() => {
      if (address === undefined) throw new Error('server() was called before the hooks have run')
      return address
    })
  })
}
