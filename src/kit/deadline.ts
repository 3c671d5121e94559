import type { Clock, Timer } from '../api/clock.ts'

/**
 * One deadline that is moved often: moving it later costs no timer, the running one looks again when it fires.
 * `onPassed` is called once per `set`.
 */
export class Deadline {
  readonly #clock: Clock
  readonly #onPassed: () => void
  #at = Infinity
  #timer: Timer | undefined
  #timerAt = Infinity

  constructor(clock: Clock, onPassed: () => void) {
    this.#clock = clock
    this.#onPassed = onPassed
  }

  /** Milliseconds until it passes; Infinity when not set. */
  get restMs(): number {
    return this.#at - this.#clock.now()
  }

  set(afterMs: number): void {
    this.#at = this.#clock.now() + afterMs
    if (this.#timer === undefined || this.#timerAt > this.#at) this.#arm(afterMs)
  }

  /** The timer may run out its time, doing nothing. */
  clear(): void {
    this.#at = Infinity
  }

  /** Clears and leaves no timer. */
  stop(): void {
    this.clear()
    this.#timer?.stop()
    this.#timer = undefined
  }

  #arm(afterMs: number): void {
    this.#timer?.stop()
    this.#timerAt = this.#at
    this.#timer = this.#clock.after(afterMs, () => {
      this.#timer = undefined
      if (this.#at === Infinity) return
      // By the timer, where the wall clock was put back meanwhile.
      const rest = Math.min(this.#at - this.#timerAt, this.restMs)
      if (rest > 0) {
        this.#arm(rest)
        return
      }
      this.#at = Infinity
      this.#onPassed()
    })
  }
}
