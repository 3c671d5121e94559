import { constants } from 'node:os'
import {
  AccessDeniedError,
  describeError,
  InvalidOptionError,
  isSyncError,
  StoreCorruptError,
  TransportUnavailableError,
} from '../../api/errors.ts'

/** LMDB's own codes, from lmdb.h. */
const MDB = {
  PAGE_NOTFOUND: -30797,
  CORRUPTED: -30796,
  VERSION_MISMATCH: -30794,
  INVALID: -30793,
  INCOMPATIBLE: -30784,
} as const

const DAMAGED: ReadonlySet<number> = new Set<number>([
  MDB.PAGE_NOTFOUND,
  MDB.CORRUPTED,
  MDB.VERSION_MISMATCH,
  MDB.INVALID,
  MDB.INCOMPATIBLE,
])

const { errno } = constants

const DENIED: ReadonlySet<number> = new Set([errno.EACCES, errno.EPERM, errno.EROFS])

export interface ErrorPlace {
  /** The transport's name. */
  readonly name: string
  readonly path: string
}

/** A failed `open`, by number or system code; what is one of ours already passes through. */
export function openError(error: unknown, { name, path }: ErrorPlace): Error {
  if (isSyncError(error)) return error
  const code = codeOf(error)
  const problem = `${path}: ${describeError(error)}`
  if (code !== undefined && DAMAGED.has(code)) {
    return new StoreCorruptError(path, describeError(error), { cause: error })
  }
  if (code !== undefined && DENIED.has(code)) {
    return new AccessDeniedError(name, problem, { cause: error })
  }
  if (code === errno.ENOTDIR || code === errno.EEXIST) {
    return new InvalidOptionError('path', `${path} is not a folder`, { cause: error })
  }
  return new TransportUnavailableError(name, problem, { cause: error })
}

/** A failed commit; `outcome` says what became of it. */
export function commitError(
  error: unknown,
  { name, path }: ErrorPlace,
  outcome: 'not-applied' | 'unknown',
): Error {
  if (isSyncError(error)) return error
  const code = codeOf(error)
  if (code !== undefined && DAMAGED.has(code)) {
    return new StoreCorruptError(path, describeError(error), { cause: error })
  }
  const problem = `${path}: ${describeError(error)}`
  return new TransportUnavailableError(name, problem, { cause: error, outcome })
}

/** A failed read. */
export function readError(error: unknown, place: ErrorPlace): Error {
  return openError(error, place)
}

/** The driver's number, or the number of the system's code; undefined when it has neither. */
export function codeOf(error: unknown): number | undefined {
  // Not instanceof: system errors may come from another realm.
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  if (typeof error.code === 'number') return error.code
  return Object.entries(errno).find(([name]) => name === error.code)?.[1]
}
