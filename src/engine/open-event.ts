import type { ResyncReason } from '../api/resync-event.ts'
import type { EventResult, Handling } from '../api/instrumentation.ts'
import type { PendingChange } from './pending-change.ts'
import type { ByteCopier } from './byte-copier.ts'
import type { DeliveryHandle } from './events.ts'
import type { Ticket } from './ticket.ts'

/** What an {@link OpenEvent} reports to its registration. */
export interface OpenEventOwner {
  readonly copies: ByteCopier
  settled(event: OpenEvent, error: unknown): void
  working(event: OpenEvent): void
}

/** One delivered event until its end (C6, C12). */
export class OpenEvent implements DeliveryHandle {
  readonly #owner: OpenEventOwner
  /** Undefined for a RESYNC. */
  readonly change: PendingChange | undefined
  readonly reason: ResyncReason | undefined
  /** Writes that a RESYNC carries; those of a CHANGE are with the change. */
  tickets: Ticket[] | undefined
  /** Undefined while open. */
  result: EventResult | undefined
  handling: Handling | undefined
  #abort: AbortController | undefined
  #aborted = false

  constructor(
    owner: OpenEventOwner,
    change: PendingChange | undefined,
    reason: ResyncReason | undefined,
  ) {
    this.#owner = owner
    this.change = change
    this.reason = reason
  }

  get kind(): 'resync' | 'change' {
    return this.change === undefined ? 'resync' : 'change'
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#aborted) this.#abort.abort()
    }
    return this.#abort.signal
  }

  get copies(): ByteCopier {
    return this.#owner.copies
  }

  working(): void {
    this.#owner.working(this)
  }

  done(error?: unknown): void {
    this.#owner.settled(this, error)
  }

  /** Ends it; the receiver is told by the signal unless it answered itself. */
  end(result: EventResult, error?: unknown): void {
    this.result = result
    this.handling?.end(result, error)
    this.handling = undefined
    if (result === 'timeout' || result === 'voided') this.abort()
  }

  /** The writes that its answer answers; taken once. */
  takeTickets(): Ticket[] | undefined {
    const holder = this.change ?? this
    const { tickets } = holder
    holder.tickets = undefined
    return tickets
  }

  abort(): void {
    this.#aborted = true
    this.#abort?.abort()
  }
}
