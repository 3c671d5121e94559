import { createSecureContext } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { InvalidOptionError } from '../../api/errors.ts'
import {
  checkOptions,
  integerBetween,
  isObject,
  isString,
  MAX_MS,
  numberBetween,
} from '../../api/options.ts'
import type { OptionCheck } from '../../api/options.ts'
import { parseEtcdUrl } from './etcd-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'

/** Options of {@link etcd}. Every field is optional. */
export interface EtcdOptions {
  /** `etcd://[user:password@]host[:port][,host[:port]…]`, `etcds://` for TLS; `etcd://127.0.0.1:2379`. */
  readonly url?: string
  /** The user; the URL's. */
  readonly username?: string
  /** The password; the URL's. A function is asked at every login (W17). */
  readonly password?: string | (() => string | Promise<string>)
  /** As of `node:tls`: ca, cert, key, servername, …; given, TLS is used whatever the URL says. */
  readonly tls?: ConnectionOptions
  /** A link that is silent for this long, in ms, is lost (W13); 10 000. */
  readonly livenessMs?: number
  /** From dialling a member to a connection that is ready, login included, in ms; 5 000. Then the next one's turn comes. */
  readonly connectTimeoutMs?: number
  /**
   * A connection that owes an answer and is silent for this long, in ms, is given up, and the next member's turn comes;
   * 6 000. A member that is cut off from the others answers only after seven seconds, with an error.
   */
  readonly commandTimeoutMs?: number
  /** What a list asks for in one request, in bytes; 4 194 304 (4 MiB). */
  readonly pageBytes?: number
  /** The largest message that is taken from the server, in bytes; 67 108 864 (64 MiB). */
  readonly maxMessageBytes?: number
  /** The server's `--max-request-bytes`; 1 572 864 (1.5 MiB). */
  readonly maxRequestBytes?: number
  /** The server's `--max-txn-ops`; 128. */
  readonly maxTxnOps?: number
  /** Appears in events, metrics and errors; `etcd`. */
  readonly name?: string
}

/** {@link EtcdOptions}, checked, with defaults filled in. */
export interface EtcdSettings {
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  readonly username: string | undefined
  readonly password: (() => string | Promise<string>) | undefined
  readonly tls: ConnectionOptions | undefined
  readonly livenessMs: number
  readonly connectTimeoutMs: number
  readonly commandTimeoutMs: number
  readonly pageBytes: number
  readonly maxMessageBytes: number
  readonly maxRequestBytes: number
  readonly maxTxnOps: number
}

/** A key, and what frames it and the value in a request: a value that leaves so much room passes. */
export const REQUEST_OVERHEAD_BYTES = 2_048

const MIB = 2 ** 20
const DEFAULT_URL = 'etcd://127.0.0.1:2379'

const isPassword: OptionCheck = (value) =>
  typeof value === 'string' || typeof value === 'function'
    ? undefined
    : 'must be a string or a function'

/**
 * Checks the options at the door; nothing is contacted.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option; passwords are masked
 */
export function readOptions(options: EtcdOptions): EtcdSettings {
  checkOptions<EtcdOptions>(options, {
    url: isString,
    username: isString,
    password: isPassword,
    tls: isObject,
    livenessMs: numberBetween(10, MAX_MS),
    connectTimeoutMs: numberBetween(1, MAX_MS),
    commandTimeoutMs: numberBetween(1, MAX_MS),
    pageBytes: integerBetween(1_024, 1_024 * MIB),
    maxMessageBytes: integerBetween(64 * 1_024, 2 ** 31 - 1),
    maxRequestBytes: integerBetween(2 * REQUEST_OVERHEAD_BYTES, 1_024 * MIB),
    maxTxnOps: integerBetween(1, 1_000_000),
    name: isString,
  })
  if (options.tls !== undefined) checkTls(options.tls)
  const url = parseEtcdUrl(options.url ?? DEFAULT_URL, 'url')
  const username = options.username ?? url.username
  const password = options.password ?? url.password
  if (username !== undefined && password === undefined) {
    throw new InvalidOptionError('password', 'is missing: a user is given')
  }
  if (username === undefined && password !== undefined) {
    throw new InvalidOptionError('username', 'is missing: a password is given')
  }
  return {
    name: options.name ?? 'etcd',
    endpoints: url.endpoints,
    username,
    password: typeof password === 'string' ? () => password : password,
    tls: options.tls ?? (url.tls ? {} : undefined),
    livenessMs: options.livenessMs ?? 10_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    commandTimeoutMs: options.commandTimeoutMs ?? 6_000,
    pageBytes: options.pageBytes ?? 4 * MIB,
    maxMessageBytes: options.maxMessageBytes ?? 64 * MIB,
    maxRequestBytes: options.maxRequestBytes ?? 1.5 * MIB,
    maxTxnOps: options.maxTxnOps ?? 128,
  }
}

function checkTls(tls: ConnectionOptions): void {
  try {
    createSecureContext(tls)
  } catch (cause) {
    throw new InvalidOptionError('tls', 'holds what is no certificate or key', { cause })
  }
}
