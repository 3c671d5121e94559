import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { on, once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** One of the programs beside this file in a process of its own; what it sends is read in order. */
export class Child {
  readonly #process: ChildProcess
  readonly #messages: AsyncIterator<unknown[]>

  constructor(program: string, args: readonly string[]) {
    const path = fileURLToPath(new URL(`${program}.ts`, import.meta.url))
    this.#process = fork(path, args)
    this.#messages = on(this.#process, 'message', { close: ['exit'] })
  }

  /** Its next message. @throws Error when it has ended: nobody would wait for a process that is gone */
  async next(): Promise<unknown> {
    const { value, done } = await this.#messages.next()
    if (done === true) throw new Error(`${this.#process.spawnargs.join(' ')} has ended`)
    return (value as unknown[])[0]
  }

  send(message: object): void {
    this.#process.send(message)
  }

  /** Without a warning, as `kill -9` does. */
  async kill(): Promise<void> {
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }

  /** It closes what it has open and ends by itself. */
  async end(): Promise<void> {
    const exited = once(this.#process, 'exit')
    this.#process.disconnect()
    await exited
  }
}
