import type { Position, Receipt } from '../api/transport.ts'
import { PrefixIndex } from '../kit/prefix-index.ts'
import type { Feed } from '../source/source.ts'
import type { SourceChange } from '../source/watch-loop.ts'
import type { Registration } from './registration.ts'
import { Ticket } from './ticket.ts'

/** So many receivers of one change are looked through one by one. */
const FEW = 4

/** Who watches what on one feed. */
export class Router {
  /** Registrations that hold the feed, and how many of their prefixes do. */
  readonly #members = new Map<Registration, number>()
  readonly #routes = new PrefixIndex<Set<Registration>>()

  get members(): Iterable<Registration> {
    return [...this.#members.keys()]
  }

  join(registration: Registration): void {
    this.#members.set(registration, (this.#members.get(registration) ?? 0) + 1)
  }

  /** From now on the registration gets the changes under the prefix. */
  route(registration: Registration, prefix: string): void {
    const known = this.#routes.get(prefix)
    if (known === undefined) this.#routes.set(prefix, new Set([registration]))
    else known.add(registration)
  }

  leave(registration: Registration, prefix: string): void {
    const rest = (this.#members.get(registration) ?? 0) - 1
    if (rest > 0) this.#members.set(registration, rest)
    else this.#members.delete(registration)
    const known = this.#routes.get(prefix)
    known?.delete(registration)
    if (known?.size === 0) this.#routes.delete(prefix)
  }

  /** Costs the same however many registrations there are; only those that match are touched. */
  dispatch(
    feed: Feed,
    changes: readonly SourceChange[],
    before: Position | undefined,
    receipt: Receipt | undefined,
  ): void {
    if (receipt !== undefined) {
      this.#dispatchWithReceipt(feed, changes, before, receipt)
      return
    }
    let change: SourceChange
    const handOver = (registrations: ReadonlySet<Registration>): void => {
      for (const registration of registrations) {
        registration.changed(change, feed, before, undefined)
      }
    }
    for (change of changes) this.#routes.match(change.key, handOver)
  }

  #dispatchWithReceipt(
    feed: Feed,
    changes: readonly SourceChange[],
    before: Position | undefined,
    receipt: Receipt,
  ): void {
    const [only] = changes
    if (changes.length === 1 && only !== undefined) {
      const registrations = this.#fewMatching(only.key)
      if (registrations !== undefined) {
        dispatchOne(registrations, feed, only, before, receipt)
        return
      }
    }
    const tickets = new Map<Registration, Ticket>()
    const deliveries: { registration: Registration; change: SourceChange }[] = []
    for (const change of changes) {
      this.#routes.match(change.key, (registrations) => {
        for (const registration of registrations) deliveries.push({ registration, change })
      })
    }
    for (const { registration } of deliveries) {
      if (!registration.hasReceiver) continue
      const ticket = tickets.get(registration) ?? new Ticket(receipt, registration.name)
      tickets.set(registration, ticket.add())
    }
    // Names first: an answer may come while the changes are handed out.
    receipt.routed(Array.from(tickets.keys(), (registration) => registration.name))
    for (const { registration, change } of deliveries) {
      registration.changed(change, feed, before, tickets.get(registration))
    }
  }

  /** Who watches the key, each once; undefined when they are many, or one does with two prefixes. */
  #fewMatching(key: string): Registration[] | undefined {
    const found: Registration[] = []
    let plain = true
    this.#routes.match(key, (registrations) => {
      if (found.length + registrations.size > FEW) plain = false
      if (!plain) return
      for (const registration of registrations) {
        if (found.includes(registration)) plain = false
        found.push(registration)
      }
    })
    return plain ? found : undefined
  }
}

/** Most writes are one change with one or two receivers: no table of who owes what is made for them. */
function dispatchOne(
  registrations: readonly Registration[],
  feed: Feed,
  change: SourceChange,
  before: Position | undefined,
  receipt: Receipt,
): void {
  const answering = registrations.filter(({ hasReceiver }) => hasReceiver)
  // Names first: an answer may come while the changes are handed out.
  receipt.routed(answering.map(({ name }) => name))
  for (const registration of registrations) {
    const ticket = answering.includes(registration)
      ? new Ticket(receipt, registration.name).add()
      : undefined
    registration.changed(change, feed, before, ticket)
  }
}
