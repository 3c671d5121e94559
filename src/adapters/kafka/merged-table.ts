import type { RawChange } from '../../api/transport.ts'
import type { KafkaRecord } from './kafka-record.ts'
import type { Partitioner } from './partitioner.ts'
import type { Table } from './table.ts'

/** Deletes that are remembered once the list is read: a record of another partition may be read late. */
const REMEMBERED = 100_000

/** A key that lies in several partitions. */
interface Stranded {
  /** Its last record in each. */
  readonly last: Map<number, KafkaRecord>
  /** The one that counts. */
  newest: KafkaRecord
  /** The same, with the revision that it was given. */
  shown: KafkaRecord
}

/**
 * Of a topic with several partitions. Records of one partition come in order; between partitions, where a key lies in
 * two of them (the topic has grown, or another program partitions in another way), of its last records the one with the
 * newest timestamp counts, whatever is read first.
 */
export class MergedTable implements Table {
  readonly pairs: Map<string, KafkaRecord> = new Map()
  /** Tombstones of keys that lie in one partition: all while the list is read, the last ones later. */
  readonly #deleted = new Map<string, KafkaRecord>()
  readonly #stranded = new Map<string, Stranded>()
  readonly #onStranded: (key: string) => void
  readonly #partitionOf: Partitioner | undefined
  #misplaced = false
  #listing = true

  /** `onStranded` is called once per key. */
  constructor(onStranded: (key: string) => void, partitionOf: Partitioner | undefined) {
    this.#onStranded = onStranded
    this.#partitionOf = partitionOf
  }

  get stranded(): boolean {
    return this.#misplaced || this.#stranded.size > 0
  }

  load(record: KafkaRecord): void {
    this.apply(record)
  }

  apply(record: KafkaRecord): RawChange | undefined {
    const { key } = record
    const stranded = this.#stranded.size === 0 ? undefined : this.#stranded.get(key)
    if (stranded !== undefined) return this.#merge(stranded, record)
    const known =
      this.pairs.get(key) ?? (this.#deleted.size === 0 ? undefined : this.#deleted.get(key))
    if (known === undefined) this.#lookAtPlace(record)
    else if (known.partition !== record.partition) return this.#strand(known, record)
    else if (record.offset <= known.offset) return again(record, known, known)
    return this.#show(record)
  }

  listed(): Iterable<KafkaRecord> {
    this.#listing = false
    this.#forget()
    return this.pairs.values()
  }

  settled(): Promise<void> {
    return Promise.resolve()
  }

  #lookAtPlace({ key, partition }: KafkaRecord): void {
    if (this.#misplaced || this.#partitionOf === undefined) return
    this.#misplaced = this.#partitionOf(Buffer.from(key)) !== partition
  }

  #strand(known: KafkaRecord, record: KafkaRecord): RawChange | undefined {
    const last = new Map([[known.partition, known]])
    const stranded = { last, newest: known, shown: known }
    this.#deleted.delete(known.key)
    this.#stranded.set(known.key, stranded)
    this.#onStranded(known.key)
    return this.#merge(stranded, record)
  }

  #merge(stranded: Stranded, record: KafkaRecord): RawChange | undefined {
    const { last } = stranded
    const before = last.get(record.partition)
    if (before !== undefined && record.offset <= before.offset) {
      return again(record, before, stranded.shown)
    }
    last.set(record.partition, record)
    let newest = record
    // Grows with every record of any partition, and is the same whatever is read first.
    let revision = last.size - 1
    for (const one of last.values()) {
      revision += one.offset
      if (isNewer(one, newest)) newest = one
    }
    // While the list is read nobody has seen a revision yet.
    if (newest === stranded.newest && !this.#listing) return undefined
    stranded.newest = newest
    stranded.shown = newest.at(revision)
    return this.#show(stranded.shown)
  }

  #show(record: KafkaRecord): RawChange {
    const { key } = record
    if (!record.deletes) {
      this.pairs.set(key, record)
      if (this.#deleted.size > 0) this.#deleted.delete(key)
    } else {
      this.pairs.delete(key)
      if (!this.#stranded.has(key)) {
        this.#deleted.delete(key)
        this.#deleted.set(key, record)
        if (!this.#listing) this.#forget()
      }
    }
    return changeOf(record)
  }

  #forget(): void {
    for (const key of this.#deleted.keys()) {
      if (this.#deleted.size <= REMEMBERED) return
      this.#deleted.delete(key)
    }
  }
}

/** Read again after a break: what its consumer knows of it is not known here. */
function again(record: KafkaRecord, last: KafkaRecord, shown: KafkaRecord): RawChange | undefined {
  return record.offset === last.offset ? changeOf(shown) : undefined
}

function changeOf(record: KafkaRecord): RawChange {
  return record.deletes
    ? { type: 'delete', key: record.key, revision: record.revision }
    : { type: 'put', pair: record }
}

function isNewer(record: KafkaRecord, than: KafkaRecord): boolean {
  if (record.timestamp !== than.timestamp) return record.timestamp > than.timestamp
  return record.partition > than.partition
}
