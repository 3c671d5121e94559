import { Buffer } from 'node:buffer'
import type { RawChange } from '../../api/transport.ts'
import type { Store } from './store.ts'

/** One transaction that changed something. */
export interface Transaction {
  readonly revision: number
  readonly changes: readonly RawChange[]
}

/** What a batch writes beside its keys. */
export interface HistoryWrite {
  /** Under the last revision of the batch. */
  readonly put: { readonly revision: number; readonly value: Buffer } | undefined
  readonly remove: readonly number[]
}

/** A batch on disk: the names of what it changed. The values are where they always are. */
interface Recorded {
  readonly run: string
  /** The run that wrote the revision before. */
  readonly before: string
  /** The revision of the first transaction; the others count on. */
  readonly first: number
  /** One transaction after the other: its key, or its keys. */
  readonly log: readonly (string | readonly string[])[]
}

/** A record that is on disk. */
interface Place {
  readonly revision: number
  readonly changes: number
}

/** The run that wrote a revision and those behind it. */
export interface Segment {
  readonly revision: number
  readonly run: string
}

/** What an open finds. */
export interface LoadedHistory {
  readonly history: History
  /** Without gaps up to the present revision. */
  readonly transactions: readonly Transaction[]
  readonly segments: readonly Segment[]
}

const NOTHING: HistoryWrite = { put: undefined, remove: [] }

/** Values that are read back at an open, in bytes. */
const LOAD_BYTES = 16 * 1024 * 1024

/**
 * What changed lately, kept in the store so that a checkpoint can be gone on from after a restart. Of a key that
 * changed several times only the last is known then.
 */
export class History {
  readonly #limit: number
  readonly #run: string
  readonly #places: Place[]
  #size: number
  #before: string

  private constructor(limit: number, run: string, before: string, places: Place[]) {
    this.#limit = limit
    this.#run = run
    this.#before = before
    this.#places = places
    this.#size = sizeOf(places)
  }

  /** Reads what former runs left; `limit` is in changes, 0 keeps none. */
  static load(store: Store, limit: number, run: string): LoadedHistory {
    const { revision, run: lastRun } = store.state
    const records = [...store.history()].map((bytes) => JSON.parse(bytes.toString()) as Recorded)
    const places = records.map(({ first, log }) => ({
      revision: first + log.length - 1,
      changes: log.flat().length,
    }))
    const history = new History(limit, run, lastRun, places)
    const start = { revision, run: lastRun }
    if (limit === 0) return { history, transactions: [], segments: [start] }
    const transactions = readBack(store, records, revision)
    if (transactions.length === 0) return { history, transactions, segments: [start] }
    const segments = records.flatMap(({ run: writer, before, first }) => [
      { revision: first - 1, run: before },
      { revision: first, run: writer },
    ])
    return { history, transactions, segments }
  }

  /** What to write with the transactions of a batch, in their order. */
  plan(transactions: readonly Transaction[]): HistoryWrite {
    const revision = transactions.at(-1)?.revision
    if (revision === undefined) return NOTHING
    const changes = countOf(transactions)
    const isTooMuch = changes > this.#limit
    if (isTooMuch && this.#places.length === 0) return NOTHING
    if (isTooMuch) return { put: undefined, remove: this.#places.map((place) => place.revision) }
    return { put: { revision, value: this.#encode(transactions) }, remove: this.#outgrown(changes) }
  }

  /** A planned write is on disk. */
  confirm({ put, remove }: HistoryWrite, transactions: readonly Transaction[]): void {
    if (transactions.length > 0) this.#before = this.#run
    // What goes are the oldest ones.
    this.#size -= sizeOf(this.#places.splice(0, remove.length))
    if (put === undefined) return
    const changes = countOf(transactions)
    this.#places.push({ revision: put.revision, changes })
    this.#size += changes
  }

  /** Lets it grow to twice its limit, then takes the older half away: a batch touches one place of the tree, not two. */
  #outgrown(added: number): number[] {
    if (this.#size + added <= this.#limit * 2) return []
    let size = this.#size + added
    const gone: number[] = []
    for (const { revision, changes } of this.#places) {
      if (size - changes < this.#limit) break
      size -= changes
      gone.push(revision)
    }
    return gone
  }

  #encode(transactions: readonly Transaction[]): Buffer {
    const log = transactions.map(({ changes: [change, ...more] }) => {
      const key = keyOf(change as RawChange)
      return more.length === 0 ? key : [key, ...more.map(keyOf)]
    })
    const first = transactions[0]?.revision ?? 0
    const record: Recorded = { run: this.#run, before: this.#before, first, log }
    return Buffer.from(JSON.stringify(record))
  }
}

/** The transactions that reach up to the revision without a gap, with the present values. */
function readBack(store: Store, records: readonly Recorded[], revision: number): Transaction[] {
  const transactions: Transaction[] = []
  const seen = new Set<string>()
  let next = revision
  let bytes = 0
  for (const { at, keys } of transactionsOf(records).reverse()) {
    if (at !== next || bytes > LOAD_BYTES) break
    next--
    const changes: RawChange[] = []
    for (const key of keys) {
      if (seen.has(key)) continue
      seen.add(key)
      const pair = store.get(key)
      bytes += pair?.value.length ?? 0
      if (pair === undefined) changes.push({ type: 'delete', key, revision: at })
      else changes.push({ type: 'put', pair })
    }
    transactions.push({ revision: at, changes })
  }
  return transactions.reverse()
}

function transactionsOf(records: readonly Recorded[]): { at: number; keys: readonly string[] }[] {
  return records.flatMap(({ first, log }) =>
    log.map((keys, i) => ({ at: first + i, keys: typeof keys === 'string' ? [keys] : keys })),
  )
}

function keyOf(change: RawChange): string {
  return change.type === 'put' ? change.pair.key : change.key
}

function countOf(transactions: readonly Transaction[]): number {
  let count = 0
  for (const { changes } of transactions) count += changes.length
  return count
}

function sizeOf(places: readonly Place[]): number {
  return places.reduce((sum, { changes }) => sum + changes, 0)
}
