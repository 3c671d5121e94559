import { coverOf } from '../../kit/prefix-index.ts'

/** Redis tries every pattern of every subscriber at every write: few have to do (performance.md). */
export const MAX_PATTERNS = 16

/** Escapes what Redis' glob patterns give a meaning. */
export function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/gu, '\\$&')
}

/** The pattern of the names that begin with `prefix`. */
export function prefixPattern(prefix: string): string {
  return `${escapeGlob(prefix)}*`
}

/** The longest common beginning; never cuts a surrogate pair in two. */
export function commonPrefix(prefixes: readonly string[]): string {
  const [first = '', ...others] = prefixes
  return others.reduce((common, prefix) => common.slice(0, commonLength(common, prefix)), first)
}

/**
 * At most `max` prefixes that together cover the given ones, none covering another. More than asked for may be
 * covered: the receiver filters.
 */
export function reducePrefixes(prefixes: Iterable<string>, max: number = MAX_PATTERNS): string[] {
  const cover = coverOf(prefixes)
  if (cover.length <= max) return cover
  // Neighbours in order share most. Cut where they share least, so that every group shares as much as possible.
  const borders = cover
    .slice(1)
    .map((prefix, i) => ({ at: i + 1, shared: commonLength(cover[i] as string, prefix) }))
    .sort((a, b) => a.shared - b.shared)
    .slice(0, max - 1)
    .map((border) => border.at)
    .sort((a, b) => a - b)
  const starts = [0, ...borders]
  return coverOf(starts.map((start, i) => commonPrefix(cover.slice(start, starts[i + 1]))))
}

function commonLength(a: string, b: string): number {
  const limit = Math.min(a.length, b.length)
  let length = 0
  while (length < limit && a.charCodeAt(length) === b.charCodeAt(length)) length++
  const last = length > 0 ? a.charCodeAt(length - 1) : 0
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length
}
