import { nextTask } from '../kit/next-task.ts'

/** Events delivered in one go before other work gets a turn. */
const EVENTS_PER_TURN = 1_024

export interface PumpOptions {
  /** Calls the pump's `deliver` in a microtask. */
  readonly soon: (pump: Pump) => void
  /** Delivers one event; false: there is none, or it may not be delivered. */
  readonly deliverNext: () => boolean
}

/** Delivers what can be delivered. A receiver that answers at once gets the next event in the same loop. */
export class Pump {
  readonly #options: PumpOptions
  #running = false
  #queued = false
  #stopped = false

  constructor(options: PumpOptions) {
    this.#options = options
  }

  /** Something may have become deliverable; a loop that runs sees it by itself. */
  soon(): void {
    if (this.#queued || this.#running || this.#stopped) return
    this.#queued = true
    this.#options.soon(this)
  }

  /** In the microtask that `soon` asks for. */
  deliver(): void {
    this.#queued = false
    this.run()
  }

  /** Now; a receiver that calls this from inside its event only has its turn go on. */
  run(): void {
    if (this.#running) return
    this.#running = true
    try {
      let delivered = 0
      while (!this.#stopped && this.#options.deliverNext()) {
        delivered++
        if (delivered >= EVENTS_PER_TURN) {
          nextTask(() => this.run())
          return
        }
      }
    } finally {
      this.#running = false
    }
  }

  /** For good, also from inside the loop. */
  stop(): void {
    this.#stopped = true
  }
}
