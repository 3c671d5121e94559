import { InvalidOptionError, maskUrl } from '../../api/errors.ts'
import { checkOptions, integerBetween, isFunction, isString, MAX_MS } from '../../api/options.ts'
import type { OptionCheck } from '../../api/options.ts'

export type Headers = Readonly<Record<string, string>>

/** Options of {@link rest}; only `url` is needed. */
export interface RestOptions {
  /** `http://` or `https://`, host, port and the path that the server's router is mounted at. */
  readonly url: string
  /** Sent as `Authorization: Bearer …`. A function is asked before every request (W17). */
  readonly token?: string | (() => string | Promise<string>)
  /** Further headers, likewise. */
  readonly headers?: Headers | (() => Headers | Promise<Headers>)
  /** A watch that is silent for this long, in ms, is lost (W13); 10 000. */
  readonly livenessMs?: number
  /** How long a read may take, in ms; 10 000. A write has the time that its caller gives it. */
  readonly commandTimeoutMs?: number
  /** Used in place of the global one: for client certificates, proxies. It must not send a request twice. */
  readonly fetch?: typeof fetch
  /** Appears in events, metrics and errors; `rest`. */
  readonly name?: string
}

/** {@link RestOptions}, checked, with defaults filled in. */
export interface RestSettings {
  readonly name: string
  /** Without `/` at its end. */
  readonly base: string
  readonly headers: () => Promise<Record<string, string>>
  readonly livenessMs: number
  readonly commandTimeoutMs: number
  readonly fetch: typeof fetch
}

const isTextOrFunction: OptionCheck = (value) =>
  typeof value === 'string' || typeof value === 'function'
    ? undefined
    : 'must be a string or a function'

const isHeaders: OptionCheck = (value) =>
  typeof value === 'function' ||
  (typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((item) => typeof item === 'string'))
    ? undefined
    : 'must be an object of strings or a function'

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function readOptions(options: RestOptions): RestSettings {
  checkOptions<RestOptions>(options, {
    url: isString,
    token: isTextOrFunction,
    headers: isHeaders,
    livenessMs: integerBetween(100, MAX_MS),
    commandTimeoutMs: integerBetween(1, MAX_MS),
    fetch: isFunction,
    name: isString,
  })
  const { token, headers } = options
  return {
    name: options.name ?? 'rest',
    base: baseOf(options.url),
    livenessMs: options.livenessMs ?? 10_000,
    commandTimeoutMs: options.commandTimeoutMs ?? 10_000,
    fetch: options.fetch ?? ((...request) => fetch(...request)),
    headers: async () => {
      const bearer = typeof token === 'function' ? await token() : token
      const more = typeof headers === 'function' ? await headers() : headers
      return {
        ...more,
        ...(bearer === undefined || bearer === '' ? {} : { authorization: `Bearer ${bearer}` }),
      }
    },
  }
}

function baseOf(text: string | undefined): string {
  if (text === undefined) throw new InvalidOptionError('url', 'is missing')
  const shown = JSON.stringify(maskUrl(text.replace(/\/\/.*@/su, '//***@')))
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/u.test(url.protocol)) {
    throw new InvalidOptionError('url', `${shown} is no URL of http:// or https://`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidOptionError('url', `${shown} names a user: give token instead`)
  }
  if (url.search !== '' || url.hash !== '') {
    throw new InvalidOptionError('url', `${shown} has a query: give the path that is served`)
  }
  return `${url.origin}${url.pathname.replace(/\/+$/u, '')}`
}
