import type { Cluster } from 'kafkajs'
import { evidenceOf } from './records.ts'
import type { Evidence } from './records.ts'
import { isOutOfRange } from './errors.ts'
import { fetchPartitions } from './topic-reader.ts'

/** Offsets by partition. */
export type Offsets = ReadonlyMap<number, number>

/** Loads what the brokers say of the topic. @throws errors of kafkajs, also when it does not exist */
export async function loadTopic(cluster: Cluster, topic: string): Promise<number> {
  await cluster.connect()
  await cluster.addTargetTopic(topic)
  return cluster.findTopicPartitionMetadata(topic).length
}

/** `beginning`: the first offset there is; `end`: behind the last that a reader may see (last stable offset). */
export async function readOffsets(
  cluster: Cluster,
  topic: string,
  which: 'beginning' | 'end',
): Promise<Offsets> {
  const partitions = cluster
    .findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => ({ partition: partitionId }))
  const [found] = await cluster.fetchTopicsOffset([
    { topic, partitions, fromBeginning: which === 'beginning' },
  ])
  return new Map((found?.partitions ?? []).map((p) => [p.partition, Number(p.offset)]))
}

/**
 * True when every record is still where it was: the topic was not made anew. A record that compaction has taken away
 * proves nothing, which counts as no.
 */
export async function isProved(
  cluster: Cluster,
  topic: string,
  evidence: ReadonlyMap<number, Evidence>,
): Promise<boolean> {
  const leaders = cluster.findLeaderForPartitions(topic, [...evidence.keys()])
  const found = await Promise.all(
    Object.entries(leaders).flatMap(([nodeId, partitions]) =>
      partitions.map(async (partition) => {
        const wanted = evidence.get(partition) as Evidence
        const broker = await cluster.findBroker({ nodeId })
        return isFound(broker, topic, partition, wanted)
      }),
    ),
  )
  return found.every(Boolean)
}

async function isFound(
  broker: Parameters<typeof fetchPartitions>[0],
  topic: string,
  partition: number,
  wanted: Evidence,
): Promise<boolean> {
  try {
    // Alone in its request a partition gives its first batch whole, however large.
    const [part] = await fetchPartitions(broker, topic, {
      offsets: new Map([[partition, wanted.offset]]),
      maxBytes: 1,
      maxWaitMs: 1,
    })
    const message = part?.messages.find(({ offset }) => Number(offset) === wanted.offset)
    return message !== undefined && evidenceOf(message).digest === wanted.digest
  } catch (error) {
    if (isOutOfRange(error)) return false
    throw error
  }
}
