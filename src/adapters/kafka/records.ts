import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { MAX_KEY_BYTES } from '../../api/key.ts'
import type { Extent } from './batch-extents.ts'
import { KafkaRecord, ValueCopier } from './kafka-record.ts'

/** One partition of a fetch answer, as kafkajs decodes it. */
export interface FetchedPartition {
  readonly partition: number
  readonly highWatermark: string
  readonly lastStableOffset?: string
  readonly abortedTransactions?: readonly AbortedTransaction[] | null
  readonly messages: readonly FetchedMessage[]
  /** How far the answer went; undefined where it is not known. */
  readonly extent?: Extent | undefined
}

export interface AbortedTransaction {
  readonly producerId: string
  readonly firstOffset: string
}

export interface FetchedMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly isControlRecord?: boolean
  /** Absent in the format before Kafka 0.11. */
  readonly batchContext?: {
    readonly firstOffset: string
    readonly lastOffsetDelta: number
    readonly producerId: string
    readonly inTransaction: boolean
  }
}

/** What is read of one partition's answer. */
export interface RecordPage {
  readonly partition: number
  /** Of puts and deletes, in order. */
  readonly records: readonly KafkaRecord[]
  /** Where to go on: behind the last batch, whatever is left in it. */
  readonly next: number
  /** Proof of identity: the last record there was, of whatever kind. */
  readonly last: Evidence | undefined
  /** Nothing is readable at or behind it yet. */
  readonly end: number
}

/** A record that proves, when it is found again, that a partition is still the same. */
export interface Evidence {
  readonly offset: number
  readonly digest: string
}

/** Which records are wanted; the others are passed over. `skipped` is told of keys that are none (datasync.md §1). */
export interface RecordFilter {
  covers(key: string): boolean
  skipped(): void
}

/**
 * Reads one partition's part of an answer from `from` on: markers and records of aborted transactions are left out, their
 * offsets count.
 */
export function readRecords(
  fetched: FetchedPartition,
  from: number,
  filter: RecordFilter,
): RecordPage {
  const { partition, messages } = fetched
  const end = Number(fetched.lastStableOffset ?? fetched.highWatermark)
  const aborted = new Aborted(fetched.abortedTransactions ?? [])
  const copier = new ValueCopier()
  const records: KafkaRecord[] = []
  for (const message of messages) {
    const offset = Number(message.offset)
    const visible = aborted.lets(message, offset)
    if (!visible || offset < from) continue
    const key = message.key === null ? undefined : keyOf(message.key)
    if (key === undefined) filter.skipped()
    else if (filter.covers(key)) {
      const { value } = message
      const timestamp = Number(message.timestamp)
      const record = new KafkaRecord(key, partition, offset, timestamp)
      if (value !== null) copier.copyInto(record, value)
      records.push(record)
    }
  }
  const last = messages.at(-1)
  const behindLast = last === undefined ? from : behind(last)
  const next = Math.max(from, behindLast, fetched.extent?.behind ?? 0)
  return { partition, records, next, last: last && evidenceOf(last), end }
}

/** Tells one record from any other that may have its offset one day. */
export function evidenceOf(message: FetchedMessage): Evidence {
  const digest = createHash('sha1')
    .update(`${message.timestamp} ${message.batchContext?.producerId ?? ''} `)
    .update(message.key ?? '-')
    .update(' ')
    .update(message.value ?? '-')
    .digest('base64url')
    .slice(0, 12)
  return { offset: Number(message.offset), digest }
}

function keyOf(bytes: Buffer): string | undefined {
  if (bytes.length === 0 || bytes.length > MAX_KEY_BYTES || !isUtf8(bytes)) return undefined
  return bytes.toString('utf8')
}

/** The offset behind the batch of this record: compaction may have taken the batch's last records. */
function behind({ offset, batchContext }: FetchedMessage): number {
  if (batchContext === undefined) return Number(offset) + 1
  return Number(batchContext.firstOffset) + batchContext.lastOffsetDelta + 1
}

/** Follows which producers' transactions are aborted, record by record. */
class Aborted {
  /** By first offset. */
  readonly #coming: AbortedTransaction[]
  readonly #producers = new Set<string>()
  readonly #none: boolean

  constructor(transactions: readonly AbortedTransaction[]) {
    this.#coming = [...transactions].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset))
    this.#none = transactions.length === 0
  }

  /** True for a record that readers may see. Must be called for all, in order. */
  lets(message: FetchedMessage, offset: number): boolean {
    if (this.#none) return message.isControlRecord !== true
    while (this.#coming.length > 0 && offset >= Number(this.#coming[0]?.firstOffset)) {
      this.#producers.add((this.#coming.shift() as AbortedTransaction).producerId)
    }
    const context = message.batchContext
    if (message.isControlRecord === true) {
      // A marker ends the producer's transaction, the aborted one too.
      if (context !== undefined) this.#producers.delete(context.producerId)
      return false
    }
    if (this.#producers.size === 0 || context === undefined) return true
    return !(context.inTransaction && this.#producers.has(context.producerId))
  }
}
