import type { Clock } from '../api/clock.ts'
import { Deadline } from './deadline.ts'
import { nextTask } from './next-task.ts'

/**
 * Calls `onIdle` once when `poke` was not called for `idleMs` (W13). A blocked event loop is no silence: before it
 * speaks, input that waits gets one turn to be read.
 */
export class IdleMonitor {
  readonly #idleMs: number
  readonly #deadline: Deadline
  #stopped = false
  #pokes = 0

  constructor(clock: Clock, idleMs: number, onIdle: () => void) {
    this.#idleMs = idleMs
    this.#deadline = new Deadline(clock, () => {
      const seen = this.#pokes
      nextTask(() =>
        nextTask(() => {
          if (!this.#stopped && this.#pokes === seen) onIdle()
        }),
      )
    })
    this.#deadline.set(idleMs)
  }

  poke(): void {
    this.#pokes++
    if (!this.#stopped) this.#deadline.set(this.#idleMs)
  }

  stop(): void {
    this.#stopped = true
    this.#deadline.stop()
  }
}
