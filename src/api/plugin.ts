import type { Logger } from './logger.ts'
import type { RunReport } from './run-report.ts'
import type { KeyValProtoWatcher, KeyValReader, WatchRegistration } from './watcher.ts'
import type { KeyProtoValWriter } from './writer.ts'

/** Watch, read and write through one transport. */
export interface Sync extends KeyValProtoWatcher, KeyValReader, KeyProtoValWriter {}

/** What a plugin gets. */
export interface PluginContext extends Sync {
  readonly logger: Logger
  /** Aborted when the agent closes. */
  readonly signal: AbortSignal
  /** Another transport of the agent by its name. @throws InvalidOptionError when there is none */
  sync(transport: string): Sync
  /** A place in the order of RESYNCs for a part that watches nothing; its RESYNCs hold no values. */
  register(resyncName: string): WatchRegistration
  /** RESYNCs these registrations, or all, in registration order. @throws NotRegisteredError, ClosedError */
  resync(names?: readonly string[]): Promise<RunReport>
  /** Tells the orchestrator that a registration's data is no longer right: it gets a RESYNC after a back-off. */
  reportError(name: string, error: unknown): void
}

/** A part of the application. */
export interface Plugin {
  readonly name: string
  /** Called in the order of `use`; watches are registered here. */
  init?(context: PluginContext): void | Promise<void>
  /** Called after the startup run, in the same order. */
  afterInit?(context: PluginContext): void | Promise<void>
  /** Called in reverse order. */
  close?(): void | Promise<void>
}
