import { readServerUrl } from '../../kit/server-url.ts'
import type { Endpoint, UrlForm } from '../../kit/server-url.ts'

/** What an URL says; what it does not say is undefined. */
export interface EtcdUrl {
  readonly endpoints: readonly Endpoint[]
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
}

const FORM: UrlForm = {
  shape: /^(?<scheme>etcds?):\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]+)\/?$/u,
  defaultPort: 2379,
  of: 'an etcd',
  expected: 'etcd://[user:password@]host[:port][,host[:port]…]',
}

/**
 * Reads `etcd://[user:password@]host[:port][,host[:port]…]`; `etcds://` means TLS. User and password are percent-decoded.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`); the URL in it is masked
 */
export function parseEtcdUrl(url: string, option: string): EtcdUrl {
  const { parts, endpoints, login } = readServerUrl(url, option, FORM)
  return { endpoints, tls: parts['scheme'] === 'etcds', ...login }
}
