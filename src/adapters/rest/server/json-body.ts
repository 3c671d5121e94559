import { InvalidOptionError } from '../../../api/errors.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Deeper ones could exhaust the stack of whoever walks them. */
const MAX_DEPTH = 64

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for what is no JSON, or nested too deeply */
export function parseJson(body: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(body)
  } catch {
    throw new InvalidOptionError('body', 'is no UTF-8')
  }
  if (depthOf(text) > MAX_DEPTH) {
    throw new InvalidOptionError('body', `is nested more than ${MAX_DEPTH} levels deep`)
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    // The cause would repeat the text.
    throw new InvalidOptionError('body', 'is no JSON')
  }
}

/** An object with no other fields than these. @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function fieldsOf(
  value: unknown,
  where: string,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(where, 'must be an object')
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      throw new InvalidOptionError(
        `${where}.${name.slice(0, 80)}`,
        `is unknown; known: ${known.join(', ')}`,
      )
    }
  }
  return value as Record<string, unknown>
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function listOfBody(value: unknown, where: string, limit: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidOptionError(where, 'must be a list')
  if (value.length > limit) {
    throw new InvalidOptionError(where, `has ${value.length} items, the limit is ${limit}`)
  }
  return value
}

function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) {
      // Past the string: brackets in it do not count.
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) {
        if (text.charCodeAt(i) === 0x5c) i++
      }
    } else if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++depth)
    else if (code === 0x5d || code === 0x7d) depth--
  }
  return deepest
}
