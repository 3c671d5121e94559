import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Measurement } from './scenario.ts'
import { quantile } from './statistics.ts'

/** How long values were on their way that a process of its own writes at a steady pace, each the time at which it was sent. */
export class Delays {
  readonly #writer: string
  readonly #delays: Float64Array
  #count = 0
  #all: (() => void) | undefined

  /** `writer`: the program, called with the URL; it writes `values` values. */
  constructor(writer: string, values: number) {
    this.#writer = writer
    this.#delays = new Float64Array(values)
  }

  arrived(value: Uint8Array): void {
    const sentAt = Number(new TextDecoder().decode(value))
    this.#delays[this.#count++] = performance.timeOrigin + performance.now() - sentAt
    if (this.#count === this.#delays.length) this.#all?.()
  }

  async whilePaced(url: string): Promise<Measurement> {
    this.#count = 0
    const all = new Promise<void>((resolve) => {
      this.#all = resolve
    })
    const writer = spawn(process.execPath, [this.#writer, url], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    await Promise.all([all, once(writer, 'exit')])
    return { p50Ms: quantile(this.#delays, 0.5), p99Ms: quantile(this.#delays, 0.99) }
  }
}
