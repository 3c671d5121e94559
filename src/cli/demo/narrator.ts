import type { Output } from '../output.ts'

/** Who does something in the demo. */
export type Actor = 'agent' | 'interfaces' | 'routes' | 'access-lists' | 'operator'

const WIDTH = 14

/** Prints what happens, when it happens. */
export class Narrator {
  readonly #output: Output
  readonly #json: boolean
  readonly #startedAt: number = performance.now()

  constructor(output: Output, json: boolean) {
    this.#output = output
    this.#json = json
  }

  /** A new part of the story. */
  chapter(title: string, what: string): void {
    if (this.#json) {
      this.#output.record({ chapter: title })
      return
    }
    const { bold, cyan, dim } = this.#output.colors
    this.#output.line(`\n${bold(cyan(title))}\n${dim(what)}`)
  }

  says(actor: Actor, text: string): void {
    const ms = Math.round(performance.now() - this.#startedAt)
    if (this.#json) {
      this.#output.record({ ms, actor, text })
      return
    }
    const { dim } = this.#output.colors
    const time = dim(`${(ms / 1000).toFixed(3).padStart(7)}s`)
    this.#output.line(`${time}  ${this.#name(actor)}  ${text}`)
  }

  /** A line that belongs to the one before. */
  adds(text: string): void {
    if (this.#json) this.#output.record({ text })
    else this.#output.line(`${' '.repeat(WIDTH + 12)}${text}`)
  }

  get good(): (text: string) => string {
    return this.#output.colors.green
  }

  get bad(): (text: string) => string {
    return this.#output.colors.red
  }

  get faint(): (text: string) => string {
    return this.#output.colors.dim
  }

  #name(actor: Actor): string {
    const { magenta, blue, yellow, green, bold } = this.#output.colors
    const color = {
      agent: bold,
      interfaces: green,
      routes: blue,
      'access-lists': magenta,
      operator: yellow,
    }[actor]
    return color(actor.padEnd(WIDTH))
  }
}
