import type { Batch, BatchIterator, BatchStream, Position, Receipt } from '../api/transport.ts'
import type { ListView } from './list-view.ts'
import type { GroupEntry, GroupReader, ReaderGroup } from './reader-group.ts'

type ResetReason = Extract<Batch, { kind: 'reset' }>['reason']

const RESETS = {
  compacted: { kind: 'reset', reason: 'compacted' },
  reconnected: { kind: 'reset', reason: 'reconnected' },
} as const satisfies Record<ResetReason, Batch>

/** What a reader needs of its cache. */
export interface ReaderSource {
  /** A complete state is held. */
  readonly listed: boolean
  readonly sequence: number
  /** A progress mark with the present position. */
  progress(): Batch
  /** The word that a list is complete, with the present position. */
  listedNow(): Batch
  /** Where a reader of the group goes on behind a position; or why it cannot. */
  resume(group: ReaderGroup, from: Position): { readonly place: number } | ResetReason
  view(group: ReaderGroup): ListView
  /** The reader has taken all that was kept for it. */
  tidy(group: ReaderGroup): void
  ended(reader: CacheReader): void
}

/** A list that is being read. */
interface Listing {
  readonly view: ListView
  readonly listed: Batch
  page: number
  /** A page was taken since the last sweep. */
  moved: boolean
}

/**
 * One reader of a cache: a place in the entries of its group. It waits for the first list of the upstream, lists or goes
 * on behind its position, then gives what comes; who falls behind the history begins again with a reset.
 */
export class CacheReader implements BatchIterator, BatchStream, GroupReader {
  /** Of another process: it answers no receipts (datasync.md §5). */
  readonly remote: boolean
  /** Until its turn comes in a reset of all, it gets nothing. */
  held = false
  readonly #source: ReaderSource
  readonly #group: ReaderGroup
  readonly #signal: AbortSignal
  readonly #onAbort = (): void => this.end()
  /** Undefined once it has begun. */
  #begin: { readonly from: Position | undefined } | undefined
  #reset: ResetReason | undefined
  /** It has to list, or is about it. */
  #lists = false
  #listing: Listing | undefined
  #place = 0
  /** Sequence of the last position that it was given. */
  #told = -1
  #progressDue = false
  #receipts: Map<GroupEntry, Receipt> | undefined
  #ended = false
  #failure: { readonly cause: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(options: {
    readonly source: ReaderSource
    readonly group: ReaderGroup
    readonly from: Position | undefined
    readonly signal: AbortSignal
    readonly remote: boolean
  }) {
    this.#source = options.source
    this.#group = options.group
    this.#begin = { from: options.from }
    this.#signal = options.signal
    this.remote = options.remote
  }

  /** Called once, when the cache knows it. */
  attach(): void {
    if (this.#signal.aborted) this.end()
    else this.#signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  get group(): ReaderGroup {
    return this.#group
  }

  get place(): number {
    return this.#place
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  poll(): Batch | undefined {
    if (this.#ended || this.#failure !== undefined || this.held || !this.#source.listed) {
      return undefined
    }
    if (this.#begin !== undefined) return this.#start(this.#begin.from)
    // Also behind a list that took longer than the history reaches.
    if (!this.#lists && this.#place < this.#group.first) this.restart('compacted')
    if (this.#reset !== undefined) {
      const reset = RESETS[this.#reset]
      this.#reset = undefined
      return reset
    }
    return this.#lists ? this.#nextPage() : this.#nextEntry()
  }

  async next(): Promise<IteratorResult<Batch, undefined>> {
    for (;;) {
      const value = this.poll()
      if (value !== undefined) return { done: false, value }
      if (this.#ended) return { done: true, value: undefined }
      if (this.#failure !== undefined) {
        const { cause } = this.#failure
        this.end()
        throw cause
      }
      // oxlint-disable-next-line no-await-in-loop -- waiting for news is the purpose
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  return(): Promise<IteratorResult<Batch, undefined>> {
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  expect(entry: GroupEntry, receipt: () => Receipt): void {
    // One that will list, or is cut off, gets what is written in the list.
    if (this.remote || this.#begin !== undefined) return
    if ((this.#lists && this.#listing === undefined) || this.#place < this.#group.first) return
    this.#receipts ??= new Map()
    this.#receipts.set(entry, receipt())
    this.#group.owing.add(this)
  }

  /** It lists again, whatever it was about; before its next batch. */
  restart(reason: ResetReason): void {
    // It has not begun: it will see for itself.
    if (this.#begin !== undefined) return
    this.#leaveView()
    this.#disown()
    this.#lists = true
    this.#reset = reason
  }

  /**
   * The upstream was listed. A reader of this process lists this state, whenever it comes to it: it answers for what is
   * written from now on. Others list what is there at their turn.
   */
  relist(reason: ResetReason): void {
    if (this.remote) {
      this.restart(reason)
      return
    }
    const begin = this.#begin
    this.#begin = undefined
    this.restart(reason)
    // Who has seen nothing yet has nothing to forget.
    if (begin !== undefined && begin.from === undefined) this.#reset = undefined
    this.#listing = this.#beginList()
  }

  /** Now and then, so that idle readers know a recent position, and abandoned lists hold nothing. */
  sweep(): void {
    const listing = this.#listing
    if (listing !== undefined) {
      if (!listing.moved && this.#place < this.#group.first) this.restart('compacted')
      listing.moved = false
    } else if (this.#begin === undefined && this.#told !== this.#source.sequence) {
      this.#progressDue = true
      this.notify()
    }
  }

  fail(cause: unknown): void {
    this.#failure ??= { cause }
    this.#leaveView()
    this.#disown()
    this.notify()
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#leaveView()
    this.#disown()
    this.#source.ended(this)
    this.notify()
  }

  #start(from: Position | undefined): Batch | undefined {
    this.#begin = undefined
    const resumed = from === undefined ? undefined : this.#source.resume(this.#group, from)
    if (typeof resumed === 'object') {
      this.#place = resumed.place
      return this.#nextEntry() ?? this.#progress()
    }
    this.#lists = true
    if (resumed === undefined) return this.#nextPage()
    return RESETS[resumed]
  }

  #nextPage(): Batch {
    this.#listing ??= this.#beginList()
    const { view, listed, page } = this.#listing
    const next = view.pages[page]
    this.#listing.moved = true
    if (next !== undefined) {
      this.#listing.page++
      return next
    }
    this.#leaveView()
    this.#lists = false
    return listed
  }

  #beginList(): Listing {
    const view = this.#source.view(this.#group)
    view.readers++
    this.#place = this.#group.end
    this.#told = this.#source.sequence
    return { view, listed: this.#source.listedNow(), page: 0, moved: true }
  }

  #nextEntry(): Batch | undefined {
    const entry = this.#group.at(this.#place)
    if (entry === undefined) {
      return this.#progressDue && this.#told !== this.#source.sequence
        ? this.#progress()
        : undefined
    }
    this.#place++
    this.#told = entry.sequence
    const receipt = this.#receipts?.get(entry)
    if (receipt === undefined) return entry.batch
    this.#receipts?.delete(entry)
    if (this.#receipts?.size === 0) {
      this.#group.owing.delete(this)
      this.#source.tidy(this.#group)
    }
    return { ...entry.batch, receipt }
  }

  #progress(): Batch {
    this.#progressDue = false
    this.#told = this.#source.sequence
    return this.#source.progress()
  }

  #leaveView(): void {
    if (this.#listing !== undefined) this.#listing.view.readers--
    this.#listing = undefined
  }

  /** Nobody answers for what it has not taken. */
  #disown(): void {
    const receipts = this.#receipts
    this.#receipts = undefined
    this.#group.owing.delete(this)
    for (const receipt of receipts?.values() ?? []) receipt.routed([])
  }
}
