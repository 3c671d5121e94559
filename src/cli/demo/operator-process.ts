import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type {
  OperatorAnswer,
  OperatorMessage,
  OperatorRequest,
  OperatorStep,
} from './operator-messages.ts'

/** Carries out a request; must not throw. */
export type Carry = (request: OperatorRequest) => Promise<OperatorAnswer>

/** The other process, as the agent sees it. */
export class OperatorProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  readonly #carry: Carry
  #stepEnded: (() => void) | undefined

  constructor(carry: Carry) {
    this.#carry = carry
    // Sources run as .ts, the package as .js.
    const program = new URL(`./operator${extname(import.meta.url)}`, import.meta.url)
    this.#child = fork(fileURLToPath(program), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => {
        this.#stepEnded?.()
        resolve()
      })
    })
    this.#child.on('message', (message: OperatorMessage) => void this.#receive(message))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Lets it do a step; resolves when all of its requests are answered. */
  step(step: OperatorStep): Promise<void> {
    return new Promise((resolve) => {
      this.#stepEnded = resolve
      if (this.#child.connected) this.#child.send(step)
      else resolve()
    })
  }

  /** It ends with the pipe. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#exited
  }

  async #receive(message: OperatorMessage): Promise<void> {
    if (message === 'done') {
      this.#stepEnded?.()
      return
    }
    const answer = await this.#carry(message)
    if (this.#child.connected) this.#child.send(answer)
  }
}
