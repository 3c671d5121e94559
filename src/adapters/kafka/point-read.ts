import { hasPrefix } from '../../api/key.ts'
import type { Client } from './client.ts'
import type { Connected } from './control.ts'
import type { KafkaRecord } from './kafka-record.ts'
import type { KafkaSettings } from './options.ts'
import { newTable } from './table.ts'
import type { Table } from './table.ts'
import { readOffsets } from './topic-offsets.ts'
import type { Offsets } from './topic-offsets.ts'
import { fetchPartitions, TopicReader } from './topic-reader.ts'

/** How long a broker waits for records that must still become readable (an open transaction). */
const WAIT_MS = 100

/** The offsets that a read has to reach, so that it sees all that was readable at its start, and `written`. */
export async function targetsOf(
  { client }: Connected,
  topic: string,
  written: Map<number, number>,
): Promise<Map<number, number>> {
  const { cluster } = client
  const targets = new Map(await readOffsets(cluster, topic, 'end'))
  for (const [partition, next] of written) {
    const end = targets.get(partition)
    if (end === undefined || end >= next) continue
    // An open transaction holds it back; but a topic made anew has none of our writes, and its end is enough.
    if ((await writtenTo(client, topic, partition, end)) >= next) targets.set(partition, next)
    else written.delete(partition)
  }
  return targets
}

/** Behind the last record that is written, readable or not. */
async function writtenTo(
  { cluster }: Client,
  topic: string,
  partition: number,
  end: number,
): Promise<number> {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  const broker = await cluster.findBroker({ nodeId: String(nodeId) })
  const offsets = new Map([[partition, end]])
  const [part] = await fetchPartitions(broker, topic, { offsets, maxBytes: 1, maxWaitMs: 1 })
  return Number(part?.highWatermark ?? 0)
}

/**
 * Reads the whole topic up to `targets`, and gives the pairs under a prefix: Kafka has no index by key.
 * @throws errors of kafkajs, the signal's reason
 */
export async function readTopic(
  { client, partitions }: Connected,
  settings: KafkaSettings,
  wanted: (key: string) => boolean,
  targets: Offsets,
  skipped: () => void,
  signal: AbortSignal,
): Promise<Table> {
  const { topic, fetchBytes } = settings
  const table = newTable(partitions, () => {})
  const begins = await readOffsets(client.cluster, topic, 'beginning')
  const left = new Map([...targets].filter(([at, end]) => (begins.get(at) ?? 0) < end))
  if (left.size === 0) return table
  const reader = new TopicReader({
    cluster: client.cluster,
    topic,
    from: new Map([...left.keys()].map((partition) => [partition, begins.get(partition) ?? 0])),
    filter: { covers: wanted, skipped },
    fetchBytes,
    maxWaitMs: WAIT_MS,
  })
  while (left.size > 0) {
    const answer = await reader.next()
    signal.throwIfAborted()
    for (const page of answer?.pages ?? []) {
      for (const record of page.records) table.load(record)
      if (page.next >= (left.get(page.partition) ?? Infinity)) left.delete(page.partition)
    }
  }
  await table.settled()
  return table
}

/** The pairs under a prefix, in pages of so many. */
export function* pagesOf(
  pairs: Iterable<KafkaRecord>,
  prefix: string,
  size: number,
): Generator<readonly KafkaRecord[]> {
  let page: KafkaRecord[] = []
  for (const pair of pairs) {
    if (!hasPrefix(pair.key, prefix)) continue
    page.push(pair)
    if (page.length < size) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
