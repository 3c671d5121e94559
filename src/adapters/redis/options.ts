import type { ConnectionOptions } from 'node:tls'
import { InvalidOptionError } from '../../api/errors.ts'
import {
  checkOptions,
  integerBetween,
  isBoolean,
  isObject,
  isString,
  MAX_MS,
  numberBetween,
  oneOf,
} from '../../api/options.ts'
import type { OptionCheck } from '../../api/options.ts'
import { endpointName } from '../../kit/server-url.ts'
import { parseNode, parseRedisUrl } from './redis-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'

/** What is the same for every connection. Every field is optional; what an URL says too is overridden here. */
export interface RedisConnectionOptions {
  /** The ACL user; the server's default user. */
  readonly username?: string
  /** A function is asked at every attempt to connect (W17). */
  readonly password?: string | (() => string | Promise<string>)
  /** Database number; 0. A cluster has only 0. */
  readonly db?: number
  /** As of `node:tls`: ca, cert, key, servername, …; given, TLS is used whatever the URL says. */
  readonly tls?: ConnectionOptions
  /** IP family: 4, 6, or 0 for both; 0. */
  readonly family?: 0 | 4 | 6
  /** TCP keep-alive after this idle time in ms; 30 000. */
  readonly keepAliveMs?: number
  /** Shown in the server's CLIENT LIST; `datasync-` and the transport's name. */
  readonly connectionName?: string
  /** Where to reach a cluster's nodes that announce addresses of an inner network: `{ '10.0.0.1:6379': 'db.example:7001' }`. */
  readonly natMap?: Readonly<Record<string, string>>
}

/** Options of {@link redis}. Every field is optional. */
export interface RedisOptions {
  /**
   * `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, `redis+cluster://host:port,host:port` or
   * `rediss+cluster://` for a cluster; `redis://127.0.0.1:6379`.
   */
  readonly url?: string
  /** Seeds of a cluster, instead of `url`; more than one means `cluster`. */
  readonly urls?: readonly string[]
  readonly options?: RedisConnectionOptions
  /** The server is a node of a Redis cluster; told by the URL. */
  readonly cluster?: boolean
  /** How changes are noticed: `keyspace` notifications or client-side caching's `tracking`; `keyspace`. */
  readonly notifications?: 'keyspace' | 'tracking'
  /** Believe that `notify-keyspace-events` is set where the server does not let us look; false. */
  readonly assumeNotifications?: boolean
  /** A link that is silent for this long, in ms, is lost (W13); 10 000. */
  readonly livenessMs?: number
  /** Every so often, in ms, everything is listed and compared; 300 000, 0 = never. */
  readonly reconcileMs?: number
  /** From dialling to a connection that is ready, in ms; 10 000. */
  readonly connectTimeoutMs?: number
  /** A connection that answers nothing for this long while it owes an answer, in ms, is given up; 10 000. */
  readonly commandTimeoutMs?: number
  /** The largest value that is written; 8 388 608 (8 MiB). */
  readonly maxValueBytes?: number
  /** COUNT of SCAN, and how many keys are read at a time at most; 1 000, no more than 10 000. */
  readonly scanCount?: number
  /** Appears in events, metrics and errors; `redis`. */
  readonly name?: string
}

/** {@link RedisOptions}, checked, with defaults filled in. */
export interface RedisSettings {
  readonly name: string
  /** The server, or a cluster's seeds. */
  readonly endpoints: readonly Endpoint[]
  readonly cluster: boolean
  readonly db: number
  readonly username: string | undefined
  readonly password: (() => string | Promise<string>) | undefined
  readonly tls: ConnectionOptions | undefined
  readonly family: 0 | 4 | 6
  readonly keepAliveMs: number
  readonly connectionName: string
  /** From an endpoint's name to where it is reached. */
  readonly natMap: ReadonlyMap<string, Endpoint>
  readonly notifications: 'keyspace' | 'tracking'
  readonly assumeNotifications: boolean
  readonly livenessMs: number
  readonly reconcileMs: number
  readonly connectTimeoutMs: number
  readonly commandTimeoutMs: number
  readonly maxValueBytes: number
  readonly scanCount: number
}

const DEFAULT_URL = 'redis://127.0.0.1:6379'
/** Redis' own limit of a string. */
const MAX_STRING = 512 * 2 ** 20

const isStrings: OptionCheck = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')
    ? undefined
    : 'must be a list of strings that is not empty'

const isPassword: OptionCheck = (value) =>
  typeof value === 'string' || typeof value === 'function'
    ? undefined
    : 'must be a string or a function'

/**
 * Checks the options at the door; nothing is contacted.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option; passwords are masked
 */
export function readOptions(options: RedisOptions): RedisSettings {
  checkOptions<RedisOptions>(options, {
    url: isString,
    urls: isStrings,
    options: isObject,
    cluster: isBoolean,
    notifications: oneOf('keyspace', 'tracking'),
    assumeNotifications: isBoolean,
    livenessMs: numberBetween(10, MAX_MS),
    reconcileMs: numberBetween(0, MAX_MS),
    connectTimeoutMs: numberBetween(1, MAX_MS),
    commandTimeoutMs: numberBetween(1, MAX_MS),
    maxValueBytes: integerBetween(1, MAX_STRING),
    scanCount: integerBetween(1, 10_000),
    name: isString,
  })
  const connection = options.options ?? {}
  checkOptions<RedisConnectionOptions>(
    connection,
    {
      username: isString,
      password: isPassword,
      db: integerBetween(0, 2 ** 31 - 1),
      tls: isObject,
      family: oneOf(0, 4, 6),
      keepAliveMs: numberBetween(0, MAX_MS),
      connectionName: isString,
      natMap: isObject,
    },
    'options',
  )
  const name = options.name ?? 'redis'
  return {
    name,
    ...readServer(options, connection),
    family: connection.family ?? 0,
    keepAliveMs: connection.keepAliveMs ?? 30_000,
    connectionName: readConnectionName(connection.connectionName ?? `datasync-${name}`),
    natMap: readNatMap(connection.natMap ?? {}),
    notifications: options.notifications ?? 'keyspace',
    assumeNotifications: options.assumeNotifications ?? false,
    livenessMs: options.livenessMs ?? 10_000,
    reconcileMs: options.reconcileMs ?? 300_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    commandTimeoutMs: options.commandTimeoutMs ?? 10_000,
    maxValueBytes: options.maxValueBytes ?? 8 * 2 ** 20,
    scanCount: options.scanCount ?? 1_000,
  }
}

type Server = Pick<RedisSettings, 'endpoints' | 'cluster' | 'db' | 'username' | 'password' | 'tls'>

function readServer(options: RedisOptions, connection: RedisConnectionOptions): Server {
  if (options.url !== undefined && options.urls !== undefined) {
    throw new InvalidOptionError('urls', 'contradicts url')
  }
  const urls = options.urls?.map((url, i) => parseRedisUrl(url, `urls[${i}]`)) ?? [
    parseRedisUrl(options.url ?? DEFAULT_URL, 'url'),
  ]
  const cluster = urls.length > 1 || urls.some((url) => url.cluster)
  if (cluster && options.cluster === false) {
    throw new InvalidOptionError('cluster', 'is false, but the URLs name a cluster')
  }
  const db = connection.db ?? urls.find((url) => url.db !== undefined)?.db ?? 0
  if ((cluster || options.cluster === true) && db !== 0) {
    throw new InvalidOptionError('options.db', `is ${db}; a Redis cluster has database 0 only`)
  }
  const username = connection.username ?? urls.find((url) => url.username !== undefined)?.username
  const password = connection.password ?? urls.find((url) => url.password !== undefined)?.password
  if (username !== undefined && password === undefined) {
    throw new InvalidOptionError('options.password', 'is missing: a user is given')
  }
  return {
    endpoints: urls.flatMap((url) => url.endpoints),
    cluster: options.cluster ?? cluster,
    db,
    username,
    password: typeof password === 'string' ? () => password : password,
    tls: connection.tls ?? (urls.some((url) => url.tls) ? {} : undefined),
  }
}

function readConnectionName(name: string): string {
  // CLIENT SETNAME takes visible ASCII only.
  return name.replace(/[^!-~]+/gu, '-')
}

function readNatMap(map: Readonly<Record<string, string>>): ReadonlyMap<string, Endpoint> {
  return new Map(
    Object.entries(map).map(([from, to]) => {
      const inner = parseNode(from)
      const outer = typeof to === 'string' ? parseNode(to) : undefined
      if (inner === undefined || outer === undefined) {
        throw new InvalidOptionError('options.natMap', `${from} must map one host:port to another`)
      }
      return [endpointName(inner), outer]
    }),
  )
}
