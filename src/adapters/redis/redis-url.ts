import { invalidUrl, parseEndpoint, readServerUrl } from '../../kit/server-url.ts'
import type { Endpoint, UrlForm } from '../../kit/server-url.ts'

/** What an URL says; what it does not say is undefined. */
export interface RedisUrl {
  readonly endpoints: readonly Endpoint[]
  readonly tls: boolean
  readonly cluster: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number | undefined
}

const FORM: UrlForm = {
  shape:
    /^(?<scheme>rediss?(?:\+cluster)?):\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]+)(?:\/(?<db>\d*))?$/u,
  defaultPort: 6379,
  of: 'a Redis server',
  expected: 'redis://[user:password@]host[:port][/db]',
}

/**
 * Reads `redis://[user:password@]host[:port][/db]`, `rediss://` (TLS), and `redis+cluster://` and `rediss+cluster://`
 * with one or more `host:port`, parted by commas. User and password are percent-decoded.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`); the URL in it is masked
 */
export function parseRedisUrl(url: string, option: string): RedisUrl {
  const { parts, endpoints, login } = readServerUrl(url, option, FORM)
  const { scheme = '', db = '' } = parts
  const cluster = scheme.endsWith('+cluster')
  if (endpoints.length > 1 && !cluster) {
    const problem = 'names several hosts, which only a redis+cluster:// URL can'
    throw invalidUrl(url, option, problem, FORM)
  }
  return {
    endpoints,
    cluster,
    tls: scheme.startsWith('rediss'),
    ...login,
    db: db === '' ? undefined : Number(db),
  }
}

/** Reads `host[:port]`; undefined when it is none. */
export function parseNode(text: string): Endpoint | undefined {
  return parseEndpoint(text, FORM.defaultPort)
}
