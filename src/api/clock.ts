/** A running timer of a {@link Clock}. */
export interface Timer {
  /** Stops it; nothing happens when it has fired or was stopped. */
  stop(): void
}

/** Time, injected so that tests can hold it. All figures in milliseconds. */
export interface Clock {
  /** Wall-clock time since the epoch. */
  now(): number
  /** Calls `task` once after `delayMs`; the timer does not keep the process alive unless `keepAlive`. */
  after(delayMs: number, task: () => void, options?: { keepAlive?: boolean }): Timer
}

/** Node's timers end at 2^31 - 1 ms: longer delays are chained. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, task, options) {
    let rest = Math.max(0, delayMs)
    let handle: ReturnType<typeof setTimeout>
    const arm = (): void => {
      const step = Math.min(rest, LONGEST_TIMER_MS)
      rest -= step
      handle = setTimeout(rest > 0 ? arm : task, step)
      if (options?.keepAlive !== true) (handle as { unref?: () => void }).unref?.()
    }
    arm()
    return { stop: () => clearTimeout(handle) }
  },
}
