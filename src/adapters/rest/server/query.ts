import { InvalidKeyError, InvalidOptionError } from '../../../api/errors.ts'
import { assertKey, assertPrefix } from '../../../api/key.ts'
import { MAX_MS } from '../../../api/options.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The query of a request, as forms and `URLSearchParams` write it: `+` is a space. A broken percent code and bytes that
 * are no UTF-8 are refused, so that no other key is reached than the one that was written.
 */
export class Query {
  readonly #values = new Map<string, string[]>()

  /** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
  constructor(url: string) {
    const start = url.indexOf('?')
    if (start === -1 || start === url.length - 1) return
    for (const part of url.slice(start + 1).split('&')) {
      const equals = part.indexOf('=')
      if (equals === -1) throw new InvalidOptionError(shorten(part), 'has no =')
      const name = part.slice(0, equals)
      if (!/^[A-Za-z]+$/u.test(name)) throw new InvalidOptionError(shorten(name), 'is unknown')
      const value = part.slice(equals + 1)
      const decoded = percentDecode(value.replaceAll('+', ' '))
      if (decoded === undefined) throw new InvalidOptionError(name, 'is no percent-encoded UTF-8')
      const known = this.#values.get(name)
      if (known === undefined) this.#values.set(name, [decoded])
      else known.push(decoded)
    }
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** @throws InvalidOptionError for a name that the route does not know */
  allow(...names: readonly string[]): void {
    for (const name of this.#values.keys()) {
      if (!names.includes(name)) {
        throw new InvalidOptionError(name, `is unknown here; known: ${names.join(', ')}`)
      }
    }
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  /** @throws InvalidOptionError when it is given twice */
  one(name: string): string | undefined {
    const values = this.all(name)
    if (values.length > 1) throw new InvalidOptionError(name, 'is given twice')
    return values[0]
  }

  /** @throws InvalidKeyError (`SYNC_INVALID_KEY`) */
  keys(): readonly string[] {
    const keys = this.all('key')
    for (const key of keys) assertKey(key)
    return keys
  }

  /** @throws InvalidKeyError (`SYNC_INVALID_KEY`) */
  prefixes(): readonly string[] {
    const prefixes = this.all('prefix')
    for (const prefix of prefixes) assertPrefix(prefix)
    return prefixes
  }

  flag(name: string): boolean | undefined {
    const value = this.one(name)
    if (value === undefined) return undefined
    if (value !== 'true' && value !== 'false') {
      throw new InvalidOptionError(name, 'must be true or false')
    }
    return value === 'true'
  }

  integer(name: string, min: number, max: number): number | undefined {
    const text = this.one(name)
    if (text === undefined) return undefined
    const value = /^\d{1,16}$/u.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) {
      throw new InvalidOptionError(name, `must be an integer from ${min} to ${max}`)
    }
    return value
  }
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** A time to live: ms, or a number with a unit (`30s`). @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function ttlMsOf(ttl: unknown): number | undefined {
  if (ttl === undefined) return undefined
  const text = typeof ttl === 'number' ? String(ttl) : typeof ttl === 'string' ? ttl : ''
  const parts = /^(?<amount>\d{1,15}(?:\.\d{1,6})?)(?<unit>ms|s|m|h|d)?$/u.exec(text)?.groups
  const ms = Number(parts?.['amount']) * (UNITS[parts?.['unit'] ?? 'ms'] ?? NaN)
  if (!(ms >= 1 && ms <= MAX_MS)) {
    throw new InvalidOptionError('ttl', 'must be a time such as 1500, 500ms, 30s, 5m, 12h, 7d')
  }
  return Math.round(ms)
}

/**
 * The key that a path is: `/config/a`. Only of paths that every URL parser leaves alone.
 * @throws InvalidKeyError (`SYNC_INVALID_KEY`)
 */
export function keyOfPath(path: string): string {
  const advice = 'write the key in the query: ?key='
  if (/%2f|%5c|%00|\\/iu.test(path)) {
    throw new InvalidKeyError(shorten(path), `it has an encoded /, a \\ or NUL; ${advice}`)
  }
  const key = percentDecode(path)
  if (key === undefined) throw new InvalidKeyError(shorten(path), 'it is no percent-encoded UTF-8')
  if (/\/\/|\/\.{1,2}(?:\/|$)/u.test(key)) {
    throw new InvalidKeyError(shorten(path), `it has // or a segment . or ..; ${advice}`)
  }
  assertKey(key)
  return key
}

function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return /^[\x20-\x7e]*$/u.test(text) ? text : undefined
  if (!/^(?:[\x20-\x24\x26-\x7e]|%[\da-fA-F]{2})*$/u.test(text)) return undefined
  const bytes = Buffer.from(
    text.replace(/%(?<hex>..)/gu, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  )
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
