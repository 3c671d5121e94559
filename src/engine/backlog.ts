import { createDeliveryQueue } from './delivery-queue.ts'
import type { DeliveryQueue } from './delivery-queue.ts'
import { settleTickets } from './pending-change.ts'
import type { PendingChange } from './pending-change.ts'
import { RefusedChange } from './refused-change.ts'
import { ResyncTickets } from './resync-tickets.ts'
import type { Ticket } from './ticket.ts'
import type { ResolvedWatchOptions } from './watch-options.ts'

type BacklogOptions = Pick<ResolvedWatchOptions, 'delivery' | 'queueLimit' | 'queueBytes'>

/**
 * What a receiver is still to be told: a refused change that comes again, the queue behind it, and, where these were
 * given up, what is left to the next RESYNC. Of that only the writes are kept that wait for an answer: each is answered
 * with the event that carries its change (`waitFor: 'applied'`).
 */
export class Backlog {
  readonly #options: BacklogOptions
  readonly #queue: DeliveryQueue
  readonly #resyncTickets: ResyncTickets
  #retry: RefusedChange | undefined
  /** How often the change that `next` gave last had been refused before. */
  #refusals = 0

  constructor(name: string, options: BacklogOptions) {
    this.#options = options
    this.#queue = createDeliveryQueue(options.delivery)
    this.#resyncTickets = new ResyncTickets(name, options.queueLimit)
  }

  /** Changes that wait. */
  get size(): number {
    return this.#queue.size + (this.#retry?.repeated === undefined ? 0 : 1)
  }

  /** Of the values in the queue. */
  get bytes(): number {
    return this.#queue.bytes
  }

  get empty(): boolean {
    return this.#queue.size === 0 && this.#retry === undefined
  }

  /** More than the options allow (C8). */
  get overfull(): boolean {
    const { queueLimit, queueBytes } = this.#options
    return this.#queue.size > queueLimit || this.#queue.bytes > queueBytes
  }

  /** What is delivered next. */
  get first(): PendingChange | undefined {
    const [first] = this.#queue
    return this.#retry?.repeated ?? first
  }

  /** In the order of delivery. */
  all(): PendingChange[] {
    const repeated = this.#retry?.repeated
    return repeated === undefined ? [...this.#queue] : [repeated, ...this.#queue]
  }

  push(change: PendingChange): void {
    if (this.#options.delivery === 'latest' && this.#retry?.change.key === change.key) {
      this.#retry.merge(change)
    } else {
      this.#queue.push(change)
    }
  }

  /** Takes what is to be delivered next: what was refused, before all others. */
  next(): PendingChange | undefined {
    const retry = this.#retry
    if (retry === undefined) {
      this.#refusals = 0
      return this.#queue.shift()
    }
    this.#retry = undefined
    const { repeated } = retry
    this.#refusals = repeated === undefined ? 0 : retry.attempt
    return repeated ?? this.#queue.shift()
  }

  /** The change that `next` gave last may come again. */
  mayRepeat(maxRetries: number): boolean {
    return this.#refusals < maxRetries
  }

  /** The change that `next` gave last comes again. */
  repeat(change: PendingChange): void {
    const retry = new RefusedChange(change, this.#refusals + 1)
    this.#retry = retry
    if (this.#options.delivery === 'all') return
    // A newer value that queued behind it becomes part of it (C8).
    const [newer] = this.#queue.retain((waiting) => waiting.key !== change.key)
    if (newer !== undefined) retry.merge(newer)
  }

  /** The refused change was acknowledged after all (C12). */
  acknowledgedLate(): void {
    this.#retry?.settle(this.#queue)
    this.#retry = undefined
  }

  /** After `unregister`: what nothing covers any more is not told. */
  keepOnly(rest: { covers(key: string): boolean }): void {
    for (const change of this.#queue.retain((waiting) => rest.covers(waiting.key))) {
      settleTickets(change)
    }
    if (this.#retry === undefined || rest.covers(this.#retry.change.key)) return
    settleTickets(this.#retry.change)
    this.#retry = undefined
  }

  /** The next RESYNC carries everything that waits. */
  leaveToResync(): void {
    this.#resyncTickets.add(this.#retry?.change.tickets)
    this.#retry = undefined
    for (const change of this.#queue.clear()) this.#resyncTickets.add(change.tickets)
  }

  /** The next RESYNC carries the changes of these writes. */
  leaveTickets(tickets: readonly Ticket[] | undefined): void {
    this.#resyncTickets.add(tickets)
  }

  /** A RESYNC is delivered, and answers these writes. */
  takeTickets(): Ticket[] {
    return this.#resyncTickets.take()
  }

  /** Nobody will answer any more. */
  close(): void {
    const changes = this.#queue.clear()
    if (this.#retry !== undefined) changes.push(this.#retry.change)
    this.#retry = undefined
    for (const { tickets } of changes) for (const ticket of tickets ?? []) ticket.leave()
    for (const ticket of this.#resyncTickets.take()) ticket.leave()
  }
}
