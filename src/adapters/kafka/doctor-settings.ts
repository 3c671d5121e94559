import type { ITopicMetadata } from 'kafkajs'
import type { Finding } from '../../api/finding.ts'
import { CREATED_MESSAGE_BYTES } from './options.ts'

/** One setting of a topic, as the broker shows it. */
export interface Setting {
  readonly configName: string
  readonly configValue: string
}

/** Less leaves little time to be away. */
const SHORT_RETENTION_MS = 3_600_000
/** What the driver reads without codecs of its own. */
const READABLE: ReadonlySet<string> = new Set(['producer', 'uncompressed', 'gzip'])

/** Findings on a topic's settings; undefined where they may not be read. */
export function* diagnoseSettings(
  settings: readonly Setting[] | undefined,
  { name, partitions }: ITopicMetadata,
): Generator<Finding> {
  if (settings === undefined) {
    yield {
      level: 'warn',
      check: 'settings',
      detail: "this user may not read the topic's settings: Kafka's defaults are assumed",
      fix: `kafka-acls.sh --add --operation DescribeConfigs --topic ${name}`,
    }
    return
  }
  const value = (of: string): string =>
    settings.find(({ configName }) => configName === of)?.configValue ?? ''
  const change = (setting: string): string =>
    `kafka-configs.sh --alter --entity-type topics --entity-name ${name} --add-config ${setting}`
  yield cleanup(value('cleanup.policy'), change('cleanup.policy=compact'))
  yield size(
    Number(value('max.message.bytes')),
    change(`max.message.bytes=${CREATED_MESSAGE_BYTES}`),
  )
  yield retention(Number(value('delete.retention.ms')), change('delete.retention.ms=86400000'))
  yield replicas(
    Number(value('min.insync.replicas')),
    partitions[0]?.replicas.length ?? 0,
    change('min.insync.replicas=…'),
  )
  const compression = value('compression.type')
  if (READABLE.has(compression)) yield { level: 'ok', check: 'compression', detail: compression }
  else {
    yield {
      level: 'warn',
      check: 'compression',
      detail: `${compression}: kafkajs reads it only with a codec given to its CompressionCodecs`,
      fix: change('compression.type=producer'),
    }
  }
}

function cleanup(policy: string, fix: string): Finding {
  const check = 'cleanup policy'
  if (policy === 'compact') return { level: 'ok', check, detail: policy }
  return {
    level: 'error',
    check,
    detail: `${policy}: keys would vanish without a tombstone`,
    fix,
    code: 'SYNC_INVALID_OPTION',
  }
}

function size(bytes: number, fix: string): Finding {
  const check = 'largest record'
  const detail = `${bytes} bytes`
  if (bytes >= CREATED_MESSAGE_BYTES) return { level: 'ok', check, detail }
  return { level: 'warn', check, detail: `${detail}: larger values are refused`, fix }
}

function retention(ms: number, fix: string): Finding {
  const check = 'delete retention'
  const detail = `${ms} ms: who is away for half of it gets a RESYNC`
  if (ms >= SHORT_RETENTION_MS) return { level: 'ok', check, detail }
  return { level: 'warn', check, detail, fix }
}

function replicas(least: number, copies: number, fix: string): Finding {
  const check = 'replication'
  const detail = `${copies} copies, of which ${least} must confirm a write`
  if (least > copies) {
    return {
      level: 'error',
      check,
      detail: `${detail}: no write can succeed`,
      fix,
      code: 'SYNC_UNAVAILABLE',
    }
  }
  if (copies === 1) {
    return { level: 'warn', check, detail: `${detail}: a broker's loss is the topic's` }
  }
  if (least === 1) {
    return { level: 'warn', check, detail: `${detail}: a write may be lost with one broker`, fix }
  }
  return { level: 'ok', check, detail }
}
