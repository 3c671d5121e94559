import type { ChildProcess } from 'node:child_process'
import { guardedSpawn } from '../support/guarded-spawn.ts'
import type { Signal } from '../support/guarded-spawn.ts'

export type { Signal } from '../support/guarded-spawn.ts'

const ENDING: ReadonlySet<Signal> = new Set<Signal>(['SIGKILL', 'SIGTERM', 'SIGINT'])
const OUTPUT_CHARACTERS = 16_384

/** A started program that dies with this process. */
export class ServerProcess {
  readonly #child: ChildProcess
  /** Resolves when the program has ended and its output is read. */
  readonly exited: Promise<void>
  #output = ''
  #running = true

  constructor(command: string, args: readonly string[], options: { cwd: string }) {
    this.#child = guardedSpawn(command, args, options)
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS)
    }
    this.#child.stdout?.setEncoding('utf8').on('data', keep)
    this.#child.stderr?.setEncoding('utf8').on('data', keep)
    this.exited = new Promise((resolve) => {
      const end = (): void => {
        this.#running = false
        resolve()
      }
      this.#child.once('close', end)
      this.#child.once('error', (error) => {
        keep(error.message)
        end()
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#running
  }

  /** The end of what the program wrote to stdout and stderr. */
  get output(): string {
    return this.#output
  }

  /** Sends a signal; one that ends programs is waited for. */
  async kill(signal: Signal): Promise<void> {
    if (!this.#running) return
    this.#child.kill(signal)
    if (ENDING.has(signal)) await this.exited
  }
}
