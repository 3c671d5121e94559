import type { Buffer } from 'node:buffer'
import { constants } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { openAsClass } from 'lmdb'
import type { RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb'
import { isSyncError, StoreCorruptError, StoreLockedError } from '../../api/errors.ts'
import { codeOf } from './errors.ts'
import { FORMAT, META, RANGE_OF_ALL, storeKeys } from './layout.ts'
import type { StoreKey } from './layout.ts'

/** The driver's handle of one open. All reads are synchronous, all returned values are copies. */
export type Database = RootDatabase<Buffer, StoreKey>

/** What every store says of itself. */
export interface StoreFormat {
  readonly format: number
  /** Names this store, from its making to its deletion. */
  readonly epoch: string
}

/** Lists in progress pin a slot each. */
const MAX_READERS = 512

const OPTIONS = {
  // Else a name with a dot in it were a file.
  noSubdir: false,
  // Commits in LMDB's own order: pages, fdatasync, header, and only then the answer.
  overlappingSync: false,
  // Else the driver makes a promise that nobody sees, whose rejection would end the process.
  eventTurnBatching: false,
  // The driver's thread begins with a batch while the rest of it is still being handed over.
  batchStartThreshold: 32,
  maxReaders: MAX_READERS,
  encoding: 'binary',
  useVersions: true,
  keyEncoder: storeKeys,
} as const

/**
 * Opens an existing store without the writers' mutex.
 * @returns undefined when there is nothing in it yet
 * @throws StoreCorruptError when it is not a store of ours, StoreLockedError, and the driver's errors
 */
export function openForReading(path: string): Database | undefined {
  // LMDB marks readers by their process numbers, which containers do not share.
  const database = open({ path, readOnly: true }, `process ${process.pid} of another container`)
  try {
    if (formatOf(database, path) !== undefined) return database
    for (const _ of database.getKeys({ ...RANGE_OF_ALL, limit: 1 })) {
      throw new StoreCorruptError(path, 'it is an LMDB store of something else')
    }
  } catch (error) {
    void database.close()
    throw error
  }
  void database.close()
  return undefined
}

/** Opens or makes a store. @throws StoreLockedError, and the driver's errors */
export function openForWriting(path: string, mapSize: number | undefined): Database {
  // The driver shares one handle per file and process, and the first open says what it is good for.
  const holder = 'a readOnly open of this process'
  return open({ path, ...(mapSize === undefined ? {} : { mapSize }) }, holder)
}

/** How often an open is tried again, and how long apart at most. */
const ATTEMPTS = 10
const APART_MS = 40
/** An attempt that took longer was no accident. */
const LONG_MS = 1_000

/**
 * Tries an open again that met LMDB's mutexes just when the last process that used them took them down; when all have
 * closed, the next open makes new ones.
 */
export async function steadily<T>(open: () => T, random: () => number): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const startedAt = performance.now()
    try {
      return open()
    } catch (error) {
      const isLong = performance.now() - startedAt > LONG_MS
      if (isLong || attempt === ATTEMPTS || !isUnusable(error)) throw error
    }
    // Real time, whatever the clock: another process is waited for.
    // oxlint-disable-next-line no-await-in-loop
    await pause(random() * APART_MS)
  }
}

/** @throws StoreCorruptError when another version of this package wrote the store */
export function formatOf(database: Database, path: string): StoreFormat | undefined {
  const bytes = database.get(META.format)
  if (bytes === undefined) return undefined
  const format = JSON.parse(bytes.toString()) as StoreFormat
  if (format.format === FORMAT) return format
  throw new StoreCorruptError(path, `it has format ${format.format}, this version knows ${FORMAT}`)
}

/** `holder` is who is to blame when the locks cannot be used, after all. */
function open(part: RootDatabaseOptionsWithPath & { path: string }, holder: string): Database {
  const options = { ...OPTIONS, ...part }
  // In two steps: what the first has opened, the driver would not close when the second fails.
  const Root = openAsClass(options) as unknown as new (name: null, all: object) => Database
  try {
    return new Root(null, { isRoot: true, ...options })
  } catch (cause) {
    const half = Object.assign(Object.create(Root.prototype) as Database, { isRoot: true })
    void half.close()
    if (codeOf(cause) !== constants.errno.EINVAL) throw cause
    throw new StoreLockedError(part.path, holder, { cause })
  }
}

function isUnusable(error: unknown): boolean {
  return isSyncError(error, 'SYNC_STORE_LOCKED') && codeOf(error.cause) === constants.errno.EINVAL
}
