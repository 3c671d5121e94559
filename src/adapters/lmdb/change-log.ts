import type { RawChange, Receipt } from '../../api/transport.ts'
import type { Applied } from '../../kit/applied.ts'
import { PrefixIndex } from '../../kit/prefix-index.ts'
import type { Transaction } from './history.ts'

interface Entry extends Transaction {
  readonly bytes: number
  /** Who has to be told what became of it, per stream that has not taken it yet. */
  readonly receipts: Map<Cursor, Receipt> | undefined
}

/** Changes that follow each other, as one stream sees them. */
export interface Piece {
  /** Whole transactions; empty when none of them concerned the stream. */
  readonly changes: readonly RawChange[]
  /** The border behind them. */
  readonly revision: number
  readonly receipt: Receipt | undefined
}

/** The history that is kept for positions to go on from, in bytes of values. */
const HISTORY_BYTES = 16 * 1024 * 1024
/** What is kept for a stream that does not read; past either it has to list again. */
const BACKLOG_CHANGES = 1_000_000
const BACKLOG_BYTES = 128 * 1024 * 1024
/** A piece ends at the first transaction past this. */
const PIECE_CHANGES = 1_000
/** A change without its value. */
const CHANGE_BYTES = 64

/**
 * The latest transactions, once for all streams, which are cursors on it. Revisions follow each other without gaps.
 * Bounded: nothing is kept for want of readers but the history.
 */
export class ChangeLog {
  readonly #limit: number
  readonly #cursors = new Set<Cursor>()
  #entries: Entry[] = []
  #head = 0
  /** Everything behind this revision is in the log. */
  #floor: number
  #changes = 0
  #bytes = 0

  /** `known` are the transactions that lead to the revision, without a gap. */
  constructor(limit: number, revision: number, known: readonly Transaction[] = []) {
    this.#limit = limit
    this.#floor = revision - known.length
    for (const { changes } of known) this.append(changes, undefined)
    this.trim()
  }

  /** Changes behind it are known. */
  get floor(): number {
    return this.#floor
  }

  /** The last revision. */
  get last(): number {
    return this.#floor + this.#entries.length - this.#head
  }

  get streams(): number {
    return this.#cursors.size
  }

  /** A reader behind the revision. */
  open(prefixes: readonly string[], revision: number): Cursor {
    const cursor = new Cursor(this, prefixes, revision)
    this.#cursors.add(cursor)
    return cursor
  }

  /** Adds the transaction of the next revision; `applied` gets a receipt per stream that will carry it. */
  append(changes: readonly RawChange[], applied: Applied | undefined): void {
    const revision = this.last + 1
    let bytes = 0
    for (const change of changes) bytes += sizeOf(change)
    const receipts = applied === undefined ? undefined : this.#receipts(revision, changes, applied)
    this.#entries.push({ revision, changes, bytes, receipts })
    this.#changes += changes.length
    this.#bytes += bytes
  }

  /** After one or more `append`: wakes the streams. */
  announce(): void {
    this.trim()
    for (const cursor of this.#cursors) cursor.wake()
  }

  /** Forgets everything: whoever reads has to list again. */
  restart(revision: number): void {
    for (const cursor of this.#cursors) this.disown(cursor, cursor.revision)
    this.#entries = []
    this.#head = 0
    this.#changes = 0
    this.#bytes = 0
    // A reader that stands at the new revision already must not be taken for one that saw what led there.
    this.#floor = revision
    for (const cursor of this.#cursors) {
      cursor.lose()
      cursor.wake()
    }
  }

  /** Every stream looks again, to find that it has ended. */
  close(): void {
    for (const cursor of this.#cursors) {
      this.disown(cursor, cursor.revision)
      cursor.wake()
    }
  }

  /** The entry of a revision, undefined when it is not there yet. For {@link Cursor}. */
  at(revision: number): Entry | undefined {
    return this.#entries[this.#head + revision - this.#floor - 1]
  }

  /** Nobody answers for the stream any more. For {@link Cursor}. */
  forget(cursor: Cursor): void {
    this.#cursors.delete(cursor)
    this.disown(cursor, cursor.revision)
    this.trim()
  }

  /** Receipts behind the revision go back unrouted. */
  disown(cursor: Cursor, revision: number): void {
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (entry.revision > revision) dismiss(entry, cursor)
    }
  }

  #receipts(
    revision: number,
    changes: readonly RawChange[],
    applied: Applied,
  ): Map<Cursor, Receipt> {
    const receipts = new Map<Cursor, Receipt>()
    for (const cursor of this.#cursors) {
      if (cursor.revision >= revision || !cursor.coversAny(changes)) continue
      receipts.set(cursor, applied.receipt())
    }
    return receipts
  }

  /** Lets go of what neither the history nor a reader needs. */
  trim(): void {
    while (this.#head < this.#entries.length) {
      if (this.#changes <= this.#limit && this.#bytes <= HISTORY_BYTES) break
      const oldest = this.#entries[this.#head] as Entry
      const bearable = this.#changes <= BACKLOG_CHANGES && this.#bytes <= BACKLOG_BYTES
      if (bearable && this.#isOwed(oldest)) break
      for (const cursor of oldest.receipts?.keys() ?? []) dismiss(oldest, cursor)
      this.#floor = oldest.revision
      this.#changes -= oldest.changes.length
      this.#bytes -= oldest.bytes
      this.#head++
    }
    if (this.#head * 2 < this.#entries.length) return
    this.#entries = this.#entries.slice(this.#head)
    this.#head = 0
  }

  #isOwed(entry: Entry): boolean {
    for (const cursor of this.#cursors) {
      if (cursor.revision < entry.revision && cursor.revision >= this.#floor) return true
    }
    return false
  }
}

/** One stream's place in the log. */
export class Cursor {
  readonly #log: ChangeLog
  readonly #cover: PrefixIndex<true> = new PrefixIndex()
  #revision: number
  #lost = false
  #wake: (() => void) | undefined
  #woken = false

  constructor(log: ChangeLog, prefixes: readonly string[], revision: number) {
    this.#log = log
    this.#revision = revision
    for (const prefix of prefixes) this.#cover.set(prefix, true)
  }

  /** Everything up to here was taken. */
  get revision(): number {
    return this.#revision
  }

  coversAny(changes: readonly RawChange[]): boolean {
    return changes.some((change) => this.#covers(change))
  }

  /** Goes on behind the revision; what lies before it is answered for by a list. */
  seek(revision: number): void {
    for (let at = Math.max(this.#revision, this.#log.floor) + 1; at <= revision; at++) {
      const entry = this.#log.at(at)
      if (entry !== undefined) dismiss(entry, this)
    }
    this.#revision = revision
    this.#lost = false
  }

  /** The next `take` is `lost`. */
  lose(): void {
    this.#lost = true
  }

  /** What comes next; `lost` when it is not known any more, undefined when there is nothing yet. */
  take(): Piece | 'lost' | undefined {
    if (this.#lost || this.#revision < this.#log.floor) return 'lost'
    const start = this.#revision
    const changes: RawChange[] = []
    while (changes.length < PIECE_CHANGES) {
      const entry = this.#log.at(this.#revision + 1)
      if (entry === undefined) break
      const receipt = entry.receipts?.get(this)
      // A receipt belongs to one transaction: it travels with that alone.
      if (receipt !== undefined && changes.length > 0) break
      for (const change of entry.changes) if (this.#covers(change)) changes.push(change)
      this.#revision = entry.revision
      if (receipt === undefined) continue
      entry.receipts?.delete(this)
      this.#log.trim()
      return { changes, revision: this.#revision, receipt }
    }
    if (this.#revision === start) return undefined
    this.#log.trim()
    return { changes, revision: this.#revision, receipt: undefined }
  }

  /** Resolves at the next `wake`; one that came since the last call counts. */
  async changed(): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#woken = false
  }

  wake(): void {
    this.#woken = true
    this.#wake?.()
    this.#wake = undefined
  }

  /** Idempotent. Whoever waits in `changed` goes on. */
  close(): void {
    this.#log.forget(this)
    this.wake()
  }

  #covers(change: RawChange): boolean {
    return this.#cover.covers(change.type === 'put' ? change.pair.key : change.key)
  }
}

function dismiss(entry: Entry, cursor: Cursor): void {
  entry.receipts?.get(cursor)?.routed([])
  entry.receipts?.delete(cursor)
}

function sizeOf(change: RawChange): number {
  if (change.type === 'delete') return CHANGE_BYTES
  return CHANGE_BYTES + change.pair.value.length
}
