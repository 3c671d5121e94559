import type { RawChange } from '../../api/transport.ts'
import type { KafkaRecord } from './kafka-record.ts'
import { MergedTable } from './merged-table.ts'
import type { Partitioner } from './partitioner.ts'
import { SingleTable } from './single-table.ts'

/** What the records of a topic add up to. */
export interface Table {
  /** Some keys lie in several partitions, or in another than their own: only who has the table can go on. */
  readonly stranded: boolean
  /** One more record while the list is read; those of a partition in order. */
  load(record: KafkaRecord): void
  /** All partitions are read to their ends: the pairs, of a key the last one last. */
  listed(): Iterable<KafkaRecord>
  /** One more record, as it is written. What changed; undefined for one that is older than what is known. */
  apply(record: KafkaRecord): RawChange | undefined
  /** Resolves when keys can be looked up. */
  settled(): Promise<void>
  /** By key; call `settled` first. */
  readonly pairs: ReadonlyMap<string, KafkaRecord>
}

/**
 * For a topic of so many partitions. `onStranded` is called once per key that lies in several; with `partitionOf` keys
 * are looked for that lie in another than their own.
 */
export function newTable(
  partitions: number,
  onStranded: (key: string) => void,
  partitionOf?: Partitioner,
): Table {
  return partitions === 1 ? new SingleTable() : new MergedTable(onStranded, partitionOf)
}
