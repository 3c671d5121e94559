import { describeError, PluginError } from '../api/errors.ts'
import type { Logger } from '../api/logger.ts'
import type { Plugin, PluginContext } from '../api/plugin.ts'
import type { PluginState, PluginStatus } from './health.ts'

/** The life of the plugins: `init` and `afterInit` in the order of `use`, `close` in reverse. */
export class PluginHost {
  readonly #logger: Logger
  readonly #plugins: Plugin[] = []
  /** Those whose `init` was called. */
  readonly #opened: Plugin[] = []
  readonly #states = new Map<string, PluginStatus>()
  #current: string | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(plugin: Plugin): void {
    this.#plugins.push(plugin)
    this.#enter(plugin, 'waiting')
  }

  get names(): readonly string[] {
    return this.#plugins.map((plugin) => plugin.name)
  }

  /** In the order of `use`. */
  get statuses(): readonly PluginStatus[] {
    return [...this.#states.values()]
  }

  /** What is running now, as `plugin x: init`. */
  get current(): string | undefined {
    return this.#current
  }

  /** @throws PluginError (`SYNC_PLUGIN_FAILED`) */
  async run(
    phase: 'init' | 'afterInit',
    contextOf: (plugin: Plugin) => PluginContext,
    goOn: () => boolean,
  ): Promise<void> {
    for (const plugin of this.#plugins) {
      if (!goOn()) return
      if (phase === 'init') this.#opened.push(plugin)
      this.#current = `plugin ${plugin.name}: ${phase}`
      this.#enter(plugin, phase)
      try {
        await plugin[phase]?.(contextOf(plugin))
        this.#enter(plugin, phase === 'init' ? 'initialised' : 'started')
      } catch (error) {
        this.#enter(plugin, 'failed', error)
        throw new PluginError(plugin.name, phase, error)
      }
      this.#current = undefined
    }
  }

  /** Closes all whose `init` was called, in reverse order; a failing one stops no other. */
  async close(): Promise<PluginError[]> {
    const errors: PluginError[] = []
    for (const plugin of this.#opened.splice(0).toReversed()) {
      try {
        await plugin.close?.()
        if (this.#states.get(plugin.name)?.state !== 'failed') this.#enter(plugin, 'closed')
      } catch (error) {
        this.#enter(plugin, 'failed', error)
        this.#logger.error({ plugin: plugin.name, error: describeError(error) }, 'close failed')
        errors.push(new PluginError(plugin.name, 'close', error))
      }
    }
    return errors
  }

  #enter({ name }: Plugin, state: PluginState, error?: unknown): void {
    this.#states.set(name, { name, state, error })
  }
}
