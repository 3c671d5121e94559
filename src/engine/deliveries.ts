interface Deliverer {
  deliver(): void
}

/**
 * Who may have something to deliver: all that a batch has touched are served in one microtask, in the order in which
 * they were touched.
 */
export class Deliveries {
  #waiting: Deliverer[] = []

  add(deliverer: Deliverer): void {
    if (this.#waiting.push(deliverer) === 1) queueMicrotask(() => this.#serve())
  }

  #serve(): void {
    const deliverers = this.#waiting
    this.#waiting = []
    for (const deliverer of deliverers) {
      try {
        deliverer.deliver()
      } catch (error) {
        // A bug of one is reported as if it had been alone (C9).
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
