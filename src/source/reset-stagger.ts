import type { Timer } from '../api/clock.ts'
import type { Io } from '../api/transport.ts'
import type { CacheReader } from './cache-reader.ts'

/** So much time per reader that lists anew. */
const MS_PER_READER = 2

interface Turn {
  readonly reader: CacheReader
  /** Since the reset. */
  readonly afterMs: number
}

/**
 * Spreads the lists that follow a reset over some time, so that a thousand readers do not list, and ask for encodings
 * and sockets, in one moment. One timer for all.
 */
export class ResetStagger {
  readonly #io: Io
  readonly #maxMs: number
  /** The next one last. */
  #turns: Turn[] = []
  #timer: Timer | undefined

  constructor(io: Io, maxMs: number) {
    this.#io = io
    this.#maxMs = maxMs
  }

  /** Holds the readers, each for a random time; earlier turns are void. One that is alone does not wait. */
  spread(readers: readonly CacheReader[]): void {
    const remote = readers.filter((reader) => reader.remote)
    // Receivers of this process do not wait for those of others.
    const local = readers.filter((reader) => !reader.remote)
    this.#turns = [...this.#turnsOf(local), ...this.#turnsOf(remote)].sort(
      (a, b) => b.afterMs - a.afterMs,
    )
    for (const { reader } of this.#turns) reader.held = true
    this.#release(0, this.#io.clock.now())
  }

  stop(): void {
    this.#timer?.stop()
    this.#turns = []
  }

  #turnsOf(readers: readonly CacheReader[]): Turn[] {
    const width = readers.length === 1 ? 0 : Math.min(this.#maxMs, MS_PER_READER * readers.length)
    return readers.map((reader) => ({ reader, afterMs: this.#io.random() * width }))
  }

  #release(passedMs: number, startedAt: number): void {
    this.#timer?.stop()
    for (;;) {
      const next = this.#turns.at(-1)
      if (next === undefined) return
      if (next.afterMs > passedMs) {
        this.#timer = this.#io.clock.after(next.afterMs - passedMs, () => {
          // By the timer, where the wall clock was put back; by the clock, where timers are late.
          const byClock = this.#io.clock.now() - startedAt
          this.#release(Math.max(next.afterMs, byClock), startedAt)
        })
        return
      }
      this.#turns.pop()
      next.reader.held = false
      next.reader.notify()
    }
  }
}
