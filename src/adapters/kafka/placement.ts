import type { Connected, Control } from './control.ts'

type Uses = Pick<Control, 'last' | 'use'>

interface Unplaced {
  readonly place: (connected: Connected) => void
  readonly fail: (error: unknown) => void
}

/** Gives records their partitions in the order in which they came, also those that wait for the first connection. */
export class Placement {
  readonly #control: Uses
  #waiting: Unplaced[] = []

  constructor(control: Uses) {
    this.#control = control
  }

  /** The topic, when it is known and nothing waits: then `add` may be spared. */
  get ready(): Connected | undefined {
    return this.#waiting.length === 0 ? this.#control.last : undefined
  }

  /** Calls `place` at once when the topic is known, else once it is; `fail` when it cannot be known, or `place` throws. */
  add(place: Unplaced['place'], fail: Unplaced['fail']): void {
    const { ready } = this
    const one = { place, fail }
    if (ready !== undefined) {
      put(one, ready)
      return
    }
    this.#waiting.push(one)
    if (this.#waiting.length === 1) void this.#settle()
  }

  async #settle(): Promise<void> {
    try {
      const connected = await this.#control.use((now) => Promise.resolve(now))
      for (const one of this.#waiting) put(one, connected)
    } catch (error) {
      for (const { fail } of this.#waiting) fail(error)
    }
    this.#waiting = []
  }
}

function put({ place, fail }: Unplaced, connected: Connected): void {
  try {
    place(connected)
  } catch (error) {
    fail(error)
  }
}
