import type { RawChange } from '../../api/transport.ts'
import { KafkaPair } from './kafka-pair.ts'
import type { TableRecord } from './records.ts'

/** A key's last record, as far as it says which of two is newer. */
interface Trace {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
}

/**
 * What the records of a topic add up to. Records of one partition come in order; between partitions, where a key lies in
 * two of them (the topic has grown, or another program partitions in another way), the newer timestamp wins.
 */
export class Table {
  readonly pairs: Map<string, KafkaPair> = new Map()
  /** Deleted keys while the partitions are read in no common order; later those of stranded keys only. */
  readonly #deleted = new Map<string, Trace>()
  /** Keys seen in several partitions, and the highest revision that each was given. */
  readonly #stranded = new Map<string, number>()
  readonly #onStranded: (key: string) => void
  #listing: boolean

  /** `partitions`: how many the topic has. `onStranded` is called once per key. */
  constructor(partitions: number, onStranded: (key: string) => void) {
    this.#listing = partitions > 1
    this.#onStranded = onStranded
  }

  /** Some keys lie in several partitions. */
  get stranded(): boolean {
    return this.#stranded.size > 0
  }

  /** Returns what changed; undefined for a record that is older than what is known. */
  apply(record: TableRecord): RawChange | undefined {
    const { key, value } = record
    const held = this.pairs.get(key)
    const known = held ?? (this.#deleted.size === 0 ? undefined : this.#deleted.get(key))
    if (known !== undefined) {
      if (known.partition === record.partition) {
        if (record.offset <= known.offset) return undefined
      } else {
        this.#strand(key, held)
        if (!isNewer(record, known)) return undefined
      }
    }
    const revision = this.#revisionOf(record)
    if (value === null) {
      if (held !== undefined) this.pairs.delete(key)
      if (this.#listing || this.#stranded.has(key)) this.#deleted.set(key, traceOf(record))
      return { type: 'delete', key, revision }
    }
    const pair = new KafkaPair(record, value, revision)
    this.pairs.set(key, pair)
    if (this.#deleted.size > 0) this.#deleted.delete(key)
    return { type: 'put', pair }
  }

  /** All partitions are read to their ends: from now on records come as they are written. */
  listed(): void {
    this.#listing = false
    for (const key of this.#deleted.keys()) {
      if (!this.#stranded.has(key)) this.#deleted.delete(key)
    }
  }

  #strand(key: string, held: KafkaPair | undefined): void {
    if (this.#stranded.has(key)) return
    this.#stranded.set(key, held?.revision ?? 0)
    this.#onStranded(key)
  }

  /** The offset; for a key that moves between partitions it must grow all the same. */
  #revisionOf(record: TableRecord): number {
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

function traceOf({ partition, offset, timestamp }: TableRecord): Trace {
  return { partition, offset, timestamp }
}
