import { Fifo } from '../kit/fifo.ts'

/** Somebody who may have something to deliver. */
export interface Deliverer {
  deliver(): void
}

/**
 * Who may have something to deliver: all that a batch has touched are served in one microtask, in the order in which
 * they were touched.
 */
export class Deliveries {
  readonly #waiting = new Fifo<Deliverer>()
  #serving = false

  add(deliverer: Deliverer): void {
    this.#waiting.push(deliverer)
    if (this.#serving) return
    this.#serving = true
    queueMicrotask(() => this.#serve())
  }

  #serve(): void {
    for (;;) {
      const deliverer = this.#waiting.shift()
      if (deliverer === undefined) break
      try {
        deliverer.deliver()
      } catch (error) {
        // A bug of one is reported as if it had been alone (C9).
        queueMicrotask(() => {
          throw error
        })
      }
    }
    this.#serving = false
  }
}
