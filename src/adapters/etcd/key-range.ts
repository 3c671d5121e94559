import { isUtf8 } from 'node:buffer'
import { compareKeys, MAX_KEY_BYTES } from '../../api/key.ts'

/** Keys from `key` on, before `rangeEnd`; an end of one zero byte means no end. */
export interface KeyRange {
  readonly key: Buffer
  readonly rangeEnd: Buffer
}

/** etcd's way to say "from here on", and its smallest key. */
const ZERO = Buffer.of(0)

/** All keys that begin with the prefix. */
export function rangeOf(prefix: string): KeyRange {
  const bytes = Buffer.from(prefix)
  return { key: bytes.length === 0 ? ZERO : bytes, rangeEnd: endOf(bytes) }
}

/** Keys that begin with the prefix and stand behind another one. */
export function rangeBehind(prefix: string, behind: string | undefined): KeyRange {
  const range = rangeOf(prefix)
  if (behind === undefined) return range
  const next = after(Buffer.from(behind))
  return Buffer.compare(next, range.key) > 0 ? { ...range, key: next } : range
}

/**
 * The smallest range that covers all prefixes. One watch on it gives the changes of all in the store's order, which
 * several watches would not (C2).
 */
export function hullOf(prefixes: readonly string[]): KeyRange {
  const sorted = [...prefixes].sort((a, b) => compareKeys(a, b))
  const [first = ''] = sorted
  const { key } = rangeOf(first)
  const ends = sorted.map((prefix) => rangeOf(prefix).rangeEnd)
  const open = ends.some((end) => end.equals(ZERO))
  const rangeEnd = open ? ZERO : ends.reduce((a, b) => (Buffer.compare(a, b) < 0 ? b : a), ZERO)
  return { key, rangeEnd }
}

/** The next key in etcd's order. */
export function after(key: Uint8Array): Buffer {
  return Buffer.concat([key, ZERO])
}

/** The key as text; undefined for one that breaks the rules of datasync.md §1. */
export function keyText(key: Uint8Array): string | undefined {
  if (key.length === 0 || key.length > MAX_KEY_BYTES) return undefined
  const text = bufferOf(key).toString('utf8')
  // What is no UTF-8 is decoded to this sign.
  return text.includes('\ufffd') && !isUtf8(key) ? undefined : text
}

/** The same bytes as a Buffer. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The last byte that can be raised is; without one there is no end. */
function endOf(prefix: Buffer): Buffer {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const byte = prefix[i] as number
    if (byte === 0xff) continue
    const end = Buffer.from(prefix.subarray(0, i + 1))
    end[i] = byte + 1
    return end
  }
  return ZERO
}
