import { nextTask } from '../kit/next-task.ts'
import type { Deliverer } from './deliveries.ts'
import type { RegistrationHost } from './registration-host.ts'

/** Events delivered in one go before other work gets a turn. */
const EVENTS_PER_TURN = 1_024

/** Whose events it delivers: the registration. */
export interface PumpOwner {
  /** Delivers one event; false: there is none, or it may not be delivered. */
  deliverNext(): boolean
}

/** Delivers what can be delivered. A receiver that answers at once gets the next event in the same loop. */
export class Pump implements Deliverer {
  readonly #owner: PumpOwner
  readonly #host: Pick<RegistrationHost, 'deliverSoon'>
  #running = false
  #queued = false
  #stopped = false

  constructor(owner: PumpOwner, host: Pick<RegistrationHost, 'deliverSoon'>) {
    this.#owner = owner
    this.#host = host
  }

  /** Something may have become deliverable; a loop that runs sees it by itself. */
  soon(): void {
    if (this.#queued || this.#running || this.#stopped) return
    this.#queued = true
    this.#host.deliverSoon(this)
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
      while (!this.#stopped && this.#owner.deliverNext()) {
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
