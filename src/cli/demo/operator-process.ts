import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type {
  OperatorAnswer,
  OperatorCommand,
  OperatorOrder,
  OperatorReport,
  OperatorRequest,
} from './operator-messages.ts'

/** Who tells what the other process does. */
export interface OperatorListener {
  asks(request: OperatorRequest): void
  answered(answer: OperatorAnswer): void
}

/** The other process, as the agent's sees it. */
export class OperatorProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  readonly #listener: OperatorListener
  #stepEnded: (() => void) | undefined

  constructor(listener: OperatorListener) {
    this.#listener = listener
    // Sources run as .ts, the package as .js.
    const program = new URL(`./operator${extname(import.meta.url)}`, import.meta.url)
    this.#child = fork(fileURLToPath(program), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => {
        this.#stepEnded?.()
        resolve()
      })
    })
    this.#child.on('message', (report: OperatorReport) => this.#receive(report))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Resolves when all of its requests are answered, or it is gone. */
  carryOut(order: OperatorOrder): Promise<void> {
    return new Promise((resolve) => {
      this.#stepEnded = resolve
      if (this.#child.connected) this.#send(order)
      else resolve()
    })
  }

  /** It ends with the pipe. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#exited
  }

  #receive(report: OperatorReport): void {
    switch (report.kind) {
      case 'asks':
        this.#listener.asks(report.request)
        this.#send('go')
        return
      case 'answered':
        this.#listener.answered(report.answer)
        return
      case 'done':
        this.#stepEnded?.()
    }
  }

  #send(command: OperatorCommand): void {
    if (this.#child.connected) this.#child.send(command)
  }
}
