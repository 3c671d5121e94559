import type { RawChange } from '../../api/transport.ts'
import { nextTurn } from '../../kit/next-task.ts'
import type { KafkaRecord } from './kafka-record.ts'
import type { Table } from './table.ts'

/** Of records that wait to be looked up by key: more are put in their places at once. */
const MAX_WAITING = 2_000_000
const MAX_WAITING_BYTES = 256 * 2 ** 20
/** Put in their places in one turn of the event loop. */
const STEP = 10_000

/**
 * Of a topic with one partition, where order alone says what counts. A million entries of a Map cost as much as all else
 * of a list, and the consumer makes a Map of its own: so this one is made after the list, for point reads.
 */
export class SingleTable implements Table {
  readonly stranded = false
  readonly pairs: Map<string, KafkaRecord> = new Map()
  /** In order; those before `#placed` are in `pairs`. */
  #waiting: KafkaRecord[] = []
  #placed = 0
  #bytes = 0
  /** Keys that were deleted while the list was read, and where. */
  #deleted = new Map<string, number>()
  #settling: Promise<void> | undefined

  load(record: KafkaRecord): void {
    this.#add(record)
    if (record.deletes) this.#deleted.set(record.key, record.offset)
  }

  *listed(): Generator<KafkaRecord> {
    const deleted = this.#deleted
    this.#deleted = new Map()
    for (const record of this.pairs.values()) {
      if (isLeft(record, deleted)) yield record
    }
    const waiting = this.#waiting
    for (let i = this.#placed; i < waiting.length; i++) {
      const record = waiting[i] as KafkaRecord
      if (!record.deletes && isLeft(record, deleted)) yield record
    }
  }

  apply(record: KafkaRecord): RawChange {
    // Behind what waits, for the order.
    if (this.#waiting.length > this.#placed) this.#add(record)
    else this.#place(record)
    return record.deletes
      ? { type: 'delete', key: record.key, revision: record.offset }
      : { type: 'put', pair: record }
  }

  settled(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = undefined
    })
    return this.#settling
  }

  async #settle(): Promise<void> {
    while (this.#step(STEP)) await nextTurn()
  }

  #add(record: KafkaRecord): void {
    this.#waiting.push(record)
    this.#bytes += record.size
    // What was written over and over must not wait: only the last value of a key is kept in its place.
    if (this.#waiting.length - this.#placed > MAX_WAITING || this.#bytes > MAX_WAITING_BYTES) {
      this.#step(Infinity)
    }
  }

  /** True when some still wait. */
  #step(count: number): boolean {
    const end = Math.min(this.#waiting.length, this.#placed + count)
    for (; this.#placed < end; this.#placed++) {
      this.#place(this.#waiting[this.#placed] as KafkaRecord)
    }
    if (this.#placed < this.#waiting.length) return true
    this.#waiting = []
    this.#placed = 0
    this.#bytes = 0
    return false
  }

  #place(record: KafkaRecord): void {
    if (record.deletes) this.pairs.delete(record.key)
    else this.pairs.set(record.key, record)
  }
}

/** Not deleted behind it. */
function isLeft(record: KafkaRecord, deleted: ReadonlyMap<string, number>): boolean {
  if (deleted.size === 0) return true
  const at = deleted.get(record.key)
  return at === undefined || at < record.offset
}
