import type { RedisCertificates } from './redis-certificates.ts'

/** Every field is optional. */
export interface RedisOptions {
  /** Appends every write to disk before it is answered, so that SIGKILL loses nothing; false: data live in memory only. */
  readonly persistent?: boolean
  /** The default user's password; none. */
  readonly password?: string
  /**
   * More users, as in an ACL file: `alice on >secret ~* &* +@all -config`. The file is `users.acl` in the data folder.
   * The default user may be among them; `cli` goes by a user of its own then.
   */
  readonly users?: readonly string[]
  /** Listens with TLS only, by a certificate of an authority made for this server, or by a given one. */
  readonly tls?: boolean | RedisCertificates
  /** New names of commands; an empty one takes the command away: `{ CONFIG: '' }`. */
  readonly renameCommands?: Readonly<Record<string, string>>
  /** As `64mb`; no limit. */
  readonly maxmemory?: string
  /** Makes it a node of a cluster that counts another node as failing after so long a silence. */
  readonly clusterNodeTimeoutMs?: number
  /** Further lines of the configuration, also ones that override ours. */
  readonly config?: Readonly<Record<string, string | number>>
}

export interface RedisConfig extends RedisOptions {
  readonly port: number
  /** For the other nodes of a cluster; 0 = none. */
  readonly clusterPort: number
  readonly dataDir: string
  readonly adminPassword: string
  readonly certificates: RedisCertificates | undefined
}

/** The user that `cli` takes where a test brings its own users. */
export const ADMIN = 'test-admin'

/** What a node of a cluster knows of the cluster. */
export const CLUSTER_FILE = 'nodes.conf'

/** The text of redis.conf. */
export function redisConfig(options: RedisConfig): string {
  const { port, dataDir, certificates } = options
  const lines: string[] = [
    'bind 127.0.0.1',
    `dir ${quoted(dataDir)}`,
    'save ""',
    `appendonly ${options.persistent === true ? 'yes' : 'no'}`,
    'appendfsync always',
    'daemonize no',
    'shutdown-timeout 0',
  ]
  if (certificates === undefined) lines.push(`port ${port}`)
  else {
    lines.push(
      'port 0',
      `tls-port ${port}`,
      'tls-auth-clients no',
      'tls-replication yes',
      'tls-cluster yes',
      `tls-ca-cert-file ${quoted(certificates.ca)}`,
      `tls-cert-file ${quoted(certificates.certificate)}`,
      `tls-key-file ${quoted(certificates.key)}`,
    )
  }
  if (options.clusterPort !== 0) {
    lines.push(
      'cluster-enabled yes',
      `cluster-config-file ${CLUSTER_FILE}`,
      `cluster-port ${options.clusterPort}`,
      `cluster-node-timeout ${options.clusterNodeTimeoutMs}`,
      'cluster-replica-validity-factor 0',
      'repl-diskless-sync-delay 0',
    )
  }
  if (options.users !== undefined) lines.push(`aclfile ${quoted(`${dataDir}/users.acl`)}`)
  else if (options.password !== undefined) {
    lines.push(`requirepass ${quoted(options.password)}`, `masterauth ${quoted(options.password)}`)
  }
  if (options.maxmemory !== undefined) lines.push(`maxmemory ${options.maxmemory}`)
  for (const [command, name] of Object.entries(options.renameCommands ?? {})) {
    lines.push(`rename-command ${command} ${quoted(name)}`)
  }
  for (const [name, value] of Object.entries(options.config ?? {})) {
    lines.push(`${name} ${quoted(String(value))}`)
  }
  return `${lines.join('\n')}\n`
}

/** The text of the ACL file; undefined where none is used. */
export function redisUsers(options: RedisConfig): string | undefined {
  if (options.users === undefined) return undefined
  const users = [`${ADMIN} on >${options.adminPassword} ~* &* +@all`, ...options.users]
  if (!options.users.some((user) => user.startsWith('default '))) {
    const secret = options.password === undefined ? 'nopass' : `>${options.password}`
    users.push(`default on ${secret} ~* &* +@all`)
  }
  return `${users.map((user) => `user ${user}`).join('\n')}\n`
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/gu, '\\$&')}"`
}
