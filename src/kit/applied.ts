import type { Clock } from '../api/clock.ts'
import { RefusedError, TimeoutError } from '../api/errors.ts'
import type { Refusal } from '../api/errors.ts'
import type { Receipt } from '../api/transport.ts'

/**
 * Waits for the receivers of one write (`waitFor: 'applied'`): make one receipt per stream that carries the change,
 * then await `settled`.
 */
export class Applied {
  readonly #waiting = new Set<string>()
  readonly #refusals: Refusal[] = []
  #streams = 0
  #unrouted = 0
  #receivers = 0
  #check: (() => void) | undefined

  /** A receipt for one more stream; a stream that ends first has to say `routed([])`. */
  receipt(): Receipt {
    this.#unrouted++
    const stream = ++this.#streams
    let open = true
    return {
      routed: (registrations) => {
        if (!open) return
        open = false
        this.#unrouted--
        for (const name of registrations) this.#waiting.add(`${stream}/${name}`)
        this.#check?.()
      },
      answered: (registration, error) => {
        if (!this.#waiting.delete(`${stream}/${registration}`)) return
        this.#receivers++
        if (error !== undefined) this.#refusals.push({ registration, cause: error })
        this.#check?.()
      },
      left: (registration) => {
        if (this.#waiting.delete(`${stream}/${registration}`)) this.#check?.()
      },
    }
  }

  /**
   * Resolves with the number of receivers that answered when all have.
   * @throws RefusedError when any refused, TimeoutError (`outcome: 'stored'`) after `timeoutMs`
   */
  async settled(timeoutMs: number, clock: Clock): Promise<number> {
    if (!this.#isSettled()) {
      await new Promise<void>((resolve, reject) => {
        const timer = clock.after(
          timeoutMs,
          () => reject(new TimeoutError('waiting for applied', timeoutMs, { outcome: 'stored' })),
          { keepAlive: true },
        )
        this.#check = () => {
          if (!this.#isSettled()) return
          timer.stop()
          resolve()
        }
      })
    }
    if (this.#refusals.length > 0) throw new RefusedError(this.#refusals)
    return this.#receivers
  }

  #isSettled(): boolean {
    return this.#unrouted === 0 && this.#waiting.size === 0
  }
}
