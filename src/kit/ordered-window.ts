import { Fifo } from './fifo.ts'

export interface OrderedWindowOptions<I, R> {
  /** Tasks under way, at most. */
  readonly window: number
  /** Inputs that may wait beside; more are answered by `overflow`. */
  readonly queueLimit: number
  /** Does the work of one input; must call `done` once, and not throw. */
  readonly run: (input: I, done: (result: R) => void) => void
  readonly overflow: (input: I) => R
  /** Gets one result per input, in the order of the inputs. */
  readonly emit: (result: R) => void
}

/** One input until its result is out. */
interface Slot<I, R> {
  readonly input: I
  result: { readonly value: R } | undefined
}

/** Bounded work on a row of inputs, with the results in the order of the inputs. */
export class OrderedWindow<I, R> {
  readonly #options: OrderedWindowOptions<I, R>
  /** Inputs whose result is not out yet, in order. */
  readonly #slots = new Fifo<Slot<I, R>>()
  /** The first of them, taken out to look at it. */
  #first: Slot<I, R> | undefined
  readonly #waiting = new Fifo<Slot<I, R>>()
  #underway = 0
  #stopped = false
  #wakers: (() => void)[] = []

  constructor(options: OrderedWindowOptions<I, R>) {
    this.#options = options
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** Takes an input: its work begins at once, or when there is room. */
  offer(input: I): void {
    if (this.#stopped) return
    const slot: Slot<I, R> = { input, result: undefined }
    if (this.#first === undefined) this.#first = slot
    else this.#slots.push(slot)
    if (this.#waiting.size >= this.#options.queueLimit) {
      this.#finish(slot, this.#options.overflow(input))
      return
    }
    this.#waiting.push(slot)
    this.#fill()
  }

  /** One more input would have to wait. */
  get full(): boolean {
    return !this.#stopped && this.open >= this.#options.window
  }

  /** Resolves when one more input may be offered without waiting. */
  async room(): Promise<void> {
    while (this.full) await this.#woken()
  }

  /** Resolves when every result is out. */
  async drained(): Promise<void> {
    while (!this.#stopped && this.open > 0) await this.#woken()
  }

  /** No work begins any more, and no result comes out. */
  stop(): void {
    this.#stopped = true
    this.#waiting.clear()
    this.#wake()
  }

  /** Inputs whose result is not out yet. */
  get open(): number {
    return this.#slots.size + (this.#first === undefined ? 0 : 1)
  }

  #fill(): void {
    while (this.#underway < this.#options.window) {
      const slot = this.#waiting.shift()
      if (slot === undefined) return
      this.#underway++
      this.#options.run(slot.input, (result) => {
        this.#underway--
        this.#finish(slot, result)
        if (!this.#stopped) this.#fill()
      })
    }
  }

  #finish(slot: Slot<I, R>, value: R): void {
    slot.result = { value }
    let out = false
    while (this.#first?.result !== undefined) {
      const { value: ready } = this.#first.result
      this.#first = this.#slots.shift()
      out = true
      if (!this.#stopped) this.#options.emit(ready)
    }
    if (out) this.#wake()
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve))
  }

  #wake(): void {
    const wakers = this.#wakers
    this.#wakers = []
    for (const wake of wakers) wake()
  }
}

/** Offers what an iterator gives, no faster than the window takes; ends when every result is out. */
export async function pullInto<I, R>(
  inputs: AsyncIterator<I>,
  window: OrderedWindow<I, R>,
  ended: () => void,
): Promise<void> {
  try {
    while (!window.stopped) {
      const input = await inputs.next()
      if (input.done === true) break
      if (window.full) await window.room()
      window.offer(input.value)
    }
  } finally {
    ended()
    await window.drained()
  }
}
