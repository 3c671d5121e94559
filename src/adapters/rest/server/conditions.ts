import type { IncomingHttpHeaders } from 'node:http'
import { InvalidOptionError, VersionConflictError } from '../../../api/errors.ts'
import type { PutConditions } from '../../../api/writer.ts'
import { decodeToken, encodeToken } from '../protocol.ts'

/** `*`, or the entity tags of a header. */
type Tags = '*' | readonly { readonly weak: boolean; readonly version: string }[]

/** If-Match and If-None-Match of a request (RFC 9110 §13). */
export interface Conditions {
  readonly match: Tags | undefined
  readonly noneMatch: Tags | undefined
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for a header that is malformed */
export function conditionsOf(headers: {
  readonly 'if-match'?: string | undefined
  readonly 'if-none-match'?: string | undefined
}): Conditions {
  return {
    match: tagsOf('If-Match', headers['if-match']),
    noneMatch: tagsOf('If-None-Match', headers['if-none-match']),
  }
}

/**
 * Of a write of several keys, which has no version: a condition is not to be passed over.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function assertUnconditional({
  request: { headers },
}: {
  readonly request: { readonly headers: IncomingHttpHeaders }
}): void {
  for (const name of ['If-Match', 'If-None-Match'] as const) {
    if (headers[name.toLowerCase()] === undefined) continue
    throw new InvalidOptionError(name, 'means nothing for several keys')
  }
}

/** The strong entity tag of a version. */
export function etagOf(version: string): string {
  return `"${encodeToken(version)}"`
}

/** What a GET answers: `modified` is the value, the others have none. */
export function evaluateRead(
  { match, noneMatch }: Conditions,
  version: string,
): 'modified' | 'not-modified' | 'failed' {
  if (match !== undefined && !hasStrong(match, version)) return 'failed'
  // The weak comparison: for a read W/"a" and "a" are one.
  const same = noneMatch === '*' || noneMatch?.some((tag) => tag.version === version) === true
  return same ? 'not-modified' : 'modified'
}

/** True when the present version has to be known to say what a write asks for. */
export function needsVersion({ match, noneMatch }: Conditions): boolean {
  if (match !== undefined) return match === '*' || match.length !== 1 || match[0]?.weak === true
  return noneMatch !== undefined && noneMatch !== '*'
}

/**
 * What a write asks of its key, as a transport takes it; `present` is its version where {@link needsVersion}.
 * @throws VersionConflictError (`SYNC_VERSION_CONFLICT`) when it cannot hold, InvalidOptionError for both headers
 */
export function conditionOf(
  { match, noneMatch }: Conditions,
  key: string,
  present: string | undefined,
): PutConditions {
  if (match !== undefined && noneMatch !== undefined) {
    throw new InvalidOptionError('If-None-Match', 'contradicts If-Match')
  }
  if (match !== undefined) {
    const [only] = match
    if (match !== '*' && match.length === 1 && typeof only === 'object' && !only.weak) {
      return { ifVersion: only.version }
    }
    if (present === undefined || !hasStrong(match, present)) {
      const expected = match === '*' ? 'any version' : match.map((tag) => tag.version).join(' or ')
      throw new VersionConflictError(key, expected, present)
    }
    return { ifVersion: present }
  }
  if (noneMatch === undefined) return {}
  if (noneMatch === '*' || present === undefined) return { ifAbsent: true }
  if (noneMatch.some((tag) => tag.version === present)) {
    throw new VersionConflictError(key, 'another version', present)
  }
  return { ifVersion: present }
}

function hasStrong(tags: Tags, version: string): boolean {
  return tags === '*' || tags.some((tag) => !tag.weak && tag.version === version)
}

function tagsOf(name: string, header: string | undefined): Tags | undefined {
  if (header === undefined) return undefined
  if (header.trim() === '*') return '*'
  const tags: { weak: boolean; version: string }[] = []
  const next = /[\t ,]*(?:(?<weak>W\/)?"(?<tag>[\x21\x23-\x7e\x80-\xff]*)"[\t ]*(?:,|$)|$)/uy
  while (next.lastIndex < header.length) {
    const groups = next.exec(header)?.groups
    if (groups === undefined)
      throw new InvalidOptionError(name, 'must be * or entity tags in quotes')
    if (groups['tag'] === undefined) break
    // One that we never gave matches nothing.
    const version = decodeToken(groups['tag']) ?? groups['tag']
    tags.push({ weak: groups['weak'] !== undefined, version })
  }
  if (tags.length === 0) throw new InvalidOptionError(name, 'must be * or entity tags in quotes')
  return tags
}
