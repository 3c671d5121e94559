import { Partitioners } from 'kafkajs'
import type { PartitionMetadata } from 'kafkajs'

/** The partition of a key, as Java's clients choose it, so that all programs agree. */
export type Partitioner = (key: Buffer) => number

/** For a topic of so many partitions. */
export function partitionerOf(topic: string, partitions: number): Partitioner {
  const choose = Partitioners.DefaultPartitioner()
  const partitionMetadata = Array.from({ length: partitions }, (_, i) => ({
    partitionId: i,
    leader: 0,
  })) as PartitionMetadata[]
  return (key) =>
    partitions === 1 ? 0 : choose({ topic, partitionMetadata, message: { key, value: null } })
}
