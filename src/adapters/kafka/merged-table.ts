import type { RawChange } from '../../api/transport.ts'
import type { KafkaRecord } from './kafka-record.ts'
import type { Table } from './table.ts'

/** A key's last record, as far as it says which of two is newer. */
interface Trace {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
}

/**
 * Of a topic with several partitions. Records of one partition come in order; between partitions, where a key lies in
 * two of them (the topic has grown, or another program partitions in another way), the newer timestamp wins.
 */
export class MergedTable implements Table {
  readonly pairs: Map<string, KafkaRecord> = new Map()
  /** Deleted keys while the partitions are read in no common order; later those of stranded keys only. */
  readonly #deleted = new Map<string, Trace>()
  /** Keys seen in several partitions, and the highest revision that each was given. */
  readonly #stranded = new Map<string, number>()
  readonly #onStranded: (key: string) => void
  #listing = true

  /** `onStranded` is called once per key. */
  constructor(onStranded: (key: string) => void) {
    this.#onStranded = onStranded
  }

  /** Some keys lie in several partitions. */
  get stranded(): boolean {
    return this.#stranded.size > 0
  }

  load(record: KafkaRecord): void {
    this.apply(record)
  }

  apply(record: KafkaRecord): RawChange | undefined {
    const { key } = record
    const held = this.pairs.get(key)
    const known = held ?? (this.#deleted.size === 0 ? undefined : this.#deleted.get(key))
    if (known !== undefined) {
      if (known.partition === record.partition) {
        // Read again after a break: what its consumer knows of it is not known here.
        if (record.offset === held?.offset) return { type: 'put', pair: held }
        if (record.offset <= known.offset) return undefined
      } else {
        this.#strand(key, held)
        if (!isNewer(record, known)) return undefined
      }
    }
    record.revision = this.#revisionOf(record)
    if (record.deletes) {
      if (held !== undefined) this.pairs.delete(key)
      if (this.#listing || this.#stranded.has(key)) this.#deleted.set(key, traceOf(record))
      return { type: 'delete', key, revision: record.revision }
    }
    this.pairs.set(key, record)
    if (this.#deleted.size > 0) this.#deleted.delete(key)
    return { type: 'put', pair: record }
  }

  listed(): Iterable<KafkaRecord> {
    this.#listing = false
    for (const key of this.#deleted.keys()) {
      if (!this.#stranded.has(key)) this.#deleted.delete(key)
    }
    return this.pairs.values()
  }

  settled(): Promise<void> {
    return Promise.resolve()
  }

  #strand(key: string, held: KafkaRecord | undefined): void {
    if (this.#stranded.has(key)) return
    this.#stranded.set(key, held?.revision ?? 0)
    this.#onStranded(key)
  }

  /** The offset; for a key that moves between partitions it must grow all the same. */
  #revisionOf(record: KafkaRecord): number {
    if (this.#stranded.size === 0) return record.offset
    const highest = this.#stranded.get(record.key)
    if (highest === undefined) return record.offset
    const revision = Math.max(record.offset, highest + 1)
    this.#stranded.set(record.key, revision)
    return revision
  }
}

function isNewer(record: Trace, than: Trace): boolean {
  if (record.timestamp !== than.timestamp) return record.timestamp > than.timestamp
  return record.partition > than.partition
}

function traceOf({ partition, offset, timestamp }: KafkaRecord): Trace {
  return { partition, offset, timestamp }
}
