import { createHash } from 'node:crypto'
import { InvalidOptionError } from '../api/errors.ts'
import { assertPrefix, hasPrefix } from '../api/key.ts'
import { checkOptions, isString, isStrings } from '../api/options.ts'
import { isLoopback } from '../kit/loopback.ts'
import { commonPrefixes } from '../kit/prefix-index.ts'

export { isLoopback } from '../kit/loopback.ts'

/** Who may do what; one of `token` and `certificate` says who it is. */
export interface Grant {
  /** In logs and metrics. */
  readonly name: string
  /** Sent as `Authorization: Bearer …`; at least 16 characters. */
  readonly token?: string
  /** The common name or a subject alternative name (`DNS:agent-1`, `URI:…`) of a client certificate that was verified. */
  readonly certificate?: string
  /** Prefixes that may be read and watched; none. */
  readonly read?: readonly string[]
  /** Prefixes that may be written; none. */
  readonly write?: readonly string[]
}

/** What a client has shown. */
export interface Credentials {
  /** Without `Bearer `. */
  readonly token?: string | undefined
  /** Names of the client's certificate; only of one that an authority of ours has signed. */
  readonly certificateNames?: readonly string[]
}

/** Whom we talk to and what they may do. */
export interface Client {
  readonly name: string
  mayRead(keyOrPrefix: string): boolean
  mayWrite(keyOrPrefix: string): boolean
  /** Prefixes that they may read, of those that are served; none inside another. */
  readonly readable: readonly string[]
  readonly writable: readonly string[]
}

/** `undefined`: the credentials are missing or unknown (401). */
export type Identify = (credentials: Credentials) => Client | undefined

const MIN_TOKEN_LENGTH = 16

/**
 * Without grants everybody may do everything: servers allow that on loopback addresses only.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), InvalidKeyError (`SYNC_INVALID_KEY`)
 */
export function accessControl(
  grants: readonly Grant[] | undefined,
  served: readonly string[],
): Identify {
  if (grants === undefined) {
    const anybody = new GrantedClient('anonymous', served, served)
    return () => anybody
  }
  const byToken = new Map<string, Client>()
  const byCertificate = new Map<string, Client>()
  for (const [i, grant] of grants.entries()) {
    checkGrant(grant, i)
    const client = new GrantedClient(
      grant.name,
      commonPrefixes(grant.read ?? [], served),
      commonPrefixes(grant.write ?? [], served),
    )
    const [known, id] =
      grant.token === undefined
        ? [byCertificate, grant.certificate ?? '']
        : [byToken, digest(grant.token)]
    if (known.has(id)) throw new InvalidOptionError(`access[${i}]`, 'is the identity of another')
    known.set(id, client)
  }
  return ({ token, certificateNames = [] }) => {
    // A look-up by digest takes as long for every token.
    if (token !== undefined) return byToken.get(digest(token))
    for (const name of certificateNames) {
      const client = byCertificate.get(name)
      if (client !== undefined) return client
    }
    return undefined
  }
}

/**
 * A server that anybody can reach has to know whom it talks to.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function assertGuarded(host: string, grants: readonly Grant[] | undefined): void {
  if (grants !== undefined || isLoopback(host)) return
  throw new InvalidOptionError(
    'host',
    `${host} is reached from other machines: give access, or bind to 127.0.0.1`,
  )
}

/** The names of a certificate as Node tells them (`tls.PeerCertificate`). */
export function certificateNames(certificate: {
  readonly subject?: { readonly CN?: string | readonly string[] }
  readonly subjectaltname?: string
}): string[] {
  const common = certificate.subject?.CN ?? []
  const alternatives = certificate.subjectaltname?.split(', ') ?? []
  return [
    // A common name may be anything: one that looks like an alternative name would be taken for it.
    ...(typeof common === 'string' ? [common] : common).filter((name) => !ALTERNATIVE.test(name)),
    ...alternatives,
  ]
}

/** How Node begins alternative names. A comma within one is escaped there. */
const ALTERNATIVE =
  /^(?:DNS|URI|IP Address|email|othername|DirName|Registered ID|X400Name|EdiPartyName):/iu

class GrantedClient implements Client {
  readonly name: string
  readonly readable: readonly string[]
  readonly writable: readonly string[]

  constructor(name: string, readable: readonly string[], writable: readonly string[]) {
    this.name = name
    this.readable = readable
    this.writable = writable
  }

  mayRead(keyOrPrefix: string): boolean {
    return this.readable.some((prefix) => hasPrefix(keyOrPrefix, prefix))
  }

  mayWrite(keyOrPrefix: string): boolean {
    return this.writable.some((prefix) => hasPrefix(keyOrPrefix, prefix))
  }
}

function checkGrant(grant: Grant, index: number): void {
  const where = `access[${index}]`
  checkOptions<Grant>(
    grant,
    {
      name: isString,
      token: isToken,
      certificate: isString,
      read: isStrings,
      write: isStrings,
    },
    where,
  )
  if (typeof grant.name !== 'string' || grant.name === '') {
    throw new InvalidOptionError(`${where}.name`, 'is missing')
  }
  if ((grant.token === undefined) === (grant.certificate === undefined)) {
    throw new InvalidOptionError(where, 'needs one of token and certificate')
  }
  for (const prefix of [...(grant.read ?? []), ...(grant.write ?? [])]) assertPrefix(prefix)
}

function isToken(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string'
  if (value.length < MIN_TOKEN_LENGTH) return `must have at least ${MIN_TOKEN_LENGTH} characters`
  return /^[\w.~+/=-]+$/u.test(value) ? undefined : 'must be letters, digits and -._~+/='
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}
