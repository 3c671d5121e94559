import type { Buffer } from 'node:buffer'
import { ClosedError } from '../../api/errors.ts'
import type { Database } from './database.ts'
import { bytesOf, decodeState, META, rangeFrom } from './layout.ts'
import type { StoreState } from './layout.ts'
import { EpochPair } from '../../kit/epoch-pair.ts'

/** A page ends at the first pair past either. */
const PAGE_PAIRS = 1_000
const PAGE_BYTES = 1024 * 1024

const NO_KEYS: ReadonlySet<string> = new Set()

/** What is left out of a {@link Snapshot}. */
export interface SnapshotPart {
  readonly skip?: ReadonlySet<string>
  /** Keys up to this one. */
  readonly after?: string | undefined
}

/** A driver's row. */
interface Row {
  readonly key: string
  readonly value: Buffer
  readonly version?: number
}

/**
 * The store at one moment, read in pages; what is written meanwhile does not show. The pages that it sees are not
 * reused before `close`, so it is not to be kept open.
 */
export class Snapshot {
  /** Everything up to this revision is in it. */
  readonly state: StoreState
  readonly #database: Database
  readonly #epoch: string
  readonly #prefixes: readonly string[]
  readonly #skip: ReadonlySet<string>
  readonly #after: string | undefined
  readonly #onClose: (snapshot: Snapshot) => void
  readonly #transaction: ReturnType<Database['useReadTransaction']>
  #next = 0
  #rows: Iterator<Row> | undefined
  #closed = false

  constructor(
    database: Database,
    epoch: string,
    prefixes: readonly string[],
    { skip, after }: SnapshotPart,
    onClose: (snapshot: Snapshot) => void,
  ) {
    this.#database = database
    this.#epoch = epoch
    this.#prefixes = prefixes
    this.#skip = skip ?? NO_KEYS
    this.#after = after
    this.#onClose = onClose
    this.#transaction = database.useReadTransaction()
    const transaction = this.#transaction
    this.state = decodeState(database.get(META.state, { transaction }))
  }

  /** The next pairs, ascending inside each prefix; undefined at the end. @throws ClosedError */
  page(): readonly EpochPair[] | undefined {
    if (this.#closed) throw new ClosedError('the list')
    const pairs: EpochPair[] = []
    let bytes = 0
    while (pairs.length < PAGE_PAIRS && bytes < PAGE_BYTES) {
      const row = this.#row()
      if (row === undefined) break
      if (row.key === this.#after || this.#skip.has(row.key)) continue
      pairs.push(new EpochPair(row.key, bytesOf(row.value), row.version ?? 0, this.#epoch))
      bytes += row.value.length
    }
    return pairs.length === 0 ? undefined : pairs
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#rows?.return?.()
    this.#transaction.done()
    this.#onClose(this)
  }

  #row(): Row | undefined {
    for (;;) {
      if (this.#rows === undefined) {
        const prefix = this.#prefixes[this.#next++]
        if (prefix === undefined) return undefined
        this.#rows = this.#range(prefix)
      }
      const { done, value } = this.#rows.next()
      if (done !== true) return value as Row
      this.#rows = undefined
    }
  }

  #range(prefix: string): Iterator<Row> {
    const rows = this.#database.getRange({
      ...rangeFrom(prefix, this.#after),
      versions: true,
      transaction: this.#transaction,
    })
    return rows[Symbol.iterator]() as Iterator<Row>
  }
}
