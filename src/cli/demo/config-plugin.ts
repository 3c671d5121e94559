import type { ChangeEvent } from '../../api/change-event.ts'
import type { Plugin, PluginContext } from '../../api/plugin.ts'
import type { ResyncEvent } from '../../api/resync-event.ts'
import type { DemoModel } from './models.ts'
import type { Actor, Narrator } from './narrator.ts'

export interface ConfigPluginOptions<T> {
  readonly name: Actor
  readonly model: DemoModel<T>
  readonly describe: (value: T) => string
  /** Why a value cannot be used. */
  readonly problem?: (value: T) => string | undefined
  readonly narrator: Narrator
}

/** A plugin that applies one kind of configuration, which here means to print it. */
export class ConfigPlugin<T> implements Plugin {
  readonly name: Actor
  readonly #options: ConfigPluginOptions<T>
  /** What is applied. */
  readonly #applied = new Map<string, T>()

  constructor(options: ConfigPluginOptions<T>) {
    this.name = options.name
    this.#options = options
  }

  init(context: PluginContext): void {
    context.watch(this.name, this.#options.model.items).handle({
      resync: (event) => this.#resync(event),
      change: (event) => this.#change(event),
    })
  }

  /** The whole state: whatever was there before, this is how it has to be. */
  #resync(event: ResyncEvent): void {
    const { model, narrator, problem } = this.#options
    const { items } = model
    const pairs = [...(event.values.get(items.prefix) ?? [])]
    narrator.says(
      this.name,
      `${narrator.good('RESYNC')} (${event.reason}): ${pairs.length} ${pairs.length === 1 ? 'item' : 'items'}`,
    )
    const before = new Map(this.#applied)
    this.#applied.clear()
    for (const pair of pairs) {
      const name = items.nameOf(pair.key) ?? pair.key
      const value = pair.getValue(items)
      const wrong = problem?.(value)
      const kept = before.get(name)
      if (wrong === undefined) this.#apply(name, value, '')
      else if (kept !== undefined)
        this.#apply(name, kept, narrator.bad(` (${wrong}: kept as it was)`))
    }
  }

  /** One item's put or delete. Throwing refuses it: a RESYNC follows. */
  #change(event: ChangeEvent): void {
    const { model, describe, narrator, problem } = this.#options
    const { items } = model
    const name = items.nameOf(event.key) ?? event.key
    const before = event.getPrevValue(items)
    const was = before === undefined ? '' : narrator.faint(`  was ${describe(before)}`)
    if (event.changeType === 'delete') {
      this.#applied.delete(name)
      narrator.says(this.name, `${narrator.bad('CHANGE delete')} ${name}${was}`)
      return
    }
    const value = event.getValue(items)
    const wrong = problem?.(value)
    if (wrong !== undefined) {
      narrator.says(this.name, `${narrator.bad('refuses')} ${name}: ${wrong}`)
      throw new Error(wrong)
    }
    this.#applied.set(name, value)
    narrator.says(this.name, `${narrator.good('CHANGE put')} ${name}  ${describe(value)}${was}`)
  }

  #apply(name: string, value: T, remark: string): void {
    const { describe, narrator } = this.#options
    this.#applied.set(name, value)
    narrator.adds(`${name}  ${describe(value)}${remark}`)
  }
}
