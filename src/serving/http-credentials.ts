import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { certificateNames, isLoopback } from './access.ts'
import type { Credentials } from './access.ts'

/** What a request shows: a bearer token, and the names of a certificate that an authority of ours has signed. */
export function credentialsOf(request: IncomingMessage): Credentials {
  const { authorization } = request.headers
  const token = /^Bearer +(?<token>[\w.~+/=-]+) *$/iu.exec(authorization ?? '')?.groups?.['token']
  const socket = request.socket as Partial<TLSSocket>
  const certificate = socket.authorized === true ? socket.getPeerCertificate?.() : undefined
  return {
    // A header that is no token is a wrong one, not none.
    token: token ?? authorization,
    ...(certificate === undefined ? {} : { certificateNames: certificateNames(certificate) }),
  }
}

/**
 * True for a request that a program of this machine sends, by this machine's own names, and not for somebody else: what
 * servers without access control answer.
 */
export function isFromThisMachine({ socket, headers, url }: IncomingMessage): boolean {
  const { localAddress = '', remoteAddress = '' } = socket
  const { authority } = targetOf(url)
  return (
    isLoopback(localAddress) &&
    isLoopback(remoteAddress) &&
    isLocalHost(headers.host) &&
    (authority === undefined || isLocalHost(authority)) &&
    !isPassedOn(headers)
  )
}

/**
 * What a request is for: a path with its query, in the absolute form that proxies are sent (`http://host/path`, RFC 9112
 * §3.2.2) also the host and port.
 */
export function targetOf(url: string | undefined): {
  readonly authority: string | undefined
  readonly target: string
} {
  const [start, authority] = /^[a-z][a-z\d+.-]*:\/\/(?<authority>[^/?]*)/iu.exec(url ?? '') ?? ['']
  return { authority, target: (url ?? '').slice(start.length) }
}

/** What proxies add, each its own; one that adds nothing cannot be told from a program of this machine. */
const PROXY_HEADERS: ReadonlySet<string> = new Set([
  'forwarded',
  'via',
  'x-real-ip',
  'x-envoy-external-address',
])

/** True for a request that a proxy sends for somebody. */
export function isPassedOn(headers: IncomingHttpHeaders): boolean {
  return Object.keys(headers).some(
    (name) => name.startsWith('x-forwarded-') || PROXY_HEADERS.has(name),
  )
}

/** True when a Host header names this machine itself: a page of another site can have its name lead here (DNS rebinding). */
export function isLocalHost(host: string | undefined): boolean {
  const name = /^(?<name>\[[\da-f:.]+\]|[^:]+)(?::\d{1,5})?$/iu.exec(host ?? '')?.groups?.['name']
  return name !== undefined && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/iu.test(name)
}
