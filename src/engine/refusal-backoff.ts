import type { Timer } from '../api/clock.ts'
import type { Io } from '../api/transport.ts'
import { backoffMs } from '../kit/backoff.ts'
import type { OpenEvent } from './open-event.ts'

/** Before a repetition (C7): from 1 s, doubling, at most 60 s. */
export const REFUSAL_BACKOFF = { baseMs: 1_000, capMs: 60_000 } as const

/** Who goes on after it: the registration. */
export interface BackoffOwner {
  backoffOver(): void
}

/** The pause between a refusal and what is delivered next. */
export class RefusalBackoff {
  readonly #io: Io
  readonly #owner: BackoffOwner
  #timer: Timer | undefined
  #late: OpenEvent | undefined
  /** Refusals in a row. */
  #streak = 0

  constructor(io: Io, owner: BackoffOwner) {
    this.#io = io
    this.#owner = owner
  }

  get active(): boolean {
    return this.#timer !== undefined
  }

  /** C12: a late `done` of this event, and only of it, still counts. */
  mayStillSettle(event: OpenEvent): boolean {
    return this.#late === event
  }

  /** `late`: the event whose timeout began it. */
  begin(late: OpenEvent | undefined): void {
    this.#timer?.stop()
    this.#late = late
    const { clock, random } = this.#io
    this.#timer = clock.after(backoffMs(this.#streak++, random, REFUSAL_BACKOFF), () => {
      this.end()
      this.#owner.backoffOver()
    })
  }

  /** Nobody's late word counts any more. */
  forgetLate(): void {
    this.#late = undefined
  }

  /** Over without a word. */
  end(): void {
    this.#timer?.stop()
    this.#timer = undefined
    this.#late = undefined
  }

  /** An event was acknowledged: the next refusal starts from the beginning. */
  acknowledged(): void {
    this.#streak = 0
  }
}
