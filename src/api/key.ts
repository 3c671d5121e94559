import { InvalidKeyError } from './errors.ts'

/** The longest key or prefix, in UTF-8 bytes, with what `prefixed` adds (datasync.md §1). */
export const MAX_KEY_BYTES = 1024

/** Why a key breaks the rules of datasync.md §1, or undefined when it does not. */
export function keyProblem(key: string, limit: number = MAX_KEY_BYTES): string | undefined {
  if (key.length === 0) return 'it is empty'
  return prefixProblem(key, limit)
}

/** As {@link keyProblem}; a prefix may be empty. */
export function prefixProblem(prefix: string, limit: number = MAX_KEY_BYTES): string | undefined {
  if (!prefix.isWellFormed()) return 'it holds a lone surrogate'
  // A UTF-16 unit takes one to three bytes: most keys need no count.
  if (prefix.length * 3 <= limit) return undefined
  const size = utf8Length(prefix)
  return size > limit ? `it has ${size} bytes, the limit is ${limit}` : undefined
}

/** @throws InvalidKeyError (`SYNC_INVALID_KEY`) */
export function assertKey(key: unknown, limit?: number): asserts key is string {
  if (typeof key !== 'string') throw new InvalidKeyError(String(key), 'it is not a string')
  const problem = keyProblem(key, limit)
  if (problem !== undefined) throw new InvalidKeyError(key, problem)
}

/** @throws InvalidKeyError (`SYNC_INVALID_KEY`) */
export function assertPrefix(prefix: unknown, limit?: number): asserts prefix is string {
  if (typeof prefix !== 'string') throw new InvalidKeyError(String(prefix), 'it is not a string')
  const problem = prefixProblem(prefix, limit)
  if (problem !== undefined) throw new InvalidKeyError(prefix, problem)
}

/** The number of bytes of a well-formed string in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) bytes += unit > 0x7ff ? 2 : 1
    // A surrogate pair is four bytes: three here, one for its second unit.
    if (unit >= 0xd800 && unit <= 0xdbff) i++
  }
  return bytes
}

/**
 * Orders keys by their UTF-8 bytes; JavaScript's `<` differs above U+FFFF. The first `same` units are known to be the
 * same in both.
 */
export function compareKeys(a: string, b: string, same = 0): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = same; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return utf8Rank(x) - utf8Rank(y)
  }
  return a.length - b.length
}

/** True when `key` begins with `prefix`; compares from the end, where keys differ. */
export function hasPrefix(key: string, prefix: string): boolean {
  if (key.length < prefix.length) return false
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (key.charCodeAt(i) !== prefix.charCodeAt(i)) return false
  }
  return true
}

/** Moves surrogates above the rest of the basic plane, as UTF-8 has them. */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
