import type { PendingChange } from '../../src/engine/pending-change.ts'
import { Ticket } from '../../src/engine/ticket.ts'
import type { Feed } from '../../src/source/source.ts'
import { rawPair } from '../../src/testing/script-inputs.ts'

const feed = {} as Feed

/** A change that waits; undefined where there is no value. */
export function change(
  key: string,
  prev: string | undefined,
  next: string | undefined,
  revision = 1,
): PendingChange {
  return {
    key,
    prev: prev === undefined ? undefined : rawPair([key, prev, revision]),
    next: next === undefined ? undefined : rawPair([key, next, revision]),
    revision,
    feed,
    before: undefined,
    at: 0,
    tickets: undefined,
  }
}

/** `/a 1→2`, with `-` for no value. */
export function shown(pending: PendingChange | undefined): string {
  const text = (pair: { value: Uint8Array } | undefined): string =>
    pair === undefined ? '-' : new TextDecoder().decode(pair.value)
  return pending === undefined
    ? 'nothing'
    : `${pending.key} ${text(pending.prev)}→${text(pending.next)}`
}

/** Answers to writes, in the order in which they come: `a`, `b: why not`, `c left`. */
export class Answers {
  readonly seen: string[] = []

  /** What a write of one change waits for. */
  ticket(write: string): Ticket {
    const receipt = {
      routed: () => {},
      answered: (_: string, error?: unknown) =>
        this.seen.push(error instanceof Error ? `${write}: ${error.message}` : write),
      left: () => this.seen.push(`${write} left`),
    }
    return new Ticket(receipt, 'r').add()
  }
}
