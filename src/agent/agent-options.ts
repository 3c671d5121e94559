import { systemClock } from '../api/clock.ts'
import type { Clock } from '../api/clock.ts'
import { InvalidOptionError } from '../api/errors.ts'
import type { Instrumentation } from '../api/instrumentation.ts'
import { silentLogger } from '../api/logger.ts'
import type { Logger } from '../api/logger.ts'
import {
  checkOptions,
  hasMethods,
  isBoolean,
  isFunction,
  isMs,
  isObject,
  isTransport,
} from '../api/options.ts'
import type { Plugin } from '../api/plugin.ts'
import type { Transport } from '../api/transport.ts'
import { guardedLogger } from './guarded-logger.ts'

export interface AgentOptions {
  /** Where `watch`, `get`, `put`, … go. */
  readonly transport: Transport
  /** Further ones, reached by `agent.sync(name)`. */
  readonly transports?: Readonly<Record<string, Transport>>
  readonly plugins?: readonly Plugin[]
  /** Bounds `start`, in ms; 0 (default) = none. */
  readonly startTimeoutMs?: number
  /** In a run: for a receiver to become ready, in ms; 1 000. */
  readonly acceptTimeoutMs?: number
  /** In a run: for `done` of a RESYNC, in ms; 10 000. */
  readonly ackTimeoutMs?: number
  /** Close on SIGINT and SIGTERM; false. */
  readonly handleSignals?: boolean
  /** pino-compatible; silent. */
  readonly logger?: Logger
  readonly clock?: Clock
  /** A number in [0, 1), for jitter; Math.random. */
  readonly random?: () => number
  /** Metrics and traces; see `metrics` and `tracing`. */
  readonly instrumentation?: Instrumentation
}

export type ResolvedAgentOptions = Required<AgentOptions>

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function resolveAgentOptions(options: AgentOptions): ResolvedAgentOptions {
  checkOptions<AgentOptions>(options, {
    transport: isTransport,
    transports: isObject,
    plugins: (value) => (Array.isArray(value) ? undefined : 'must be an array'),
    startTimeoutMs: isMs,
    acceptTimeoutMs: isMs,
    ackTimeoutMs: isMs,
    handleSignals: isBoolean,
    logger: hasMethods('debug', 'info', 'warn', 'error'),
    clock: hasMethods('now', 'after'),
    random: isFunction,
    instrumentation: isObject,
  })
  if (options.transport === undefined) throw new InvalidOptionError('transport', 'is missing')
  for (const [name, transport] of Object.entries(options.transports ?? {})) {
    const problem = isTransport(transport)
    if (problem !== undefined) throw new InvalidOptionError(`transports.${name}`, problem)
  }
  return Object.freeze({
    transport: options.transport,
    transports: { ...options.transports },
    plugins: [...(options.plugins ?? [])],
    startTimeoutMs: options.startTimeoutMs ?? 0,
    acceptTimeoutMs: options.acceptTimeoutMs ?? 1_000,
    ackTimeoutMs: options.ackTimeoutMs ?? 10_000,
    handleSignals: options.handleSignals ?? false,
    logger: options.logger === undefined ? silentLogger : guardedLogger(options.logger),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    instrumentation: options.instrumentation ?? {},
  })
}
