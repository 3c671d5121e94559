import type { Clock, Timer } from '../api/clock.ts'
import { nextTurn } from '../kit/next-task.ts'

/** Turns of the event loop that {@link FakeClock.run} gives to what a timer has set off. */
const TURNS = 4

interface FakeTimer {
  readonly at: number
  readonly task: () => void
}

/**
 * A {@link Clock} that a test moves. Timers fire in the order of their time, equal ones in the order of their making;
 * while one fires, `now()` is its time. Delays below 0 count as 0; nothing fires inside `after`.
 */
export class FakeClock implements Clock {
  readonly #timers = new Set<FakeTimer>()
  #now: number

  /** `startMs` is the time at first, ms since the epoch; 1 000 000. */
  constructor(startMs = 1_000_000) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), task }
    this.#timers.add(timer)
    return { stop: () => void this.#timers.delete(timer) }
  }

  /** Timers that run. */
  get pending(): number {
    return this.#timers.size
  }

  /** Milliseconds until the next timer fires; undefined when none runs. */
  get nextInMs(): number | undefined {
    const next = this.#next()
    return next === undefined ? undefined : next.at - this.#now
  }

  /** Moves the time on and fires what falls due, also timers that are made meanwhile. A task's error stops it and is thrown. */
  advance(ms: number): void {
    const end = this.#now + ms
    while (this.#fireUntil(end));
    this.#now = end
  }

  /**
   * As {@link FakeClock.advance}, and lets promises and a few turns of the event loop run before, between and after the
   * timers: what they set off has happened when it resolves, unless it waits for real I/O.
   */
  async run(ms: number): Promise<void> {
    const end = this.#now + ms
    do await settle()
    while (this.#fireUntil(end))
    this.#now = end
    await settle()
  }

  /** Fires the next timer if it is due by `end`. */
  #fireUntil(end: number): boolean {
    const next = this.#next()
    if (next === undefined || next.at > end) return false
    this.#timers.delete(next)
    this.#now = next.at
    next.task()
    return true
  }

  #next(): FakeTimer | undefined {
    let next: FakeTimer | undefined
    for (const timer of this.#timers) {
      if (next === undefined || timer.at < next.at) next = timer
    }
    return next
  }
}

async function settle(): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- one turn after the other is the purpose
  for (let turn = 0; turn < TURNS; turn++) await nextTurn()
}
