import { Subject } from 'rxjs'
import type { Observable } from 'rxjs'
import type { KeyVal } from '../api/change-event.ts'
import {
  AlreadyStartedError,
  ClosedError,
  describeError,
  InvalidOptionError,
  TimeoutError,
} from '../api/errors.ts'
import type { Instrumentation } from '../api/instrumentation.ts'
import type { Message } from '../api/message.ts'
import type { Prefix } from '../api/model.ts'
import type { Plugin, PluginContext, Sync } from '../api/plugin.ts'
import { checkOptions, isString, isStrings } from '../api/options.ts'
import type { RefusalReport } from '../api/refusal-report.ts'
import type { RunReport } from '../api/run-report.ts'
import type { Servable, Served, ServedOptions } from '../api/served.ts'
import type { WatchOptions, WatchRegistration } from '../api/watcher.ts'
import type {
  DeleteResult,
  DelOptions,
  Publication,
  PublishResult,
  PutOptions,
  PutResult,
  Transaction,
} from '../api/writer.ts'
import { Engine } from '../engine/engine.ts'
import { ResyncOrchestrator } from '../resync/orchestrator.ts'
import { resolveAgentOptions } from './agent-options.ts'
import type { AgentOptions, ResolvedAgentOptions } from './agent-options.ts'
import type { Health, PluginStatus, RegistrationInfo } from './health.ts'
import { guardedInstrumentation } from './guarded-instrumentation.ts'
import { PluginHost } from './plugin-host.ts'
import { PluginSync } from './plugin-sync.ts'

const LONGEST_INTERVAL_MS = 2 ** 31 - 1

/**
 * The host of an application's plugins: opens the transports, runs the plugins' life cycle, delivers the startup run in
 * registration order and everything after it (datasync.md §7).
 */
export class Agent implements Sync, Servable, AsyncDisposable {
  readonly #options: ResolvedAgentOptions
  readonly #orchestrator: ResyncOrchestrator
  readonly #engine: Engine
  readonly #engines: ReadonlyMap<string, Engine>
  readonly #plugins: PluginHost
  /** Transports that are not open yet. */
  readonly #unopened = new Set<string>()
  readonly #refusals$ = new Subject<RefusalReport>()
  readonly #closing = new AbortController()
  readonly #instrumentation: Instrumentation
  #phase: 'new' | 'starting' | 'started' | 'closed' = 'new'
  #closed: Promise<void> | undefined
  #onSignal: (() => void) | undefined
  #keepAlive: ReturnType<typeof setInterval> | undefined

  /** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
  constructor(options: AgentOptions) {
    this.#options = resolveAgentOptions(options)
    const { transport, transports, plugins, logger } = this.#options
    this.#plugins = new PluginHost(logger)
    this.#instrumentation = guardedInstrumentation(this.#options.instrumentation, logger)
    this.#orchestrator = new ResyncOrchestrator(this.#options)
    this.#engine = this.#createEngine(transport)
    const engines = new Map([[transport.name, this.#engine]])
    for (const [name, further] of Object.entries(transports)) {
      if (engines.has(name)) {
        throw new InvalidOptionError('transports', `${JSON.stringify(name)} is the name of another`)
      }
      engines.set(name, this.#createEngine(further))
    }
    this.#engines = engines
    for (const plugin of plugins) this.use(plugin)
  }

  /** Adds a plugin; before `start`. @throws InvalidOptionError, AlreadyStartedError */
  use(plugin: Plugin): this {
    if (this.#phase !== 'new') throw new AlreadyStartedError()
    if (typeof plugin?.name !== 'string' || plugin.name === '') {
      throw new InvalidOptionError('plugin', 'must have a name')
    }
    if (this.#plugins.names.includes(plugin.name)) {
      throw new InvalidOptionError('plugin', `${JSON.stringify(plugin.name)} is used already`)
    }
    this.#plugins.add(plugin)
    return this
  }

  /**
   * Opens the transports, calls every `init`, delivers the startup RESYNCs in registration order, calls every
   * `afterInit`. A refused RESYNC does not fail it. When it rejects, everything is closed again. From here to `close`
   * the agent keeps the process alive.
   * @throws PluginError, TimeoutError (what was missing), AlreadyStartedError, ClosedError, and what a transport's
   * `open` rejects with
   */
  async start(): Promise<RunReport> {
    if (this.#phase === 'closed') throw new ClosedError('the agent')
    if (this.#phase !== 'new') throw new AlreadyStartedError()
    this.#phase = 'starting'
    // A running agent is a running program, also where no socket holds it.
    this.#keepAlive = setInterval(() => {}, LONGEST_INTERVAL_MS)
    if (this.#options.handleSignals) this.#closeOnSignals()
    try {
      const report = await this.#bounded(this.#startup())
      this.#phase = 'started'
      return report
    } catch (error) {
      await this.close().catch((failure: unknown) =>
        this.#options.logger.error({ error: describeError(failure) }, 'close failed'),
      )
      throw error
    }
  }

  /** Watch, read and write through one of the transports. @throws InvalidOptionError when there is none of the name */
  sync(transport: string): Sync {
    return this.#engineOf(transport)
  }

  #engineOf(transport: string): Engine {
    const engine = this.#engines.get(transport)
    if (engine === undefined) {
      throw new InvalidOptionError(
        'transport',
        `${JSON.stringify(transport)} is unknown; known: ${[...this.#engines.keys()].join(', ')}`,
      )
    }
    return engine
  }

  watch(
    resyncName: string,
    prefixes: Prefix | readonly Prefix[],
    options?: WatchOptions,
  ): WatchRegistration {
    return this.#engine.watch(resyncName, prefixes, options)
  }

  /** A place in the order of RESYNCs for a part that watches nothing; its RESYNCs hold no values (§7). */
  register(resyncName: string): WatchRegistration {
    return this.#engine.watch(resyncName, [])
  }

  get(key: string): Promise<KeyVal | undefined> {
    return this.#engine.get(key)
  }

  list(prefix: Prefix): AsyncIterable<KeyVal> {
    return this.#engine.list(prefix)
  }

  put(key: string, message: Message, options?: PutOptions): Promise<PutResult> {
    return this.#engine.put(key, message, options)
  }

  delete(key: string, options?: DelOptions): Promise<DeleteResult> {
    return this.#engine.delete(key, options)
  }

  txn(): Transaction {
    return this.#engine.txn()
  }

  publish(
    changes: Observable<Publication> | AsyncIterable<Publication>,
  ): Observable<PublishResult> {
    return this.#engine.publish(changes)
  }

  /** What servers of other processes (REST, gRPC) get of one of the transports. */
  served(options: ServedOptions = {}): Served {
    checkOptions<ServedOptions>(options, { transport: isString, prefixes: isStrings })
    const { transport, prefixes } = options
    const engine = transport === undefined ? this.#engine : this.#engineOf(transport)
    return engine.served(prefixes)
  }

  /** Every run of RESYNCs when it has ended; completes at close. */
  get runs$(): Observable<RunReport> {
    return this.#orchestrator.runs$
  }

  /** Every refusal, timeout and `reportError`, as it happens; completes at close. */
  get refusals$(): Observable<RefusalReport> {
    return this.#refusals$.asObservable()
  }

  /** Plugins in the order of `use`, and how far each of them is. */
  get plugins(): readonly PluginStatus[] {
    return this.#plugins.statuses
  }

  /** The names of its transports, the first one being where `watch`, `get` and `put` go. */
  get transports(): readonly string[] {
    return [...this.#engines.keys()]
  }

  /** In the order in which they get RESYNCs. */
  get registrations(): readonly RegistrationInfo[] {
    const known = new Map<string, RegistrationInfo>()
    for (const [transport, engine] of this.#engines) {
      for (const { name, plugin, prefixes, status } of engine.registrations) {
        known.set(name, { name, transport, plugin, prefixes, ...status })
      }
    }
    return this.#orchestrator.names.flatMap((name) => known.get(name) ?? [])
  }

  /**
   * RESYNCs these registrations, or all, in registration order; requests during a run unite into the next.
   * @throws NotRegisteredError (`SYNC_NOT_REGISTERED`), ClosedError
   */
  resync(names?: readonly string[]): Promise<RunReport> {
    return this.#orchestrator.resync(names)
  }

  /** A receiver's data is not right any more: it gets a RESYNC after a back-off. @throws NotRegisteredError */
  reportError(name: string, error: unknown): void {
    this.#orchestrator.reportError(name, error)
  }

  health(): Health {
    const engines = [...this.#engines.values()]
    const transports = engines.map((engine) => engine.status)
    const registrations = engines.flatMap((engine) =>
      Array.from(engine.registrations, (registration) => ({
        name: registration.name,
        ...registration.status,
      })),
    )
    const live =
      transports.every((transport) => transport.state === 'live') &&
      registrations.every((registration) => registration.state === 'live')
    return { status: this.#healthStatus(live), transports, registrations }
  }

  /** Pairs received so far by lists that are not complete. */
  get listing(): number {
    let pairs = 0
    for (const engine of this.#engines.values()) pairs += engine.listing
    return pairs
  }

  /** Plugins in reverse order, then registrations and transports; the process can exit afterwards (C11). Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #startup(): Promise<RunReport> {
    const going = (): boolean => this.#phase === 'starting'
    await Promise.all(Array.from(this.#engines, ([name, engine]) => this.#open(name, engine)))
    await this.#plugins.run('init', (plugin) => this.#context(plugin), going)
    if (!going()) throw new ClosedError('the agent')
    for (const engine of this.#engines.values()) engine.release()
    const report = await this.#orchestrator.start()
    await this.#plugins.run('afterInit', (plugin) => this.#context(plugin), going)
    if (!going()) throw new ClosedError('the agent')
    return report
  }

  async #open(name: string, engine: Engine): Promise<void> {
    this.#unopened.add(name)
    await engine.open()
    this.#unopened.delete(name)
  }

  async #bounded<T>(startup: Promise<T>): Promise<T> {
    const { startTimeoutMs, clock } = this.#options
    const closed = new Promise<never>((_, reject) => {
      this.#closing.signal.addEventListener('abort', () => reject(new ClosedError('the agent')), {
        once: true,
      })
    })
    closed.catch(() => {}) // only the race below is interested
    if (startTimeoutMs === 0) return Promise.race([startup, closed])
    let stop: (() => void) | undefined
    const timeout = new Promise<never>((_, reject) => {
      const timer = clock.after(startTimeoutMs, () => reject(this.#startTimeout(startTimeoutMs)), {
        keepAlive: true,
      })
      stop = () => timer.stop()
    })
    try {
      return await Promise.race([startup, timeout, closed])
    } finally {
      stop?.()
    }
  }

  #startTimeout(startTimeoutMs: number): TimeoutError {
    const troubled = this.health().transports.find(({ lastError }) => lastError !== undefined)
    const why = troubled === undefined ? '' : `; last: ${describeError(troubled.lastError)}`
    return new TimeoutError(`start (${this.#missing()}${why})`, startTimeoutMs, {
      cause: troubled?.lastError,
      outcome: 'not-applied',
    })
  }

  #missing(): string {
    if (this.#unopened.size > 0) return `opening ${[...this.#unopened].join(', ')}`
    if (this.#plugins.current !== undefined) return `waiting for ${this.#plugins.current}`
    const { missing } = this.#orchestrator
    if (missing.length > 0) return `no complete list yet for ${missing.join(', ')}`
    return 'waiting for receivers'
  }

  async #close(): Promise<void> {
    this.#phase = 'closed'
    clearInterval(this.#keepAlive)
    this.#closing.abort()
    if (this.#onSignal !== undefined) {
      process.off('SIGINT', this.#onSignal)
      process.off('SIGTERM', this.#onSignal)
    }
    const errors: unknown[] = await this.#plugins.close()
    this.#orchestrator.close()
    this.#refusals$.complete()
    const closed = await Promise.allSettled(
      Array.from(this.#engines.values(), (engine) => engine.close()),
    )
    for (const result of closed) if (result.status === 'rejected') errors.push(result.reason)
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, 'several parts failed to close')
  }

  #createEngine(transport: AgentOptions['transport']): Engine {
    const { logger, clock, random } = this.#options
    const engine = new Engine({
      transport,
      io: { signal: this.#closing.signal, logger, clock, random },
      gate: this.#orchestrator,
      instrumentation: this.#instrumentation,
      claim: (name) => this.#orchestrator.claim(name),
      registered: (registration) => this.#orchestrator.add(registration),
      refused: (report) => this.#refusals$.next(report),
    })
    engine.hold()
    return engine
  }

  #context(plugin: Plugin): PluginContext {
    const { logger } = this.#options
    const own = new PluginSync(this.#engine, plugin.name)
    const named =
      (level: 'debug' | 'info' | 'warn' | 'error') =>
      (fields: object, message: string): void =>
        logger[level]({ plugin: plugin.name, ...fields }, message)
    return {
      logger: {
        debug: named('debug'),
        info: named('info'),
        warn: named('warn'),
        error: named('error'),
      },
      signal: this.#closing.signal,
      sync: (transport) => new PluginSync(this.#engineOf(transport), plugin.name),
      register: (name) => own.watch(name, []),
      resync: (names) => this.resync(names),
      reportError: (name, error) => this.reportError(name, error),
      watch: (name, prefixes, options) => own.watch(name, prefixes, options),
      get: (key) => this.get(key),
      list: (prefix) => this.list(prefix),
      put: (key, message, options) => this.put(key, message, options),
      delete: (key, options) => this.delete(key, options),
      txn: () => this.txn(),
      publish: (changes) => this.publish(changes),
    }
  }

  #closeOnSignals(): void {
    this.#onSignal = () => {
      this.close().catch((error: unknown) =>
        this.#options.logger.error({ error: describeError(error) }, 'close failed'),
      )
    }
    process.once('SIGINT', this.#onSignal)
    process.once('SIGTERM', this.#onSignal)
  }

  #healthStatus(live: boolean): Health['status'] {
    switch (this.#phase) {
      case 'new':
      case 'starting':
        return 'starting'
      case 'started':
        return live ? 'ok' : 'degraded'
      case 'closed':
        return 'closed'
    }
  }
}
