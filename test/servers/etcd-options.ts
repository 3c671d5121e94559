import type { RedisCertificates } from './redis-certificates.ts'

/** Every field is optional. */
export interface EtcdOptions {
  /** Switches authentication on with this password of the user `root`. */
  readonly rootPassword?: string
  /** Listens with TLS only, by a certificate of an authority made for this server, or by a given one. */
  readonly tls?: boolean | RedisCertificates
  /** Clients have to show a certificate of the authority; with `tls`. */
  readonly clientCertificates?: boolean
  /** Further flags, also ones that override ours: `{ 'auth-token-ttl': 2 }`. */
  readonly flags?: Readonly<Record<string, string | number>>
}

/** One member, ready to be written as flags. */
export interface EtcdMember extends EtcdOptions {
  readonly name: string
  readonly port: number
  readonly peerPort: number
  readonly dataDir: string
  /** `name=url,…` of all members. */
  readonly initialCluster: string
  readonly token: string
  readonly certificates: RedisCertificates | undefined
}

/** The command line of one member. */
export function etcdFlags(member: EtcdMember): string[] {
  const scheme = member.certificates === undefined ? 'http' : 'https'
  const client = `${scheme}://127.0.0.1:${member.port}`
  const flags: Record<string, string | number> = {
    name: member.name,
    'data-dir': member.dataDir,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peerUrl(member.peerPort),
    'initial-advertise-peer-urls': peerUrl(member.peerPort),
    'initial-cluster': member.initialCluster,
    'initial-cluster-token': member.token,
    logger: 'zap',
    'log-level': 'warn',
    ...(member.certificates === undefined
      ? {}
      : {
          'cert-file': member.certificates.certificate,
          'key-file': member.certificates.key,
          'trusted-ca-file': member.certificates.ca,
        }),
    ...member.flags,
  }
  if (member.clientCertificates === true) flags['client-cert-auth'] = 'true'
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
}

export function peerUrl(port: number): string {
  return `http://127.0.0.1:${port}`
}
