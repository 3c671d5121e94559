import { accessSync, constants, statfsSync, statSync } from 'node:fs'
import { describeError, InvalidOptionError, isSyncError } from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import type { Finding } from '../../api/finding.ts'
import type { Io } from '../../api/transport.ts'
import { inspectDataFile } from './data-file.ts'
import { formatOf, openForReading, steadily } from './database.ts'
import type { Database } from './database.ts'
import { openError } from './errors.ts'
import { dataFileOf, decodeState, META, rangeOfPrefix } from './layout.ts'
import { LifeSign } from './life-sign.ts'
import { settingsOf } from './options.ts'
import type { LmdbOptions, LmdbSettings } from './options.ts'
import { claimIn, nameOf } from './ownership.ts'

const MIB = 1024 * 1024
/** Less room than this on the disk is worth a word. */
const LITTLE_ROOM = 64 * MIB

/**
 * Looks at a store, whoever holds it, without a change to it.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export async function* diagnoseLmdb(options: LmdbOptions, io: Io): AsyncGenerator<Finding> {
  const settings = settingsOf(options)
  const { path } = settings
  let database: Database | undefined
  try {
    yield folder(path)
    if (inspectDataFile(path, 'read') === 'complete')
      database = await steadily(() => openForReading(path), io.random)
    const format = database && formatOf(database, path)
    if (database === undefined || format === undefined) {
      yield absent(path)
      return
    }
    const { revision } = decodeState(database.get(META.state))
    const detail = `format ${format.format}, epoch ${format.epoch}, revision ${revision}`
    yield { level: 'ok', check: 'format', detail }
    yield size(database, path)
    yield room(path)
    yield await holder(database, path)
    io.signal.throwIfAborted()
  } catch (error) {
    io.signal.throwIfAborted()
    yield unusable(error, settings)
  } finally {
    await database?.close()
  }
}

/** @throws InvalidOptionError for a file, and what the system says when it is not there, or may not be read */
function folder(path: string): Finding {
  if (!statSync(path).isDirectory()) throw new InvalidOptionError('path', `${path} is not a folder`)
  accessSync(path, constants.R_OK | constants.X_OK)
  try {
    accessSync(path, constants.W_OK)
    return { level: 'ok', check: 'folder', detail: `${path} may be read and written` }
  } catch (error) {
    return {
      level: 'warn',
      check: 'folder',
      detail: `${path} may be read only: ${describeError(error)}`,
      fix: `to watch or write: chown or chmod ${path} and what is in it for this user`,
    }
  }
}

function absent(path: string): Finding {
  return {
    level: 'error',
    check: 'store',
    detail: `${path} holds no store`,
    fix: `is the path right? datasync put lmdb:${path} <key> <value> makes a store`,
    code: 'SYNC_INVALID_OPTION',
  }
}

function size(database: Database, path: string): Finding {
  const keys = database.getKeysCount(rangeOfPrefix(''))
  const bytes = statSync(dataFileOf(path)).size
  const count = `${keys.toLocaleString('en')} ${keys === 1 ? 'key' : 'keys'}`
  return { level: 'ok', check: 'data', detail: `${count} in ${inMib(bytes)}` }
}

function room(path: string): Finding {
  const { bavail, bsize } = statfsSync(path)
  const free = bavail * bsize
  if (free >= LITTLE_ROOM) return { level: 'ok', check: 'disk', detail: `${inMib(free)} free` }
  return {
    level: 'warn',
    check: 'disk',
    detail: `only ${inMib(free)} free; when it is full, writes fail`,
    fix: 'make room',
  }
}

async function holder(database: Database, path: string): Promise<Finding> {
  const check = 'holder'
  const { owner } = claimIn(database)
  if (owner === undefined) return { level: 'ok', check, detail: 'nobody holds it' }
  const name = nameOf(owner)
  if (!(await LifeSign.isUp(path, owner.address))) {
    return { level: 'ok', check, detail: `nobody holds it; ${name} ended without giving it back` }
  }
  return {
    level: 'warn',
    check,
    detail: `${name} holds it: get and ls work beside it, watch and writes do not`,
    fix: `stop ${name}, or let it do the work`,
  }
}

function unusable(error: unknown, settings: LmdbSettings): Finding {
  if (isMissing(error)) return absent(settings.path)
  const translated = openError(error, settings)
  const { message, code } = isSyncError(translated)
    ? translated
    : ({ message: describeError(error), code: 'SYNC_UNAVAILABLE' } satisfies Partial<SyncError>)
  return {
    level: 'error',
    check: 'store',
    detail: message,
    fix: fixOf(code, settings.path),
    code,
  }
}

function fixOf(code: SyncError['code'], path: string): string {
  if (code === 'SYNC_ACCESS_DENIED') return `chown or chmod ${path} and what is in it for this user`
  if (code === 'SYNC_INVALID_OPTION') return 'give the path of the folder that data.mdb is in'
  return 'restore the folder from a backup, or give another path'
}

function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT'
}

function inMib(bytes: number): string {
  return bytes < MIB ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(bytes / MIB)} MiB`
}
