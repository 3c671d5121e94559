import type { Clock, Timer } from '../../api/clock.ts'
import { hasPrefix } from '../../api/key.ts'
import type { Op } from '../../api/transport.ts'

/** A watch that has not shown a write after so long, or twice that, is not waited for any more. */
export const PATIENCE_MS = 1_000

/** Keys that a part has written for us, and its watch has not shown since. */
export class UnseenWrites {
  readonly #clock: Clock
  /** Those of this period, and of the one before: what is older is forgotten, without a look at each. */
  #young = new Set<string>()
  #old = new Set<string>()
  #period: Timer | undefined
  /** By key: what is to be called when it is shown. */
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #waitingForPrefixes = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(key: string): void {
    this.#young.add(key)
    this.#period ??= this.#clock.after(PATIENCE_MS, () => this.#endPeriod())
  }

  /** The watch has shown something of them. */
  seen(changes: readonly { readonly key: string }[]): void {
    if (this.#young.size === 0 && this.#old.size === 0) return
    for (const { key } of changes) {
      const wasYoung = this.#young.delete(key)
      if (this.#old.delete(key) || wasYoung) this.#wake(key)
    }
    for (const look of this.#waitingForPrefixes) look()
  }

  /** The watch is lost, listed anew or over. */
  clear(): void {
    this.#period?.stop()
    this.#period = undefined
    const forgotten = [...this.#old, ...this.#young]
    this.#old = new Set()
    this.#young = new Set()
    this.#forget(forgotten)
  }

  /**
   * Resolves when no write is unseen of what the operation is about, or after `withinMs`; undefined: none is unseen now.
   */
  shown(op: Op, withinMs: number): Promise<void> | undefined {
    return op.type === 'delete-prefix'
      ? this.#prefixShown(op.prefix, withinMs)
      : this.#keyShown(op.key, withinMs)
  }

  #keyShown(key: string, withinMs: number): Promise<void> | undefined {
    if (!this.#young.has(key) && !this.#old.has(key)) return undefined
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set()
      this.#waiting.set(key, waiting)
      const end = (): void => {
        timer.stop()
        waiting.delete(end)
        if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key)
        resolve()
      }
      const timer = this.#clock.after(withinMs, end)
      waiting.add(end)
    })
  }

  #prefixShown(prefix: string, withinMs: number): Promise<void> | undefined {
    const isUnseen = (): boolean =>
      [this.#young, this.#old].some((keys) => {
        for (const key of keys) if (hasPrefix(key, prefix)) return true
        return false
      })
    if (!isUnseen()) return undefined
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isUnseen()) end()
      }
      const end = (): void => {
        timer.stop()
        this.#waitingForPrefixes.delete(look)
        resolve()
      }
      const timer = this.#clock.after(withinMs, end)
      this.#waitingForPrefixes.add(look)
    })
  }

  #endPeriod(): void {
    const forgotten = this.#old
    this.#old = this.#young
    this.#young = new Set()
    this.#period =
      this.#old.size === 0 ? undefined : this.#clock.after(PATIENCE_MS, () => this.#endPeriod())
    this.#forget([...forgotten].filter((key) => !this.#old.has(key)))
  }

  #forget(keys: readonly string[]): void {
    if (this.#waiting.size > 0) for (const key of keys) this.#wake(key)
    for (const look of this.#waitingForPrefixes) look()
  }

  #wake(key: string): void {
    for (const end of this.#waiting.get(key) ?? []) end()
  }
}
