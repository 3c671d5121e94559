import type { Timer } from '../api/clock.ts'
import { ClosedError, describeError } from '../api/errors.ts'
import type { TransportState, TransportStatus } from '../api/status.ts'
import type {
  Batch,
  BatchStream,
  Io,
  Position,
  RawChange,
  RawPair,
  Receipt,
  Transport,
} from '../api/transport.ts'
import { newEpoch } from '../kit/epoch.ts'
import { nextTask } from '../kit/next-task.ts'
import { coverOf } from '../kit/prefix-index.ts'
import { bytesOf, CacheHistory } from './cache-history.ts'
import type { CacheRecord } from './cache-history.ts'
import { CacheReader } from './cache-reader.ts'
import type { ReaderSource } from './cache-reader.ts'
import type { ListView } from './list-view.ts'
import { ReaderGroup } from './reader-group.ts'
import type { ChangesBatch, GroupEntry } from './reader-group.ts'
import { keyOf, ReaderGroups } from './reader-groups.ts'
import { ReceiptFork } from './receipt-fork.ts'
import { ResetStagger } from './reset-stagger.ts'
import { RevisionCounter, sameBytes, WatchLoop } from './watch-loop.ts'
import type { SourceChange } from './watch-loop.ts'

export interface WatchCacheOptions {
  readonly transport: Transport
  /** What is watched and held. */
  readonly prefixes: readonly string[]
  readonly io: Io
  /** Changes kept so that a position can go on; 10 000. */
  readonly historyLimit?: number | undefined
  /** Bytes of their keys and values; 64 MiB. */
  readonly historyBytes?: number | undefined
  /** The longest time over which the lists after a reset of the upstream are spread; 5 000. */
  readonly resetJitterMs?: number | undefined
}

export interface CacheStreamOptions {
  readonly prefixes: readonly string[]
  readonly from: Position | undefined
  readonly signal: AbortSignal
  /** The reader is another process's: it answers no receipts. */
  readonly remote: boolean
}

const HISTORY_LIMIT = 10_000
const HISTORY_BYTES = 64 * 1024 * 1024
const RESET_JITTER_MS = 5_000
/** How often idle readers are told a recent position. */
const SWEEP_MS = 5_000

/**
 * One watch that serves any number of readers from memory (datasync.md §6). What a change costs depends on who watches
 * its key; what a reader costs does not depend on how far it is behind (W24). Positions are `<epoch>:<sequence>`: a new
 * epoch with every list of the upstream, one further with each of its batches.
 */
export class WatchCache {
  readonly #options: WatchCacheOptions
  readonly #loop: WatchLoop
  readonly #revisions = new RevisionCounter()
  readonly #history: CacheHistory
  readonly #stagger: ResetStagger
  readonly #readers = new Set<CacheReader>()
  readonly #groups = new ReaderGroups()
  readonly #readerSource: ReaderSource
  #epoch = ''
  #sequence = 0
  #known = false
  #marks: { readonly position: Position; readonly progress: Batch; readonly listed: Batch }
  #reconnects = 0
  #lastError: unknown
  #trimming = false
  #sweeper: Timer | undefined
  #closed = false

  constructor(options: WatchCacheOptions) {
    this.#options = options
    this.#history = new CacheHistory(
      options.historyLimit ?? HISTORY_LIMIT,
      options.historyBytes ?? HISTORY_BYTES,
    )
    this.#stagger = new ResetStagger(options.io, options.resetJitterMs ?? RESET_JITTER_MS)
    this.#marks = marksOf('')
    this.#readerSource = this.#sourceOfReaders()
    this.#loop = new WatchLoop({
      transport: options.transport,
      prefixes: coverOf(options.prefixes),
      io: options.io,
      revisions: this.#revisions,
      sink: {
        resetting: () => {},
        listed: (reason) => this.#listed(reason === 'compacted' ? reason : 'reconnected'),
        changed: (changes, _before, _after, receipt) => this.#changed(changes, receipt),
        status: () => {},
        lost: (error) => {
          this.#reconnects++
          this.#lastError = error
          const { name } = options.transport
          options.io.logger.warn(
            { transport: name, error: describeError(error) },
            'upstream of a cache lost, reconnecting',
          )
        },
      },
    })
  }

  /** Of the upstream. */
  get status(): TransportStatus {
    return {
      name: this.#options.transport.name,
      state: this.#state(),
      reconnects: this.#reconnects,
      lastError: this.#lastError,
    }
  }

  /** Its first list is complete. */
  get listed(): boolean {
    return this.#known
  }

  get readers(): number {
    return this.#readers.size
  }

  /** Changes and bytes that are kept for positions, and entries that groups hold for readers. */
  get kept(): { readonly changes: number; readonly bytes: number; readonly entries: number } {
    let entries = 0
    for (const group of this.#groups) entries += group.end - group.first
    return { changes: this.#history.changes, bytes: this.#history.bytes, entries }
  }

  /**
   * Gives pairs that were read from the upstream the revisions that readers see, where it has none. A value that no
   * reader has seen yet comes behind all.
   */
  numbered(pairs: readonly RawPair[]): readonly RawPair[] {
    if (this.#options.transport.capabilities.storeRevisions) return pairs
    for (const pair of pairs) {
      const held = this.#loop.values.get(pair.key)
      const same = held !== undefined && sameBytes(held.value, pair.value)
      pair.revision = same ? held.revision : this.#revisions.last
    }
    return pairs
  }

  /** A reader; the first one begins the watch of the upstream. Its prefixes have to be within what is held. */
  stream({ prefixes, from, signal, remote }: CacheStreamOptions): BatchStream {
    const cover = coverOf(prefixes)
    const group = this.#closed ? new ReaderGroup(cover, 0) : this.#groups.of(cover, this.#sequence)
    const source = this.#readerSource
    const reader = new CacheReader({ source, group, from, signal, remote })
    if (this.#closed) {
      reader.fail(new ClosedError(this.#options.transport.name))
      return reader
    }
    this.#readers.add(reader)
    group.readers.add(reader)
    reader.attach()
    if (this.#readers.size > 0) {
      this.#loop.start()
      this.#sweepLater()
    }
    return reader
  }

  /** Readers fail with ClosedError; nothing is left. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#loop.close()
    this.#stagger.stop()
    this.#sweeper?.stop()
    for (const reader of this.#readers) {
      reader.fail(new ClosedError(this.#options.transport.name))
    }
    this.#readers.clear()
    for (const group of this.#groups) this.#groups.delete(group)
    this.#history.clear()
  }

  #state(): TransportState {
    if (this.#closed) return 'closed'
    if (this.#loop.live || this.#loop.state.name === 'idle') return 'live'
    if (this.#known) return 'stale'
    // A first list that is under way says nothing about the link.
    return this.#reconnects > 0 ? 'connecting' : 'live'
  }

  #sourceOfReaders(): ReaderSource {
    // Readers get no more of the cache than this.
    const isListed = (): boolean => this.#known
    const sequence = (): number => this.#sequence
    return {
      get listed() {
        return isListed()
      },
      get sequence() {
        return sequence()
      },
      progress: () => this.#mark().progress,
      listedNow: () => this.#mark().listed,
      resume: (group, from) => this.#resume(group, from),
      view: (group) => this.#viewOf(group),
      tidy: (group) => group.trim(this.#history.floor),
      ended: (reader) => this.#ended(reader),
    }
  }

  /** A new list, complete: another epoch. */
  #listed(reason: 'compacted' | 'reconnected'): void {
    const first = !this.#known
    this.#known = true
    this.#epoch = newEpoch()
    this.#sequence = 0
    this.#history.clear()
    for (const group of this.#groups) group.clear()
    const readers = [...this.#readers]
    for (const reader of readers) reader.relist(reason)
    if (first) for (const reader of readers) reader.notify()
    else this.#stagger.spread(readers)
  }

  #changed(changes: readonly SourceChange[], receipt: Receipt | undefined): void {
    if (changes.length === 0) {
      receipt?.routed([])
      return
    }
    this.#sequence++
    const raw = changes.map(toRaw)
    const batch: ChangesBatch = { kind: 'changes', changes: raw, position: this.#position() }
    const sequence = this.#sequence
    const record: CacheRecord = { sequence, batch, bytes: bytesOf(raw) }
    const fork = receipt === undefined ? undefined : new ReceiptFork(receipt)
    this.#groups.route(raw, (group, part) => {
      this.#enter(group, record, part, fork)
      group.notify()
    })
    fork?.seal()
    this.#history.add(record)
    this.#trimSoon()
  }

  #enter(
    group: ReaderGroup,
    record: CacheRecord,
    part: readonly RawChange[],
    fork: ReceiptFork | undefined,
  ): void {
    const entry = entryOf(record, part)
    group.enter(entry)
    if (fork === undefined) return
    for (const reader of group.readers) reader.expect(entry, () => fork.branch())
  }

  #resume(
    group: ReaderGroup,
    from: Position,
  ): { readonly place: number } | 'compacted' | 'reconnected' {
    const sequence = this.#sequenceOf(from)
    if (sequence === undefined) return 'reconnected'
    if (sequence < this.#history.floor) return 'compacted'
    if (sequence < group.enteredFrom) {
      const older: GroupEntry[] = []
      for (const record of this.#history.between(sequence, group.enteredFrom)) {
        const part = record.batch.changes.filter((change) => group.covers(keyOf(change)))
        if (part.length === 0) continue
        older.push(entryOf(record, part))
      }
      group.enterOlder(older, sequence)
    }
    return { place: group.placeAfter(sequence) }
  }

  /** Undefined: of another epoch, or none of ours. */
  #sequenceOf(position: Position): number | undefined {
    const mark = `${this.#epoch}:`
    if (!position.startsWith(mark)) return undefined
    const digits = position.slice(mark.length)
    const sequence = /^\d+$/u.test(digits) ? Number(digits) : Infinity
    return sequence <= this.#sequence ? sequence : undefined
  }

  #viewOf(group: ReaderGroup): ListView {
    return group.view((prefix) => this.#loop.values.view(prefix))
  }

  #ended(reader: CacheReader): void {
    const { group } = reader
    this.#readers.delete(reader)
    group.readers.delete(reader)
    if (group.readers.size === 0) this.#groups.delete(group)
  }

  /** In a later turn of the event loop, lest a burst cut off readers that had no chance to take it. */
  #trimSoon(): void {
    if (!this.#history.isOver) return
    if (this.#history.isFarOver) this.#trim(1)
    if (this.#trimming) return
    this.#trimming = true
    nextTask(() => {
      this.#trimming = false
      this.#trim(0)
    })
  }

  #trim(kept: number): void {
    const touched = new Set<ReaderGroup>()
    for (const { batch } of this.#history.trim(kept)) this.#groups.collect(batch.changes, touched)
    for (const group of touched) group.trim(this.#history.floor)
  }

  #sweepLater(): void {
    this.#sweeper ??= this.#options.io.clock.after(SWEEP_MS, () => {
      this.#sweeper = undefined
      for (const reader of this.#readers) reader.sweep()
      for (const group of this.#groups) group.sweep()
      if (this.#readers.size > 0) this.#sweepLater()
    })
  }

  #position(): Position {
    return `${this.#epoch}:${this.#sequence}`
  }

  /** Shared by all who are told the same. */
  #mark(): { readonly progress: Batch; readonly listed: Batch } {
    const position = this.#position()
    if (this.#marks.position !== position) this.#marks = marksOf(position)
    return this.#marks
  }
}

function marksOf(position: Position): {
  readonly position: Position
  readonly progress: Batch
  readonly listed: Batch
} {
  return {
    position,
    progress: { kind: 'progress', position },
    listed: { kind: 'listed', position },
  }
}

/** Those who watch all of a record share it: there may be as many groups as readers. */
function entryOf(record: CacheRecord, part: readonly RawChange[]): GroupEntry {
  const { sequence, batch } = record
  if (part.length === batch.changes.length) return record
  return { sequence, batch: { ...batch, changes: part } }
}

function toRaw({ key, prev, next, revision }: SourceChange): RawChange {
  if (next !== undefined) return { type: 'put', pair: next }
  // What a reconcile misses was deleted at no revision of the store: it is behind the last one all the same (C2).
  return { type: 'delete', key, revision: Math.max(revision, (prev?.revision ?? 0) + 1) }
}
