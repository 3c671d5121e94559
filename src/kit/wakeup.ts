/** Lets one loop sleep until there is news; news that comes while it works is not lost. */
export class Wakeup {
  #news = false
  #wake: (() => void) | undefined

  notify(): void {
    if (this.#news) return
    this.#news = true
    this.#wake?.()
  }

  /** Resolves when there was news since the last time. */
  async wait(): Promise<void> {
    if (!this.#news) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    this.#news = false
  }
}
