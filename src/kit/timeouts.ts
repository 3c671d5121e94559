import type { Clock, Timer } from '../api/clock.ts'

/** One wait of {@link Timeouts}. */
export interface Timeout {
  /** Nothing happens any more. Idempotent. */
  stop(): void
}

/** Lengths that are kept while nobody waits so long. */
const KEPT = 16

/**
 * Waits that mostly end before their time: tens of thousands a second share one timer for each length of time. It keeps
 * the process alive while somebody waits.
 */
export class Timeouts {
  readonly #clock: Clock
  readonly #lanes = new Map<number, Lane>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  after(delayMs: number, task: () => void): Timeout {
    let lane = this.#lanes.get(delayMs)
    if (lane === undefined) {
      lane = new Lane(this.#clock, delayMs, () => {
        if (this.#lanes.size > KEPT) this.#lanes.delete(delayMs)
      })
      this.#lanes.set(delayMs, lane)
    }
    return lane.add(task)
  }
}

/** Waits of one length, in the order in which they began, which is that of their ends. */
class Lane {
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #onEmpty: () => void
  #first: Wait | undefined
  #last: Wait | undefined
  #timer: Timer | undefined
  /** When the wait began for which the timer was set. */
  #timedSince = 0

  constructor(clock: Clock, delayMs: number, onEmpty: () => void) {
    this.#clock = clock
    this.#delayMs = delayMs
    this.#onEmpty = onEmpty
  }

  add(task: () => void): Timeout {
    const wait = new Wait(this, this.#clock.now(), task)
    wait.before = this.#last
    if (this.#last === undefined) this.#first = wait
    else this.#last.behind = wait
    this.#last = wait
    if (this.#first === wait) this.#arm(wait.since, this.#delayMs)
    return wait
  }

  remove({ before, behind }: Wait): void {
    if (before === undefined) this.#first = behind
    else before.behind = behind
    if (behind === undefined) this.#last = before
    else behind.before = before
    if (this.#first !== undefined) return
    this.#timer?.stop()
    this.#timer = undefined
    this.#onEmpty()
  }

  #arm(since: number, delayMs: number): void {
    this.#timedSince = since
    this.#timer = this.#clock.after(delayMs, () => this.#fire(), { keepAlive: true })
  }

  /** What the wall clock says is compared with itself only: it may be put forward or back while somebody waits. */
  #fire(): void {
    this.#timer = undefined
    const since = this.#timedSince
    for (let wait = this.#first; wait !== undefined; wait = this.#first) {
      // A task has begun another one, the only one now.
      if (this.#timer !== undefined) return
      const restMs = Math.min(wait.since - since, this.#delayMs)
      if (restMs > 0) {
        this.#arm(wait.since, restMs)
        return
      }
      wait.expire()
    }
  }
}

class Wait implements Timeout {
  readonly since: number
  before: Wait | undefined
  behind: Wait | undefined
  readonly #lane: Lane
  #task: (() => void) | undefined

  constructor(lane: Lane, since: number, task: () => void) {
    this.#lane = lane
    this.since = since
    this.#task = task
  }

  stop(): void {
    if (this.#task === undefined) return
    this.#task = undefined
    this.#lane.remove(this)
  }

  expire(): void {
    const task = this.#task
    this.stop()
    task?.()
  }
}
