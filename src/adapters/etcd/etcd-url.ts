import { InvalidOptionError, maskUrl } from '../../api/errors.ts'

/** Where a member listens for clients. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** What an URL says; what it does not say is undefined. */
export interface EtcdUrl {
  readonly endpoints: readonly Endpoint[]
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
}

const DEFAULT_PORT = 2379
const SHAPE = /^(?<scheme>etcds?):\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]+)\/?$/u
const HOST = /^(?<host>\[[\da-fA-F:.]+\]|[^\s:[\]]+)(?::(?<port>\d{1,5}))?$/u

/**
 * Reads `etcd://[user:password@]host[:port][,host[:port]…]`; `etcds://` means TLS. User and password are percent-decoded.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`); the URL in it is masked
 */
export function parseEtcdUrl(url: string, option: string): EtcdUrl {
  const parts = SHAPE.exec(url)?.groups
  if (parts === undefined) throw invalid(url, option, 'is no URL of an etcd')
  const { scheme, login, hosts = '' } = parts
  const endpoints = hosts.split(',').map((host) => {
    const endpoint = parseEndpoint(host)
    if (endpoint === undefined) throw invalid(url, option, 'names an invalid host or port')
    return endpoint
  })
  return { endpoints, tls: scheme === 'etcds', ...parseLogin(login, url, option) }
}

/** As it appears in messages, and as gRPC takes it. */
export function endpointName({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function parseEndpoint(text: string): Endpoint | undefined {
  const parts = HOST.exec(text)?.groups
  const port = parts?.['port'] === undefined ? DEFAULT_PORT : Number(parts['port'])
  const host = parts?.['host']?.replace(/^\[|\]$/gu, '')
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

function parseLogin(
  login: string | undefined,
  url: string,
  option: string,
): Pick<EtcdUrl, 'username' | 'password'> {
  if (login === undefined) return { username: undefined, password: undefined }
  const colon = login.indexOf(':')
  const decode = (text: string): string | undefined => {
    try {
      return text === '' ? undefined : decodeURIComponent(text)
    } catch {
      // The cause would name the text, which is a secret.
      throw invalid(url, option, 'has a broken percent code in its user or password')
    }
  }
  return {
    username: decode(colon === -1 ? login : login.slice(0, colon)),
    password: colon === -1 ? undefined : decode(login.slice(colon + 1)),
  }
}

function invalid(url: string, option: string, problem: string): InvalidOptionError {
  // All before the last `@`, also when a password holds a `/` or an `@` that should have been escaped.
  const shown = maskUrl(url.replace(/\/\/.*@/su, '//***@'))
  return new InvalidOptionError(
    option,
    `${JSON.stringify(shown)} ${problem}; expected etcd://[user:password@]host[:port][,host[:port]…]`,
  )
}
