import { InvalidOptionError } from '../../../api/errors.ts'
import type { Model } from '../../../api/model.ts'
import {
  checkOptions,
  integerBetween,
  isBoolean,
  isObject,
  isString,
  isStrings,
  MAX_MS,
  numberBetween,
} from '../../../api/options.ts'
import type { OptionCheck } from '../../../api/options.ts'
import type { ServedOptions } from '../../../api/served.ts'
import { assertGuarded } from '../../../serving/access.ts'
import type { Grant } from '../../../serving/access.ts'
import { resolveLimits } from '../../../serving/limits.ts'
import type { ServingLimits } from '../../../serving/limits.ts'
import { isGrants, isModels } from '../../../serving/option-checks.ts'

/** PEM texts of a server. */
export interface GrpcServerTls {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  /** Who may sign clients' certificates: given, every client has to show one. */
  readonly ca?: string | Buffer
  /** False: a client may also come without a certificate, and say by a token who it is; true. */
  readonly rejectUnauthorized?: boolean
}

/** Options of {@link serveGrpc}. Every field is optional. */
export interface GrpcServerOptions extends ServedOptions {
  /** The address to listen on; `127.0.0.1`. */
  readonly host?: string
  /** 9111, as the Go library has it; 0 = any that is free. */
  readonly port?: number
  /** Without it everything travels in the clear. */
  readonly tls?: GrpcServerTls
  /** Who may do what; without it everybody may do everything, which is allowed on a loopback address only. */
  readonly access?: readonly Grant[]
  /** Serve other machines without `access` all the same; false. */
  readonly insecure?: boolean
  /** Models with a JSON codec: content of type `application/json` under them is turned into their messages. */
  readonly models?: readonly Model<unknown>[]
  /** A dataResyncs without items deletes everything that the caller may write, instead of being refused; false. */
  readonly allowEmptyResync?: boolean
  /** How long a write may wait for its receivers, in ms; 10 000. */
  readonly appliedTimeoutMs?: number
  /** Of requests, watches and rates; `maxBodyBytes` is of one message. */
  readonly limits?: ServingLimits
  /** The largest message that is sent, in bytes; 67 108 864 (64 MiB). */
  readonly maxSendBytes?: number
  /** Requests of one dataChanges stream under way; 256. Then reading stops (flow control). */
  readonly maxInFlight?: number
  /** 10 000 connections; more are closed at once. */
  readonly maxConnections?: number
  /** Calls at a time on one connection; 256. */
  readonly maxCallsPerConnection?: number
  /** A watch has a sign of life this often, in ms; 5 000. */
  readonly heartbeatMs?: number
  /** A connection whose client takes nothing for this long is cut, in ms; 30 000. */
  readonly writeTimeoutMs?: number
  /** HTTP/2 pings on every connection, in ms; 30 000. */
  readonly keepaliveMs?: number
  /** A ping that is not answered, or a TLS handshake that is not done, for this long ends the connection, in ms; 10 000. */
  readonly keepaliveTimeoutMs?: number
  /** Connections are asked to come anew after this time, in ms: for load balancers; never. */
  readonly maxConnectionAgeMs?: number
  /** Reflection, for grpcurl and the like; true. */
  readonly reflection?: boolean
  /** How long `close` waits for calls under way, in ms; 2 000. */
  readonly closeTimeoutMs?: number
}

/** {@link GrpcServerOptions}, checked, with defaults filled in. */
export type GrpcServerSettings = Required<
  Omit<
    GrpcServerOptions,
    'tls' | 'access' | 'insecure' | 'transport' | 'prefixes' | 'limits' | 'maxConnectionAgeMs'
  >
> & {
  readonly tls: GrpcServerTls | undefined
  readonly access: readonly Grant[] | undefined
  readonly limits: Required<ServingLimits>
  readonly maxConnectionAgeMs: number | undefined
  readonly served: ServedOptions
}

const COUNT = integerBetween(1, 1_000_000)
/** Node's and gRPC's timers end there. */
const TIMER = numberBetween(10, 2 ** 31 - 1)

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option */
export function readOptions(options: GrpcServerOptions): GrpcServerSettings {
  checkOptions<GrpcServerOptions>(options, {
    host: isString,
    port: integerBetween(0, 65_535),
    tls: isObject,
    access: isGrants,
    insecure: isBoolean,
    models: isModels,
    transport: isString,
    prefixes: isStrings,
    allowEmptyResync: isBoolean,
    appliedTimeoutMs: numberBetween(1, MAX_MS),
    limits: isObject,
    maxSendBytes: integerBetween(65_536, 2 ** 31 - 1),
    maxInFlight: COUNT,
    maxConnections: COUNT,
    maxCallsPerConnection: COUNT,
    heartbeatMs: TIMER,
    writeTimeoutMs: TIMER,
    keepaliveMs: TIMER,
    keepaliveTimeoutMs: TIMER,
    maxConnectionAgeMs: TIMER,
    reflection: isBoolean,
    closeTimeoutMs: numberBetween(0, 2 ** 31 - 1),
  })
  const { tls, transport, prefixes } = options
  if (tls !== undefined) checkTls(tls)
  const host = options.host ?? '127.0.0.1'
  if (options.insecure !== true) assertGuarded(host, options.access)
  return {
    host,
    port: options.port ?? 9_111,
    tls,
    access: options.access,
    models: options.models ?? [],
    served: {
      ...(transport === undefined ? {} : { transport }),
      ...(prefixes === undefined ? {} : { prefixes }),
    },
    allowEmptyResync: options.allowEmptyResync ?? false,
    appliedTimeoutMs: options.appliedTimeoutMs ?? 10_000,
    limits: resolveLimits(options.limits, {
      guarded: options.access !== undefined || options.insecure === true,
    }),
    maxSendBytes: options.maxSendBytes ?? 64 * 2 ** 20,
    maxInFlight: options.maxInFlight ?? 256,
    maxConnections: options.maxConnections ?? 10_000,
    maxCallsPerConnection: options.maxCallsPerConnection ?? 256,
    heartbeatMs: options.heartbeatMs ?? 5_000,
    writeTimeoutMs: options.writeTimeoutMs ?? 30_000,
    keepaliveMs: options.keepaliveMs ?? 30_000,
    keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 10_000,
    maxConnectionAgeMs: options.maxConnectionAgeMs,
    reflection: options.reflection ?? true,
    closeTimeoutMs: options.closeTimeoutMs ?? 2_000,
  }
}

const isPem: OptionCheck = (value) =>
  typeof value === 'string' || Buffer.isBuffer(value) ? undefined : 'must be a PEM text'

function checkTls(tls: GrpcServerTls): void {
  checkOptions<GrpcServerTls>(
    tls,
    { cert: isPem, key: isPem, ca: isPem, rejectUnauthorized: isBoolean },
    'tls',
  )
  for (const name of ['cert', 'key'] as const) {
    if (tls[name] === undefined) throw new InvalidOptionError(`tls.${name}`, 'is missing')
  }
}
