import type { SecureContextOptions, TlsOptions } from 'node:tls'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { InvalidOptionError } from '../../../api/errors.ts'
import type { Model } from '../../../api/model.ts'
import {
  checkOptions,
  integerBetween,
  isBoolean,
  isObject,
  isString,
  isStrings,
} from '../../../api/options.ts'
import type { OptionCheck } from '../../../api/options.ts'
import type { ServedOptions } from '../../../api/served.ts'
import type { Grant } from '../../../serving/access.ts'
import { resolveLimits } from '../../../serving/limits.ts'
import type { ServingLimits } from '../../../serving/limits.ts'
import { isGrants, isModels } from '../../../serving/option-checks.ts'

/** Options of {@link restRouter}. Every field is optional. */
export interface RestRouterOptions extends ServedOptions {
  /** Who may read and write what; without it only requests from this machine are answered. */
  readonly access?: readonly Grant[]
  /** Without `access`, answers requests from other machines and for any host name all the same; false. */
  readonly insecure?: boolean
  /** Values under those with a `json` codec are taken and given as JSON, too. */
  readonly models?: readonly Model<unknown>[]
  readonly limits?: ServingLimits
  /** A watch that is quiet for this long, in ms, gets a comment; 5 000. A client may ask for it more often. */
  readonly heartbeatMs?: number
  /** A client that takes nothing of an answer for this long, in ms, is cut off; 30 000. */
  readonly writeTimeoutMs?: number
  /** Pages of these origins (`https://app.example`) may call from browsers; `*` for any; none. */
  readonly cors?: { readonly origins: readonly string[] }
  /** The seed's paths: `/config/a` below the mount path is the key, unless it begins with `/v1/`; false. */
  readonly rootKeys?: boolean
}

/** What Express and Node call for a request. A method, so that Express's own `Router`, which asks for more, is one. */
export type RequestHandler = {
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ): unknown
}['handle']

/** Options of {@link serveRest}. */
export interface ServeRestOptions extends RestRouterOptions {
  /** An address of this machine; 127.0.0.1. */
  readonly host?: string
  /** 0 = one that is free; 0. */
  readonly port?: number
  /** As of `node:tls`; with `ca`, `requestCert` and `rejectUnauthorized: false`, certificates may stand beside tokens. */
  readonly tls?: SecureContextOptions & TlsOptions
  /** Below this path; `/`. */
  readonly path?: string
  /** Further routers, asked before this one. */
  readonly mount?: readonly { readonly path: string; readonly router: RequestHandler }[]
  /** For the head of a request, and for a TLS handshake, in ms; 10 000. */
  readonly headersTimeoutMs?: number
  /** For a whole request, in ms; 60 000. */
  readonly requestTimeoutMs?: number
  /** How long a connection may be idle between requests, in ms; 65 000. */
  readonly keepAliveTimeoutMs?: number
  /** Of a request's head; 16 384. */
  readonly maxHeaderBytes?: number
  /** 20 000. */
  readonly maxConnections?: number
  /** How long `close` lets requests end, in ms; 5 000. */
  readonly closeTimeoutMs?: number
}

/** {@link RestRouterOptions}, checked, with defaults filled in. */
export interface RouterSettings {
  readonly served: ServedOptions
  readonly access: readonly Grant[] | undefined
  readonly insecure: boolean
  readonly models: readonly Model<unknown>[]
  readonly limits: Required<ServingLimits>
  readonly heartbeatMs: number
  readonly writeTimeoutMs: number
  readonly origins: readonly string[]
  readonly rootKeys: boolean
}

const TIME = integerBetween(1, 2 ** 31 - 1)

const isCors: OptionCheck = (value) =>
  typeof value === 'object' && value !== null && 'origins' in value
    ? isOrigins(value.origins)
    : 'must be an object with origins'

/** As browsers write them: what is not of this form would match nothing, without a word. */
const isOrigins: OptionCheck = (value) =>
  isStrings(value) ??
  ((value as readonly string[]).every((origin) => origin === '*' || isOrigin(origin))
    ? undefined
    : "has origins that no browser sends: give https://host[:port], without a path, or '*'")

function isOrigin(text: string): boolean {
  try {
    const { protocol, host } = new URL(text)
    return text === `${protocol}//${host}`
  } catch {
    return text === 'null'
  }
}

const ROUTER_CHECKS = {
  transport: isString,
  prefixes: isStrings,
  access: isGrants,
  insecure: isBoolean,
  models: isModels,
  limits: isObject,
  heartbeatMs: TIME,
  writeTimeoutMs: TIME,
  cors: isCors,
  rootKeys: isBoolean,
} satisfies Record<keyof Required<RestRouterOptions>, OptionCheck>

const isMounts: OptionCheck = (value) =>
  Array.isArray(value) &&
  value.every(
    (item: { path?: unknown; router?: unknown } | null) =>
      typeof item?.path === 'string' && typeof item.router === 'function',
  )
    ? undefined
    : 'must be an array of { path, router }'

const SERVER_CHECKS = {
  ...ROUTER_CHECKS,
  host: isString,
  port: integerBetween(0, 65_535),
  tls: isObject,
  path: isString,
  mount: isMounts,
  headersTimeoutMs: TIME,
  requestTimeoutMs: TIME,
  keepAliveTimeoutMs: TIME,
  maxHeaderBytes: integerBetween(1_024, 2 ** 24),
  maxConnections: integerBetween(1, 1_000_000),
  closeTimeoutMs: integerBetween(0, 2 ** 31 - 1),
} satisfies Record<keyof Required<ServeRestOptions>, OptionCheck>

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function readRouterOptions(options: RestRouterOptions): RouterSettings {
  checkOptions<RestRouterOptions>(options, ROUTER_CHECKS)
  const { transport, prefixes } = options
  return {
    served: {
      ...(transport === undefined ? {} : { transport }),
      ...(prefixes === undefined ? {} : { prefixes }),
    },
    access: options.access,
    insecure: options.insecure ?? false,
    models: options.models ?? [],
    limits: resolveLimits(options.limits, {
      guarded: options.access !== undefined || options.insecure === true,
    }),
    heartbeatMs: options.heartbeatMs ?? 5_000,
    writeTimeoutMs: options.writeTimeoutMs ?? 30_000,
    origins: options.cors?.origins ?? [],
    rootKeys: options.rootKeys ?? false,
  }
}

/** The part of the options that is the router's. @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function readServerOptions(options: ServeRestOptions): {
  readonly router: RestRouterOptions
  readonly server: Required<Omit<ServeRestOptions, keyof RestRouterOptions | 'tls'>> & {
    readonly tls: ServeRestOptions['tls']
  }
} {
  checkOptions<ServeRestOptions>(options, SERVER_CHECKS)
  const path = options.path ?? '/'
  if (!path.startsWith('/')) throw new InvalidOptionError('path', 'must begin with /')
  const router = Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(ROUTER_CHECKS, name)),
  ) as RestRouterOptions
  return {
    router,
    server: {
      host: options.host ?? '127.0.0.1',
      port: options.port ?? 0,
      tls: options.tls,
      path,
      mount: options.mount ?? [],
      headersTimeoutMs: options.headersTimeoutMs ?? 10_000,
      requestTimeoutMs: options.requestTimeoutMs ?? 60_000,
      keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? 65_000,
      maxHeaderBytes: options.maxHeaderBytes ?? 16_384,
      maxConnections: options.maxConnections ?? 20_000,
      closeTimeoutMs: options.closeTimeoutMs ?? 5_000,
    },
  }
}
