import { Buffer } from 'node:buffer'
import { accessSync, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { StoreCorruptError } from '../../api/errors.ts'
import { dataFileOf, lockFileOf } from './layout.ts'

/** absent: nothing there yet; incomplete: shorter than its header, as while another process makes it. */
export type DataFileState = 'absent' | 'incomplete' | 'complete'

const META_FLAG = 0x08
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const SMALLEST_PAGE = 512
const LARGEST_PAGE = 65_536
/** Where things stand in a meta page. */
const AT = {
  flags: 18,
  magic: 24,
  version: 28,
  pageSize: 48,
  freeRoot: 88,
  mainRoot: 136,
  txn: 152,
} as const
const HEADER_BYTES = 160
const NO_PAGE = 2n ** 64n - 1n

/**
 * Looks at the file before the driver does, which takes the process down when it meets a file that is not LMDB's or
 * that it may not open. Pages further behind are not looked at.
 * @throws StoreCorruptError (`SYNC_STORE_CORRUPT`), and system errors as they are
 */
export function inspectDataFile(path: string, mode: 'read' | 'write'): DataFileState {
  const file = dataFileOf(path)
  if (!isThere(file)) return 'absent'
  const readAndWrite = constants.R_OK | constants.W_OK
  accessSync(file, mode === 'read' ? constants.R_OK : readAndWrite)
  // Readers have to be seen by the writer, or it reuses what they are reading; nobody writes where nobody can.
  if (isThere(lockFileOf(path)) && !(mode === 'read' && isReadOnly(path))) {
    accessSync(lockFileOf(path), readAndWrite)
  }
  const fd = openSync(file, 'r')
  try {
    return inspect(fd, path)
  } finally {
    closeSync(fd)
  }
}

/** @throws system errors when it cannot be told */
function isThere(file: string): boolean {
  try {
    accessSync(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** True when the file system is mounted for reading. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS'
  }
}

function inspect(fd: number, path: string): DataFileState {
  const { size } = fstatSync(fd)
  if (size === 0) return 'absent'
  if (size < HEADER_BYTES) return 'incomplete'
  const first = readMeta(fd, 0, path)
  const { pageSize } = first
  if (pageSize < SMALLEST_PAGE || pageSize > LARGEST_PAGE) {
    throw new StoreCorruptError(path, 'the page size in its header is impossible')
  }
  if (size < pageSize * 2) return 'incomplete'
  const second = readMeta(fd, pageSize, path)
  const latest = first.txn >= second.txn ? first : second
  // The file only grows: what a meta page names was written before it.
  const sizeNow = BigInt(fstatSync(fd).size)
  for (const root of [latest.freeRoot, latest.mainRoot]) {
    if (root !== NO_PAGE && (root + 1n) * BigInt(pageSize) > sizeNow) {
      throw new StoreCorruptError(path, 'data.mdb is cut off')
    }
  }
  return 'complete'
}

interface Meta {
  readonly pageSize: number
  readonly freeRoot: bigint
  readonly mainRoot: bigint
  readonly txn: bigint
}

function readMeta(fd: number, position: number, path: string): Meta {
  const bytes = Buffer.alloc(HEADER_BYTES)
  readSync(fd, bytes, 0, HEADER_BYTES, position)
  const isMeta = (bytes.readUInt16LE(AT.flags) & META_FLAG) !== 0
  if (!isMeta || bytes.readUInt32LE(AT.magic) !== MAGIC) {
    throw new StoreCorruptError(path, 'data.mdb is not an LMDB file, or its header is damaged')
  }
  const version = bytes.readUInt32LE(AT.version) & 0xffff
  if (version !== DATA_VERSION) {
    throw new StoreCorruptError(
      path,
      `data.mdb has LMDB's data version ${version}, not ${DATA_VERSION}`,
    )
  }
  return {
    pageSize: bytes.readUInt32LE(AT.pageSize),
    freeRoot: bytes.readBigUInt64LE(AT.freeRoot),
    mainRoot: bytes.readBigUInt64LE(AT.mainRoot),
    txn: bytes.readBigUInt64LE(AT.txn),
  }
}
