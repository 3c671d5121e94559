import type { Clock } from '../api/clock.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { LastResync } from '../api/status.ts'

/** What became of the RESYNCs of a registration. */
export class ResyncRecord {
  readonly #clock: Clock
  #delivered = 0
  #last: LastResync | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many were delivered. */
  get delivered(): number {
    return this.#delivered
  }

  get last(): LastResync | undefined {
    return this.#last
  }

  begin(reason: ResyncReason, pairs: number): void {
    this.#delivered++
    const at = this.#clock.now()
    this.#last = { reason, at, durationMs: undefined, pairs, outcome: 'open' }
  }

  end(outcome: LastResync['outcome']): void {
    if (this.#last === undefined) return
    const durationMs = this.#clock.now() - this.#last.at
    this.#last = { ...this.#last, durationMs, outcome }
  }
}
