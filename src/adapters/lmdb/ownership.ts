import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, statfsSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { StoreCorruptError, StoreLockedError } from '../../api/errors.ts'
import type { Logger } from '../../api/logger.ts'
import { inspectDataFile } from './data-file.ts'
import { formatOf, openForReading, openForWriting, steadily } from './database.ts'
import type { Database } from './database.ts'
import { FORMAT, META } from './layout.ts'
import { LifeSign } from './life-sign.ts'

/** Who holds a store; one claim follows the other, numbered. */
export interface Claim {
  readonly number: number
  /** Undefined: it was given back. */
  readonly owner: Owner | undefined
}

export interface Owner {
  readonly pid: number
  readonly host: string
  /** Of its {@link LifeSign}. */
  readonly address: string
}

/** A store that is ours. */
export interface Ownership {
  readonly database: Database
  readonly epoch: string
  /** Every write is conditional on this claim being the last. */
  readonly claim: number
  /** Gives the store back, unless somebody else has it by now; closes nothing else. */
  release(): Promise<void>
}

export interface OwnOptions {
  readonly path: string
  readonly mapSize: number | undefined
  readonly logger: Logger
  readonly random: () => number
}

const NO_CLAIM: Claim = { number: 0, owner: undefined }

/** Claims that come and go under our eyes before we give up. */
const ATTEMPTS = 20

/** How long another process may take to write a new file's header. */
const CREATION_ATTEMPTS = 100
const CREATION_POLL_MS = 10

/** What a new store takes at first. */
const FIRST_BYTES = 256 * 1024

/**
 * Opens the store for writing, once among all processes and in this one. The claim is a record in the store, replaced
 * inside an LMDB write transaction only if it is still the one that was found dead or given back: of two starters that
 * see the same, the writers' mutex lets one be first. Whether the holder lives is read off its {@link LifeSign}.
 * @throws StoreLockedError (`SYNC_STORE_LOCKED`), StoreCorruptError, the driver's and the system's errors
 */
export async function own(options: OwnOptions): Promise<Ownership> {
  const { path } = options
  mkdirSync(path, { recursive: true })
  await whenCreated(path)
  if (await LifeSign.hasTwin(path)) {
    throw new StoreLockedError(path, `process ${process.pid} of another container`)
  }
  const sign = await LifeSign.raise(path)
  try {
    let found = await steadily(() => readClaim(path), options.random)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (found.owner !== undefined && (await LifeSign.isUp(path, found.owner.address))) break
      const expected = found
      const taken = await steadily(() => take(options, expected, sign), options.random)
      if (!('found' in taken)) {
        for (const error of await LifeSign.sweep(path, found.owner?.address)) {
          options.logger.warn({ path, error }, 'a socket of a former owner is left')
        }
        return taken
      }
      found = taken.found
    }
    throw new StoreLockedError(path, nameOf(found.owner))
  } catch (error) {
    await sign.lower()
    throw error
  }
}

/** Who holds the store now, in words. */
export function holderOf(database: Database): string | undefined {
  database.resetReadTxn()
  return nameOf(claimIn(database).owner)
}

/**
 * Without a pause from the look to the claim, so that two opens in one process cannot come between each other: the
 * second would wait for the first one's write transaction on the thread that has to finish it.
 */
function take(
  { path, mapSize }: OwnOptions,
  expected: Claim,
  sign: LifeSign,
): Ownership | { readonly found: Claim } {
  const before = readClaim(path)
  if (before.number !== expected.number) return { found: before }
  if (before === NO_CLAIM) assertRoom(path)
  const database = openForWriting(path, mapSize)
  try {
    const number = expected.number + 1
    const result = database.transactionSync(() => {
      const found = claimIn(database)
      if (found.number !== expected.number) return { found }
      return { epoch: write(database, path, number, sign.address) }
    })
    if (result.found !== undefined) {
      void database.close()
      return { found: result.found }
    }
    if (before === NO_CLAIM) persistFolder(path)
    return {
      database,
      epoch: result.epoch,
      claim: number,
      release: async () => {
        // A number of its own: nobody who finds the record can take it for an earlier one.
        try {
          await database.put(META.owner, Buffer.alloc(0), number + 1, number)
        } finally {
          await sign.lower()
        }
      },
    }
  } catch (error) {
    void database.close()
    throw error
  }
}

/** @returns the store's epoch, a new one when the store is new */
function write(database: Database, path: string, claim: number, address: string): string {
  const owner: Owner = { pid: process.pid, host: hostname(), address }
  void database.put(META.owner, Buffer.from(JSON.stringify(owner)), claim)
  const known = formatOf(database, path)
  if (known !== undefined) return known.epoch
  const epoch = randomUUID().slice(0, 8)
  void database.put(META.format, Buffer.from(JSON.stringify({ format: FORMAT, epoch })), 0)
  return epoch
}

/** The last claim, read without the writers' mutex. */
function readClaim(path: string): Claim {
  // Incomplete: being made this very moment, see `whenCreated`.
  if (inspectDataFile(path, 'write') !== 'complete') return NO_CLAIM
  const database = openForReading(path)
  if (database === undefined) return NO_CLAIM
  try {
    return claimIn(database)
  } finally {
    void database.close()
  }
}

/** The last claim. */
export function claimIn(database: Database): Claim {
  const entry = database.getEntry(META.owner)
  if (entry === undefined) return NO_CLAIM
  const number = entry.version ?? 0
  if (entry.value.length === 0) return { number, owner: undefined }
  return { number, owner: JSON.parse(entry.value.toString()) as Owner }
}

/** A holder in words. */
export function nameOf(owner: Owner | undefined): string | undefined {
  if (owner === undefined) return undefined
  const here = owner.host === hostname()
  if (here && owner.pid === process.pid) return `this process (pid ${owner.pid})`
  return `process ${owner.pid}${here ? '' : ` on ${owner.host}`}`
}

/** Another starter may be writing the header of a new file. */
async function whenCreated(path: string): Promise<void> {
  for (let attempt = 0; inspectDataFile(path, 'write') === 'incomplete'; attempt++) {
    if (attempt === CREATION_ATTEMPTS) throw new StoreCorruptError(path, 'data.mdb is cut off')
    // Real time, whatever the clock: another process is waited for.
    // oxlint-disable-next-line no-await-in-loop
    await pause(CREATION_POLL_MS)
  }
}

/** The driver takes the process down when it cannot write a new file's header. */
function assertRoom(path: string): void {
  const { bavail, bsize } = statfsSync(path)
  if (bavail * bsize >= FIRST_BYTES) return
  throw Object.assign(new Error('no space left on the device'), { code: 'ENOSPC' })
}

/** A new file is safe from a power cut only when its folder's entry is. */
function persistFolder(path: string): void {
  if (process.platform === 'win32') return
  for (const folder of [path, dirname(resolve(path))]) {
    const fd = openSync(folder, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }
}
