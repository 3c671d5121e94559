import type { Receipt } from '../api/transport.ts'

/** What one registration owes a receipt: an answer once all its changes of the batch are answered. */
export class Ticket {
  readonly #receipt: Receipt
  readonly #registration: string
  #open = 0
  #error: unknown
  #ended = false

  constructor(receipt: Receipt, registration: string) {
    this.#receipt = receipt
    this.#registration = registration
  }

  /** One more change that waits for an answer. */
  add(): this {
    this.#open++
    return this
  }

  /** The first `done` to an event that carries or replaces one of the changes. */
  settle(error?: unknown): void {
    this.#error ??= error
    this.#open--
    if (this.#open > 0 || this.#ended) return
    this.#ended = true
    this.#receipt.answered(this.#registration, this.#error)
  }

  /** The registration is closed. */
  leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#receipt.left(this.#registration)
  }
}
