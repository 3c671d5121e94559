import { OverflowError } from '../api/errors.ts'
import type { Ticket } from './ticket.ts'

/** So many may always wait, however short the queue: at such numbers the writers of the oldest have given up. */
const LEAST_LIMIT = 10_000

/** Writes that wait for the next RESYNC's `done`, because it carries their changes; bounded (C8). */
export class ResyncTickets {
  readonly #name: string
  readonly #limit: number
  #waiting: Ticket[] = []

  constructor(name: string, limit: number) {
    this.#name = name
    this.#limit = Math.max(limit, LEAST_LIMIT)
  }

  /** Past the limit the oldest are refused (`SYNC_OVERFLOW`). */
  add(tickets: readonly Ticket[] | undefined): void {
    if (tickets === undefined) return
    this.#waiting.push(...tickets)
    const excess = Math.max(0, this.#waiting.length - this.#limit)
    for (const ticket of this.#waiting.splice(0, excess)) {
      ticket.settle(new OverflowError(`${this.#name}: writes waiting for a RESYNC`, this.#limit))
    }
  }

  take(): Ticket[] {
    const tickets = this.#waiting
    this.#waiting = []
    return tickets
  }
}
