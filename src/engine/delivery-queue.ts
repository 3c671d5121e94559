import { Fifo } from '../kit/fifo.ts'
import { coalesce, settleTickets } from './pending-change.ts'
import type { PendingChange } from './pending-change.ts'

/** The queue of one registration (C8). It counts; its owner enforces the limits. */
export interface DeliveryQueue {
  readonly size: number
  /** Of the values that wait. */
  readonly bytes: number
  push(change: PendingChange): void
  /** Puts it before all others; none of them is of the same key where `latest`. */
  unshift(change: PendingChange): void
  shift(): PendingChange | undefined
  /** Oldest first. */
  [Symbol.iterator](): Iterator<PendingChange>
  /** Drops what `keep` does not want; returns what was dropped. */
  retain(keep: (change: PendingChange) => boolean): PendingChange[]
  /** Empties it; returns what was dropped. */
  clear(): PendingChange[]
}

export function createDeliveryQueue(delivery: 'all' | 'latest'): DeliveryQueue {
  return delivery === 'all' ? new QueueOfAll() : new QueueOfLatest()
}

function sizeOf(change: PendingChange): number {
  return (change.next ?? change.prev)?.value.length ?? 0
}

class QueueOfAll implements DeliveryQueue {
  readonly #items = new Fifo<PendingChange>()
  bytes = 0

  get size(): number {
    return this.#items.size
  }

  push(change: PendingChange): void {
    this.#items.push(change)
    this.bytes += sizeOf(change)
  }

  unshift(change: PendingChange): void {
    this.#items.unshift(change)
    this.bytes += sizeOf(change)
  }

  shift(): PendingChange | undefined {
    const change = this.#items.shift()
    if (change !== undefined) this.bytes -= sizeOf(change)
    return change
  }

  [Symbol.iterator](): Iterator<PendingChange> {
    return this.#items[Symbol.iterator]()
  }

  retain(keep: (change: PendingChange) => boolean): PendingChange[] {
    const dropped: PendingChange[] = []
    for (const change of this.clear()) {
      if (keep(change)) this.push(change)
      else dropped.push(change)
    }
    return dropped
  }

  clear(): PendingChange[] {
    this.bytes = 0
    return this.#items.clear()
  }
}

/** One pending change per key, at the place of its first. */
class QueueOfLatest implements DeliveryQueue {
  readonly #items = new Map<string, PendingChange>()
  bytes = 0

  get size(): number {
    return this.#items.size
  }

  push(change: PendingChange): void {
    const waiting = this.#items.get(change.key)
    if (waiting === undefined) {
      this.#items.set(change.key, change)
      this.bytes += sizeOf(change)
      return
    }
    this.bytes -= sizeOf(waiting)
    if (coalesce(waiting, change)) {
      this.bytes += sizeOf(waiting)
      return
    }
    this.#items.delete(change.key)
    settleTickets(waiting)
  }

  unshift(change: PendingChange): void {
    const rest = [...this.#items]
    this.#items.clear()
    this.#items.set(change.key, change)
    for (const [key, waiting] of rest) this.#items.set(key, waiting)
    this.bytes += sizeOf(change)
  }

  shift(): PendingChange | undefined {
    for (const change of this.#items.values()) {
      this.#items.delete(change.key)
      this.bytes -= sizeOf(change)
      return change
    }
    return undefined
  }

  [Symbol.iterator](): Iterator<PendingChange> {
    return this.#items.values()
  }

  retain(keep: (change: PendingChange) => boolean): PendingChange[] {
    const dropped = [...this.#items.values()].filter((change) => !keep(change))
    for (const change of dropped) {
      this.#items.delete(change.key)
      this.bytes -= sizeOf(change)
    }
    return dropped
  }

  clear(): PendingChange[] {
    const dropped = [...this.#items.values()]
    this.#items.clear()
    this.bytes = 0
    return dropped
  }
}
