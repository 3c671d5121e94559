import type { Buffer } from 'node:buffer'
import { constants } from 'node:os'
import { open } from 'lmdb'
import type { RootDatabase } from 'lmdb'
import { StoreCorruptError, StoreLockedError } from '../../api/errors.ts'
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
  const database = openReader(path)
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

function openReader(path: string): Database {
  try {
    return open<Buffer, StoreKey>({ ...OPTIONS, path, readOnly: true })
  } catch (cause) {
    // LMDB marks readers by their process numbers, which containers do not share.
    if (codeOf(cause) !== constants.errno.EINVAL) throw cause
    throw new StoreLockedError(path, `process ${process.pid} of another container`, { cause })
  }
}

/** Opens or makes a store. @throws StoreLockedError, and the driver's errors */
export function openForWriting(path: string, mapSize: number | undefined): Database {
  const size = mapSize === undefined ? {} : { mapSize }
  try {
    return open<Buffer, StoreKey>({ ...OPTIONS, path, ...size })
  } catch (cause) {
    // The driver shares one handle per file and process, and the first open says what it is good for.
    if (codeOf(cause) !== constants.errno.EINVAL) throw cause
    throw new StoreLockedError(path, 'a readOnly open of this process', { cause })
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
