import type { Clock } from '../../api/clock.ts'

/** Writes of one key or prefix that wait: they begin in the order in which they came, each in its own time. */
export class WriteTurns {
  /** By key or prefix: who came last, and has not begun. */
  readonly #last = new Map<string, Turn>()

  /** Somebody waits, and is to begin first. */
  waits(name: string): boolean {
    return this.#last.has(name)
  }

  /**
   * Begins when all who came before have begun, and `ready` resolves; after `withinMs` all the same. Whoever has less time
   * than those before does not overtake them: they begin then, too.
   */
  async take<T>(
    name: string,
    { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
    ready: () => Promise<unknown>,
    begin: () => Promise<T>,
  ): Promise<T> {
    const turn = new Turn(this.#last.get(name), ready)
    this.#last.set(name, turn)
    const timer = clock.after(withinMs, () => Turn.hurry(turn))
    await turn.come
    timer.stop()
    // Whoever comes next finds this one begun.
    const written = begin()
    if (this.#last.get(name) === turn) this.#last.delete(name)
    return written
  }
}

class Turn {
  /** Does not reject. */
  readonly come: Promise<void>
  readonly #hurried: Promise<void>
  #before: Turn | undefined
  #isHurried = false
  #end: () => void = () => {}

  constructor(before: Turn | undefined, ready: () => Promise<unknown>) {
    this.#before = before
    this.#hurried = new Promise((resolve) => {
      this.#end = resolve
    })
    this.come = this.#wait(ready)
  }

  /** Nobody up to the last one waits any longer. */
  static hurry(last: Turn): void {
    // Those before one that was hurried were, too.
    let turn: Turn | undefined = last
    while (turn !== undefined && !turn.#isHurried) {
      turn.#isHurried = true
      turn.#end()
      turn = turn.#before
    }
  }

  async #wait(ready: () => Promise<unknown>): Promise<void> {
    await this.#before?.come
    this.#before = undefined
    if (!this.#isHurried) await Promise.race([ready(), this.#hurried])
  }
}
