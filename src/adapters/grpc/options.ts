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
import { readServerUrl } from '../../kit/server-url.ts'
import type { Endpoint, UrlForm } from '../../kit/server-url.ts'

/** What a connection to a served agent needs; every field is optional. */
export interface GrpcClientOptions {
  /**
   * `grpc://[:token@]host[:port][,host[:port]…]`, `grpcs://` for TLS; `grpc://127.0.0.1:9111`. Of several hosts the first
   * that answers is used.
   */
  readonly url?: string
  /** As of `node:tls`: ca, cert, key, servername, …; given, TLS is used whatever the URL says. */
  readonly tls?: ConnectionOptions
  /** Shown to the server as a bearer token; the URL's. A function is asked at every connection, and when it is refused (W17). */
  readonly token?: string | (() => string | Promise<string>)
  /** A connection that owes an answer and is silent for this long, in ms, is given up; 6 000. */
  readonly commandTimeoutMs?: number
  /** From dialling to a connection that is ready, in ms; 5 000. */
  readonly connectTimeoutMs?: number
  /** The largest message that is taken from the server, in bytes; 67 108 864 (64 MiB). */
  readonly maxMessageBytes?: number
  /** Appears in events, metrics and errors; `grpc`. */
  readonly name?: string
}

/** Options of {@link grpc}. */
export interface GrpcOptions extends GrpcClientOptions {
  /** A link that is silent for this long, in ms, is lost (W13); 10 000. */
  readonly livenessMs?: number
}

/** {@link GrpcOptions}, checked, with defaults filled in. */
export interface GrpcSettings {
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  readonly tls: ConnectionOptions | undefined
  readonly token: (() => string | Promise<string>) | undefined
  readonly livenessMs: number
  readonly commandTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxMessageBytes: number
}

/** The port of a served agent, as the Go library has it. */
export const DEFAULT_PORT = 9_111

const FORM: UrlForm = {
  shape: /^(?<scheme>grpcs?):\/\/(?:(?<login>:?[^/?#:@]*)@)?(?<hosts>[^/?#@]+)\/?$/u,
  defaultPort: DEFAULT_PORT,
  of: 'an agent',
  expected: 'grpc://[:token@]host[:port][,host[:port]…]',
}

const isToken: OptionCheck = (value) =>
  typeof value === 'string' || typeof value === 'function'
    ? undefined
    : 'must be a string or a function'

/**
 * Checks the options at the door; nothing is contacted.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option; what may be a secret is masked
 */
export function readOptions(options: GrpcOptions): GrpcSettings {
  checkOptions<GrpcOptions>(options, {
    url: isString,
    tls: isObject,
    token: isToken,
    livenessMs: numberBetween(10, MAX_MS),
    commandTimeoutMs: numberBetween(10, 2 ** 31 - 1),
    connectTimeoutMs: numberBetween(1, MAX_MS),
    maxMessageBytes: integerBetween(64 * 1_024, 2 ** 31 - 1),
    name: isString,
  })
  const { tls } = options
  if (tls !== undefined) checkTls(tls)
  const url = options.url ?? `grpc://127.0.0.1:${DEFAULT_PORT}`
  const { parts, endpoints, login } = readServerUrl(url, 'url', FORM)
  const token = options.token ?? login.password ?? login.username
  return {
    name: options.name ?? 'grpc',
    endpoints,
    tls: tls ?? (parts['scheme'] === 'grpcs' ? {} : undefined),
    token: typeof token === 'string' ? () => token : token,
    livenessMs: options.livenessMs ?? 10_000,
    commandTimeoutMs: options.commandTimeoutMs ?? 6_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    maxMessageBytes: options.maxMessageBytes ?? 64 * 2 ** 20,
  }
}

function checkTls(tls: ConnectionOptions): void {
  try {
    createSecureContext(tls)
  } catch (cause) {
    throw new InvalidOptionError('tls', 'holds what is no certificate or key', { cause })
  }
}
