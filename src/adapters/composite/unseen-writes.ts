import type { Clock } from '../../api/clock.ts'
import { hasPrefix } from '../../api/key.ts'
import type { Op } from '../../api/transport.ts'

/** A watch that has not shown a write after so long is not waited for any more. */
export const PATIENCE_MS = 1_000

/** Keys that a part has written for us, and its watch has not shown since. */
export class UnseenWrites {
  readonly #clock: Clock
  /** When each was written; the oldest first. */
  readonly #keys = new Map<string, number>()
  readonly #waiting = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(key: string): void {
    this.#forgetOld()
    this.#keys.delete(key)
    this.#keys.set(key, this.#clock.now())
  }

  /** The watch has shown something of them. */
  seen(changes: readonly { readonly key: string }[]): void {
    if (this.#keys.size === 0) return
    for (const { key } of changes) this.#keys.delete(key)
    this.#look()
  }

  /** The watch is lost, listed anew or over. */
  clear(): void {
    this.#keys.clear()
    this.#look()
  }

  /**
   * Resolves when no write is unseen of what the operation is about, or after `withinMs`; undefined: none is unseen now.
   */
  shown(op: Op, withinMs: number): Promise<void> | undefined {
    this.#forgetOld()
    if (!this.#concerns(op)) return undefined
    return new Promise((resolve) => {
      const look = (): void => {
        if (!this.#concerns(op)) end()
      }
      const end = (): void => {
        timer.stop()
        this.#waiting.delete(look)
        resolve()
      }
      const timer = this.#clock.after(withinMs, end)
      this.#waiting.add(look)
    })
  }

  #concerns(op: Op): boolean {
    if (op.type !== 'delete-prefix') return this.#keys.has(op.key)
    for (const key of this.#keys.keys()) if (hasPrefix(key, op.prefix)) return true
    return false
  }

  #look(): void {
    for (const look of this.#waiting) look()
  }

  #forgetOld(): void {
    const now = this.#clock.now()
    for (const [key, at] of this.#keys) {
      if (Math.abs(now - at) < PATIENCE_MS) return
      this.#keys.delete(key)
    }
  }
}
