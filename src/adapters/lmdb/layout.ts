import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import { compareKeys } from '../../api/key.ts'

/** The file that holds a store's data, inside its folder. */
export function dataFileOf(path: string): string {
  return join(path, 'data.mdb')
}

/** LMDB's own lock file: the readers' table and the writers' mutex. */
export function lockFileOf(path: string): string {
  return join(path, 'lock.mdb')
}

/** The number of this arrangement; a store with another one is refused. */
export const FORMAT = 1

/*
 * One tree for everything, so that a commit touches few pages. Pairs stand under their keys as UTF-8, with the revision
 * as LMDB version. What else there is begins with a byte that no UTF-8 text has, behind all pairs:
 *
 *   0xfc, revision → JSON         what the batches that end there changed, see History
 *   0xfd, time, key → nothing     what expires, in the order of time
 *   0xfe, key → time              the same by key
 *   0xff, letter                  see META
 */
const BY_REVISION = 0xfc
const BY_TIME = 0xfd
const BY_KEY = 0xfe
const FIRST_INNER = 0xf8

export const META: Readonly<Record<'format' | 'owner' | 'state', Uint8Array>> = {
  /** JSON: {@link FORMAT} and the epoch */
  format: Uint8Array.of(0xff, 0x66),
  /** JSON of the owner, or nothing; the LMDB version is the number of the claim */
  owner: Uint8Array.of(0xff, 0x6f),
  /** revision and run, see {@link encodeState} */
  state: Uint8Array.of(0xff, 0x73),
}

/** Text is a pair's key; bytes are everything else, bounds of ranges too. */
export type StoreKey = string | Uint8Array

/** How the driver writes and reads keys. */
export const storeKeys = {
  writeKey(key: StoreKey, target: Buffer, position: number): number {
    if (typeof key === 'string') return position + target.write(key, position, 'utf8')
    target.set(key, position)
    return position + key.length
  },
  readKey(source: Buffer, start: number, end: number): StoreKey {
    if ((source[start] as number) < FIRST_INNER) return source.toString('utf8', start, end)
    return new Uint8Array(source.subarray(start, end))
  },
} as const

/** A half-open range of keys. */
export interface KeyRange {
  readonly start: StoreKey
  readonly end: StoreKey
}

/** The pairs whose keys begin with the prefix. */
export function rangeOfPrefix(prefix: string): KeyRange {
  // A range without a start would begin behind what the driver takes for its own metadata.
  if (prefix === '') return { start: Uint8Array.of(0), end: Uint8Array.of(FIRST_INNER) }
  const size = Buffer.byteLength(prefix)
  const end = Buffer.alloc(size + 1, 0xff)
  end.write(prefix, 0, 'utf8')
  return { start: prefix, end }
}

/** Keys that begin with the prefix, from another one on. */
export function rangeFrom(prefix: string, from: string | undefined): KeyRange {
  const range = rangeOfPrefix(prefix)
  return from === undefined || compareKeys(from, prefix) <= 0 ? range : { ...range, start: from }
}

export const RANGE_OF_EXPIRIES: KeyRange = {
  start: Uint8Array.of(BY_TIME),
  end: Uint8Array.of(BY_TIME + 1),
}

export const RANGE_OF_HISTORY: KeyRange = {
  start: Uint8Array.of(BY_REVISION),
  end: Uint8Array.of(BY_REVISION + 1),
}

export const RANGE_OF_ALL: KeyRange = { start: Uint8Array.of(0), end: Uint8Array.of(0xff, 0xff) }

/** The last revision, and which run wrote it. */
export interface StoreState {
  readonly revision: number
  readonly run: string
}

export function encodeState({ revision, run }: StoreState): Buffer {
  return Buffer.from(`${revision}:${run}`)
}

export function decodeState(bytes: Buffer | undefined): StoreState {
  if (bytes === undefined) return { revision: 0, run: '' }
  const [revision, run = ''] = bytes.toString().split(':')
  return { revision: Number(revision), run }
}

const NUMBER_BYTES = 8

/** Big-endian: the bytes of positive doubles sort as the numbers do. */
export function encodeNumber(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(NUMBER_BYTES)
  bytes.writeDoubleBE(value)
  return bytes
}

export function decodeNumber(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, NUMBER_BYTES).getFloat64(0)
}

/** Where the history of a batch is kept. */
export function historyKey(revision: number): Buffer {
  return Buffer.concat([Buffer.of(BY_REVISION), encodeNumber(revision)])
}

/** Where the deadline of a key is kept. */
export function deadlineKey(key: string): Buffer {
  return Buffer.concat([Buffer.of(BY_KEY), Buffer.from(key)])
}

/** A key's place in the order of time. */
export function expiryKey(at: number, key: string): Buffer {
  return Buffer.concat([Buffer.of(BY_TIME), encodeNumber(at), Buffer.from(key)])
}

export function decodeExpiryKey(bytes: Uint8Array): { readonly at: number; readonly key: string } {
  const time = bytes.subarray(1, 1 + NUMBER_BYTES)
  return { at: decodeNumber(time), key: Buffer.from(bytes.subarray(1 + NUMBER_BYTES)).toString() }
}

/** The same bytes, not copied, as a plain array: a Buffer's methods differ. */
export function bytesOf(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}
