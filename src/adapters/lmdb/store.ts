import { Buffer } from 'node:buffer'
import { getLastVersion } from 'lmdb'
import type { Database } from './database.ts'
import {
  bytesOf,
  deadlineKey,
  decodeExpiryKey,
  decodeState,
  decodeNumber,
  encodeState,
  encodeNumber,
  expiryKey,
  historyKey,
  META,
  RANGE_OF_EXPIRIES,
  RANGE_OF_HISTORY,
  rangeOfPrefix,
} from './layout.ts'
import type { HistoryWrite } from './history.ts'
import type { StoreState } from './layout.ts'
import { EpochPair } from '../../kit/epoch-pair.ts'
import { Snapshot } from './snapshot.ts'
import type { SnapshotPart } from './snapshot.ts'

/** What a key is to become, and what the store holds for it. */
export interface KeyWrite {
  /** Undefined: it goes. */
  readonly value: Uint8Array | undefined
  readonly revision: number
  /** When it expires; undefined: never. */
  readonly deadline: number | undefined
  /** The deadline that is stored now. */
  readonly storedDeadline: number | undefined
}

/** All that one batch writes. */
export interface BatchWrite {
  readonly state: StoreState
  readonly writes: ReadonlyMap<string, KeyWrite>
  readonly history: HistoryWrite
}

const NO_BYTES: Buffer = Buffer.alloc(0)

/** One open store: everything is read synchronously, and written in atomic batches. */
export class Store {
  readonly epoch: string
  readonly #database: Database
  readonly #snapshots = new Set<Snapshot>()

  constructor(database: Database, epoch: string) {
    this.#database = database
    this.epoch = epoch
  }

  get state(): StoreState {
    return decodeState(this.#database.get(META.state))
  }

  get(key: string): EpochPair | undefined {
    const entry = this.#database.getEntry(key)
    if (entry === undefined) return undefined
    return new EpochPair(key, bytesOf(entry.value), entry.version ?? 0, this.epoch)
  }

  /** The revision of a key's state, undefined when there is no such key. */
  revisionOf(key: string): number | undefined {
    return this.#database.getBinaryFast(key) === undefined ? undefined : getLastVersion()
  }

  /** When the key expires, in ms since the epoch of time. */
  deadlineOf(key: string): number | undefined {
    const bytes = this.#database.get(deadlineKey(key))
    return bytes === undefined ? undefined : decodeNumber(bytes)
  }

  /** Ascending. */
  keysUnder(prefix: string): Iterable<string> {
    return this.#database.getKeys(rangeOfPrefix(prefix)) as Iterable<string>
  }

  /** The earliest deadline. */
  nextDeadline(): number | undefined {
    for (const { at } of this.#expiries(1)) return at
    return undefined
  }

  /** Keys whose time is over, earliest first. */
  due(now: number, limit: number): string[] {
    const keys: string[] = []
    for (const { at, key } of this.#expiries(limit)) {
      if (at > now) break
      keys.push(key)
    }
    return keys
  }

  /** What {@link History} wrote, oldest first. */
  *history(): Generator<Buffer> {
    for (const { value } of this.#database.getRange(RANGE_OF_HISTORY)) yield value
  }

  /** To be closed by the caller; `close` closes what is left. */
  snapshot(prefixes: readonly string[], part: SnapshotPart = {}): Snapshot {
    const snapshot = new Snapshot(this.#database, this.epoch, prefixes, part, (closed) => {
      this.#snapshots.delete(closed)
    })
    this.#snapshots.add(snapshot)
    return snapshot
  }

  /** What other processes wrote shows in the next read, not only in the next turn of the event loop. */
  refresh(): void {
    this.#database.resetReadTxn()
  }

  /**
   * Writes all or nothing and resolves when it is on disk; false: the store has another owner by now, nothing was
   * written. Keys and values must have been checked.
   */
  write(claim: number, { state, writes, history }: BatchWrite): Promise<boolean> {
    const database = this.#database
    return database.ifVersion(META.owner, claim, () => {
      void database.put(META.state, encodeState(state), 0)
      for (const [key, write] of writes) {
        if (write.value === undefined) void database.remove(key)
        else void database.put(key, write.value as Buffer, write.revision)
        if (write.deadline !== write.storedDeadline) this.#moveDeadline(key, write)
      }
      for (const revision of history.remove) void database.remove(historyKey(revision))
      const { put } = history
      if (put !== undefined) void database.put(historyKey(put.revision), put.value, 0)
    })
  }

  async close(): Promise<void> {
    for (const snapshot of this.#snapshots) snapshot.close()
    await this.#database.close()
  }

  #moveDeadline(key: string, { deadline, storedDeadline }: KeyWrite): void {
    const database = this.#database
    if (storedDeadline !== undefined) void database.remove(expiryKey(storedDeadline, key))
    if (deadline === undefined) {
      void database.remove(deadlineKey(key))
    } else {
      void database.put(deadlineKey(key), encodeNumber(deadline), 0)
      void database.put(expiryKey(deadline, key), NO_BYTES, 0)
    }
  }

  *#expiries(limit: number): Generator<{ readonly at: number; readonly key: string }> {
    for (const key of this.#database.getKeys({ ...RANGE_OF_EXPIRIES, limit })) {
      yield decodeExpiryKey(key as Uint8Array)
    }
  }
}
