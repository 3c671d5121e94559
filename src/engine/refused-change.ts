import type { DeliveryQueue } from './delivery-queue.ts'
import { coalesce, isSameValue, settleTickets } from './pending-change.ts'
import type { PendingChange } from './pending-change.ts'

/** A refused change that comes again after the back-off (`onRefusal: 'retry'`). */
export class RefusedChange {
  readonly change: PendingChange
  /** Repetitions, this one included. */
  readonly attempt: number
  /** As the receiver saw it: with `latest` the change goes on changing. */
  readonly #delivered: Pick<PendingChange, 'next' | 'revision'>
  #withdrawn = false

  constructor(change: PendingChange, attempt: number) {
    this.change = change
    this.attempt = attempt
    this.#delivered = { next: change.next, revision: change.revision }
  }

  /** What is to be delivered; undefined when it went back to what the receiver had before. */
  get repeated(): PendingChange | undefined {
    return this.#withdrawn ? undefined : this.change
  }

  /** With `latest`: a newer value becomes part of it (C8). */
  merge(newer: PendingChange): void {
    this.#withdrawn = !coalesce(this.change, newer)
    if (this.#withdrawn) settleTickets(this.change)
  }

  /** The receiver has the change as it saw it after all: what became of it since is still to be told. */
  settle(queue: DeliveryQueue): void {
    if (isSameValue(this.#delivered.next, this.change.next)) settleTickets(this.change)
    else queue.unshift({ ...this.change, prev: this.#delivered.next })
  }
}
