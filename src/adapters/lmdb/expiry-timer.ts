import type { Clock, Timer } from '../../api/clock.ts'

/** How long an expiry may be overlooked when the wall clock jumps or the machine sleeps. */
const POLL_MS = 60_000
/** After an expiry that could not be written. */
const RETRY_MS = 1_000

/** Waits for the earliest deadline of a store; one timer at most. */
export class ExpiryTimer {
  readonly #clock: Clock
  readonly #onDue: () => void
  #next: number | undefined
  #timer: Timer | undefined
  #stopped = false

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  /** True when something expires, now or later. */
  get isSet(): boolean {
    return this.#next !== undefined
  }

  get isDue(): boolean {
    return this.#next !== undefined && this.#next <= this.#clock.now()
  }

  /** The earliest deadline as it is now; undefined when nothing expires. */
  set(next: number | undefined): void {
    this.#next = next
    this.#arm()
  }

  /** Reports the same deadline again, a little later. */
  retry(): void {
    this.#arm(RETRY_MS)
  }

  /** Nothing is reported any more. */
  stop(): void {
    this.#stopped = true
    this.#timer?.stop()
  }

  #arm(delayMs?: number): void {
    this.#timer?.stop()
    if (this.#next === undefined || this.#stopped) return
    const restMs = Math.max(0, this.#next - this.#clock.now())
    this.#timer = this.#clock.after(delayMs ?? Math.min(restMs, POLL_MS), () => {
      if (this.isDue) this.#onDue()
      else this.#arm()
    })
  }
}
