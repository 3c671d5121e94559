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
  /** Called with each key. */
  readonly #waitingForPrefixes = new Set<(key: string) => void>()

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
  }

  /** The watch is lost, listed anew or over. */
  clear(): void {
    this.#period?.stop()
    this.#period = undefined
    const forgotten = this.#isWaitedFor ? [...this.#old, ...this.#young] : []
    this.#old = new Set()
    this.#young = new Set()
    for (const key of forgotten) this.#wake(key)
  }

  /** Something is unseen of what the operation is about. */
  has(op: Op): boolean {
    if (this.#young.size === 0 && this.#old.size === 0) return false
    if (op.type !== 'delete-prefix') return this.#young.has(op.key) || this.#old.has(op.key)
    return this.#under(op.prefix).next().done !== true
  }

  /**
   * Resolves when what is unseen now of what the operation is about is seen, or after `withinMs`; undefined: nothing is
   * unseen.
   */
  shown(op: Op, withinMs: number): Promise<void> | undefined {
    if (!this.has(op)) return undefined
    return op.type === 'delete-prefix'
      ? this.#allShown(new Set(this.#under(op.prefix)), withinMs)
      : this.#keyShown(op.key, withinMs)
  }

  *#under(prefix: string): Generator<string> {
    for (const keys of [this.#old, this.#young]) {
      for (const key of keys) if (hasPrefix(key, prefix)) yield key
    }
  }

  get #isWaitedFor(): boolean {
    return this.#waiting.size > 0 || this.#waitingForPrefixes.size > 0
  }

  #keyShown(key: string, withinMs: number): Promise<void> {
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

  /** One look at each key, however many changes come meanwhile. */
  #allShown(keys: Set<string>, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.stop()
        this.#waitingForPrefixes.delete(shown)
        resolve()
      }
      const shown = (key: string): void => {
        if (keys.delete(key) && keys.size === 0) end()
      }
      const timer = this.#clock.after(withinMs, end)
      this.#waitingForPrefixes.add(shown)
    })
  }

  #endPeriod(): void {
    const forgotten = this.#old
    this.#old = this.#young
    this.#young = new Set()
    this.#period =
      this.#old.size === 0 ? undefined : this.#clock.after(PATIENCE_MS, () => this.#endPeriod())
    if (!this.#isWaitedFor) return
    for (const key of forgotten) if (!this.#old.has(key)) this.#wake(key)
  }

  #wake(key: string): void {
    for (const end of this.#waiting.get(key) ?? []) end()
    for (const shown of this.#waitingForPrefixes) shown(key)
  }
}
