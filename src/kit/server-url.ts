import { InvalidOptionError, maskUrl } from '../api/errors.ts'

/** Where a server listens. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** What URLs of one kind of server look like. */
export interface UrlForm {
  /** With the groups `hosts` and, where there is one, `login`. */
  readonly shape: RegExp
  readonly defaultPort: number
  /** Of what it is no URL when the shape does not fit: `a Redis server`. */
  readonly of: string
  /** Shown to who wrote another one. */
  readonly expected: string
}

/** What an URL says; what it does not say is undefined. */
export interface ServerUrl {
  /** All groups of the shape. */
  readonly parts: Readonly<Record<string, string | undefined>>
  readonly endpoints: readonly Endpoint[]
  readonly login: { readonly username: string | undefined; readonly password: string | undefined }
}

const HOST = /^(?<host>\[[\da-fA-F:.]+\]|[^\s:[\]]+)(?::(?<port>\d{1,5}))?$/u

/**
 * Reads `scheme://[user:password@]host[:port][,host[:port]…]` and what the form adds. User and password are
 * percent-decoded. `option` is where the URL stands.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`); the URL in it is masked
 */
export function readServerUrl(url: string, option: string, form: UrlForm): ServerUrl {
  const parts = form.shape.exec(url)?.groups
  if (parts === undefined) throw invalidUrl(url, option, `is no URL of ${form.of}`, form)
  const endpoints = (parts['hosts'] ?? '').split(',').map((host) => {
    const endpoint = parseEndpoint(host, form.defaultPort)
    if (endpoint === undefined) throw invalidUrl(url, option, 'names an invalid host or port', form)
    return endpoint
  })
  return { parts, endpoints, login: readLogin(parts['login'], url, option, form) }
}

/** Reads `host[:port]`, as servers write it too; undefined when it is none. */
export function parseEndpoint(text: string, defaultPort: number): Endpoint | undefined {
  const parts = HOST.exec(text)?.groups
  const port = parts?.['port'] === undefined ? defaultPort : Number(parts['port'])
  const host = parts?.['host']?.replace(/^\[|\]$/gu, '')
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

/** As it appears in messages, as drivers take it, and as a map's key. */
export function endpointName({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** For an URL with that problem. */
export function invalidUrl(
  url: string,
  option: string,
  problem: string,
  { expected }: UrlForm,
): InvalidOptionError {
  // All before the last `@`, also when a password holds a `/` or an `@` that should have been escaped.
  const shown = maskUrl(url.replace(/\/\/.*@/su, '//***@'))
  return new InvalidOptionError(option, `${JSON.stringify(shown)} ${problem}; expected ${expected}`)
}

function readLogin(
  login: string | undefined,
  url: string,
  option: string,
  form: UrlForm,
): ServerUrl['login'] {
  if (login === undefined) return { username: undefined, password: undefined }
  const colon = login.indexOf(':')
  const decode = (text: string): string | undefined => {
    try {
      return text === '' ? undefined : decodeURIComponent(text)
    } catch {
      // The cause would name the text, which is a secret.
      const problem = 'has a broken percent code in its user or password'
      throw invalidUrl(url, option, problem, form)
    }
  }
  return {
    username: decode(colon === -1 ? login : login.slice(0, colon)),
    password: colon === -1 ? undefined : decode(login.slice(colon + 1)),
  }
}
