import type { Batch, RawPair, Receipt } from '../api/transport.ts'
import { Fifo } from '../kit/fifo.ts'
import { PrefixIndex } from '../kit/prefix-index.ts'
import { ListView } from './list-view.ts'

export type ChangesBatch = Extract<Batch, { kind: 'changes' }>

/** What a change means to a group. */
export interface GroupEntry {
  readonly sequence: number
  /** The same object for all readers. */
  readonly batch: ChangesBatch
}

/** What a group knows of its readers. */
export interface GroupReader {
  /** The place of the entry that it takes next. */
  readonly place: number
  /** It will take this entry, which is the latest: a receipt of its own is asked for then. */
  expect(entry: GroupEntry, receipt: () => Receipt): void
  /** There is news. */
  notify(): void
}

/**
 * Readers of the same prefixes. They share one list of entries, each by its place in it, which is never used again; a
 * reader is a place, nothing is queued for it.
 */
export class ReaderGroup {
  /** None inside another. */
  readonly prefixes: readonly string[]
  readonly readers: Set<GroupReader> = new Set()
  /** Those that have not taken entries whose writers wait for their answer: these are kept for them. */
  readonly owing: Set<GroupReader> = new Set()
  readonly #cover = new PrefixIndex<true>()
  readonly #entries = new Fifo<GroupEntry>()
  /** Place of the oldest entry. */
  #first = 0
  /** All behind this sequence are entered. */
  #enteredFrom: number
  #view: ListView | undefined

  constructor(prefixes: readonly string[], sequence: number) {
    this.prefixes = prefixes
    this.#enteredFrom = sequence
    for (const prefix of prefixes) this.#cover.set(prefix, true)
  }

  /** Readers before it are cut off. */
  get first(): number {
    return this.#first
  }

  /** Where the next entry will be. */
  get end(): number {
    return this.#first + this.#entries.size
  }

  get enteredFrom(): number {
    return this.#enteredFrom
  }

  at(place: number): GroupEntry | undefined {
    return this.#entries.at(place - this.#first)
  }

  covers(key: string): boolean {
    return this.#cover.covers(key)
  }

  enter(entry: GroupEntry): void {
    this.#entries.push(entry)
    this.#view = undefined
  }

  /** What came before the group was there, back to a sequence; oldest first. */
  enterOlder(entries: readonly GroupEntry[], sequence: number): void {
    this.#entries.prepend(entries)
    this.#first -= entries.length
    this.#enteredFrom = sequence
  }

  /** Of the first entry behind a sequence. */
  placeAfter(sequence: number): number {
    let low = 0
    let high = this.#entries.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries.at(middle) as GroupEntry).sequence > sequence) high = middle
      else low = middle + 1
    }
    return this.#first + low
  }

  /** Forgets entries up to a sequence, as far as no writer waits for a reader that has not taken them. */
  trim(sequence: number): void {
    let kept = Infinity
    for (const reader of this.owing) kept = Math.min(kept, reader.place)
    for (;;) {
      const oldest = this.#entries.at(0)
      if (oldest === undefined || oldest.sequence > sequence || this.#first >= kept) return
      this.#entries.shift()
      this.#first++
    }
  }

  /** The view of now: the one before, if nothing has changed meanwhile. */
  view(pairsUnder: (prefix: string) => readonly RawPair[]): ListView {
    this.#view ??= new ListView(this.prefixes.flatMap(pairsUnder))
    this.#view.used = true
    return this.#view
  }

  /** A view that nobody walks, nor has begun to since the last time, is let go. */
  sweep(): void {
    if (this.#view === undefined) return
    if (this.#view.readers === 0 && !this.#view.used) this.#view = undefined
    else this.#view.used = false
  }

  /** Nothing held is worth anything any more. */
  clear(): void {
    this.#first = this.end
    this.#entries.clear()
    this.#enteredFrom = 0
    this.#view = undefined
  }

  notify(): void {
    for (const reader of this.readers) reader.notify()
  }
}
