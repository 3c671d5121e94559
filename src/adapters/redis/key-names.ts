import { isUtf8 } from 'node:buffer'
import { keyProblem } from '../../api/key.ts'

/** What stands for a byte that is no UTF-8 in a decoded text. */
const REPLACEMENT = '\ufffd'

/**
 * The key that Redis names by these bytes; undefined when it is none of ours (datasync.md §1): empty, longer than
 * 1 024 bytes or not UTF-8.
 */
export function decodeKey(bytes: Buffer, offset = 0): string | undefined {
  const key = bytes.toString('utf8', offset)
  // Only what holds the replacement character can have been invalid; it may also stand in the key itself.
  if (key.includes(REPLACEMENT) && !isUtf8(bytes.subarray(offset))) return undefined
  return keyProblem(key) === undefined ? key : undefined
}
