import { RefusedError, TimeoutError } from '../api/errors.ts'
import type { Refusal } from '../api/errors.ts'
import type { Receipt } from '../api/transport.ts'
import type { Timeout, Timeouts } from './timeouts.ts'

/**
 * Waits for the receivers of one write (`waitFor: 'applied'`): make one receipt per stream that carries the change,
 * then await `settled`. Servers wait for tens of thousands a second, so that little is made for each.
 */
export class Applied {
  /** Streams that have not said who will answer, and registrations that have not answered. */
  #open = 0
  #receivers = 0
  #refusals: Refusal[] | undefined
  #resolve: ((receivers: number) => void) | undefined
  #reject: ((error: unknown) => void) | undefined
  #timeout: Timeout | undefined

  /** A receipt for one more stream; a stream that ends first has to say `routed([])`. */
  receipt(): Receipt {
    this.#open++
    return new StreamReceipt(this)
  }

  /**
   * Resolves with the number of receivers that answered when all have.
   * @throws RefusedError when any refused, TimeoutError (`outcome: 'stored'`) after `timeoutMs`
   */
  settled(timeoutMs: number, timeouts: Timeouts): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      if (this.#open === 0) this.#settle()
      else {
        this.#timeout = timeouts.after(timeoutMs, () =>
          reject(new TimeoutError('waiting for applied', timeoutMs, { outcome: 'stored' })),
        )
      }
    })
  }

  /** A stream has named so many registrations. */
  named(registrations: number): void {
    this.#close(1 - registrations)
  }

  /** One of them has answered. */
  answered(registration: string, error: unknown): void {
    this.#receivers++
    if (error !== undefined) (this.#refusals ??= []).push({ registration, cause: error })
    this.#close(1)
  }

  /** One of them will not answer. */
  left(): void {
    this.#close(1)
  }

  #close(count: number): void {
    this.#open -= count
    if (this.#open === 0) this.#settle()
  }

  #settle(): void {
    this.#timeout?.stop()
    if (this.#refusals !== undefined) this.#reject?.(new RefusedError(this.#refusals))
    else this.#resolve?.(this.#receivers)
  }
}

/** One stream's word; what is said twice counts once. */
class StreamReceipt implements Receipt {
  readonly #applied: Applied
  #routed = false
  /** The only one that will answer: mostly there is no other. */
  #only: string | undefined
  #others: Set<string> | undefined

  constructor(applied: Applied) {
    this.#applied = applied
  }

  routed(registrations: readonly string[]): void {
    if (this.#routed) return
    this.#routed = true
    if (registrations.length <= 1) this.#only = registrations[0]
    else this.#others = new Set(registrations)
    this.#applied.named(this.#others?.size ?? registrations.length)
  }

  answered(registration: string, error?: unknown): void {
    if (this.#take(registration)) this.#applied.answered(registration, error)
  }

  left(registration: string): void {
    if (this.#take(registration)) this.#applied.left()
  }

  #take(registration: string): boolean {
    if (this.#others !== undefined) return this.#others.delete(registration)
    if (this.#only !== registration) return false
    this.#only = undefined
    return true
  }
}
