import type { RawChange } from '../api/transport.ts'
import { Fifo } from '../kit/fifo.ts'
import type { ChangesBatch } from './reader-group.ts'

/** What one batch of the upstream changed: whole transactions (W9). */
export interface CacheRecord {
  readonly sequence: number
  /** As it goes to those who watch all of it. */
  readonly batch: ChangesBatch
  readonly bytes: number
}

/** The latest records, bounded in changes and in bytes of keys and values. */
export class CacheHistory {
  readonly #limit: number
  readonly #maxBytes: number
  readonly #records = new Fifo<CacheRecord>()
  #changes = 0
  #bytes = 0
  #floor = 0

  constructor(limit: number, maxBytes: number) {
    this.#limit = limit
    this.#maxBytes = maxBytes
  }

  /** Everything behind this sequence is known. */
  get floor(): number {
    return this.#floor
  }

  get changes(): number {
    return this.#changes
  }

  get bytes(): number {
    return this.#bytes
  }

  get isOver(): boolean {
    return this.#changes > this.#limit || this.#bytes > this.#maxBytes
  }

  /** Far beyond its bounds: it cannot wait for readers that had no turn yet. */
  get isFarOver(): boolean {
    return this.#changes > 2 * this.#limit + SLACK || this.#bytes > 2 * this.#maxBytes
  }

  add(record: CacheRecord): void {
    this.#records.push(record)
    this.#changes += record.batch.changes.length
    this.#bytes += record.bytes
  }

  /** Back into its bounds; `kept` records stay at least. Returns what is gone. */
  trim(kept: number): CacheRecord[] {
    const gone: CacheRecord[] = []
    while (this.isOver && this.#records.size > kept) {
      const record = this.#records.shift() as CacheRecord
      this.#changes -= record.batch.changes.length
      this.#bytes -= record.bytes
      this.#floor = record.sequence
      gone.push(record)
    }
    return gone
  }

  /** Records behind `after` up to `until`, oldest first. */
  *between(after: number, until: number): Generator<CacheRecord> {
    // Sequences are without gaps.
    for (let i = Math.max(0, after - this.#floor); i < this.#records.size; i++) {
      const record = this.#records.at(i) as CacheRecord
      if (record.sequence > until) return
      yield record
    }
  }

  /** Begins again, with sequence 1. */
  clear(): void {
    this.#records.clear()
    this.#changes = 0
    this.#bytes = 0
    this.#floor = 0
  }
}

/** As many changes as a watch may hand over in one turn of the event loop, and some. */
const SLACK = 4_096

/** Bytes of keys and values; a key counts its characters. */
export function bytesOf(changes: readonly RawChange[]): number {
  let bytes = 0
  for (const change of changes) {
    bytes +=
      change.type === 'put' ? change.pair.key.length + change.pair.value.length : change.key.length
  }
  return bytes
}
