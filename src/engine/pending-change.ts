import type { Position, RawPair } from '../api/transport.ts'
import type { Feed } from '../source/source.ts'
import { sameBytes } from '../source/watch-loop.ts'
import type { SourceChange } from '../source/watch-loop.ts'
import type { Ticket } from './ticket.ts'

/** A change that waits for its delivery, or is being handled. */
export interface PendingChange {
  readonly key: string
  /** What the fold holds (C4). */
  readonly prev: RawPair | undefined
  next: RawPair | undefined
  revision: number
  readonly feed: Feed
  /** The border before its (first) change: where a checkpoint may go on while it is open. */
  readonly before: Position | undefined
  /** When it arrived, the first of several that coalesced; ms since the epoch. */
  readonly at: number
  tickets: Ticket[] | undefined
}

export function pendingChange(
  change: SourceChange,
  feed: Feed,
  before: Position | undefined,
  at: number,
  ticket: Ticket | undefined,
): PendingChange {
  return {
    key: change.key,
    prev: change.prev,
    next: change.next,
    revision: change.revision,
    feed,
    before,
    at,
    tickets: ticket === undefined ? undefined : [ticket],
  }
}

/** Merges a newer change of the same key into one that waits. False: nothing is left to tell (C8). */
export function coalesce(pending: PendingChange, newer: PendingChange): boolean {
  pending.next = newer.next
  pending.revision = newer.revision
  if (newer.tickets !== undefined) pending.tickets = [...(pending.tickets ?? []), ...newer.tickets]
  return !isSameValue(pending.prev, pending.next)
}

/** Both absent, or of the same bytes. */
export function isSameValue(a: RawPair | undefined, b: RawPair | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return sameBytes(a.value, b.value)
}

/** The receiver has what the change's writers ended with: nothing is left to answer. */
export function settleTickets(change: PendingChange): void {
  for (const ticket of change.tickets ?? []) ticket.settle()
  change.tickets = undefined
}
