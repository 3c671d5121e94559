/**
 * Ends any number of calls by a caller's signal through one listener: a plugin may have hundreds of writes under way, and
 * Node warns of a leak at eleven listeners.
 */
export class Cancellations {
  readonly #followed = new WeakMap<AbortSignal, Followed>()

  /** Runs `cancel` when the signal aborts, at once if it has. The returned function takes it back (W24). */
  on(signal: AbortSignal, cancel: () => void): () => void {
    if (signal.aborted) {
      cancel()
      return () => {}
    }
    const followed = this.#followed.get(signal) ?? this.#follow(signal)
    followed.cancels.add(cancel)
    return () => {
      if (!followed.cancels.delete(cancel) || followed.cancels.size > 0) return
      signal.removeEventListener('abort', followed.listener)
      if (this.#followed.get(signal) === followed) this.#followed.delete(signal)
    }
  }

  #follow(signal: AbortSignal): Followed {
    const cancels = new Set<() => void>()
    const listener = (): void => {
      for (const cancel of cancels) cancel()
    }
    const followed = { cancels, listener }
    this.#followed.set(signal, followed)
    signal.addEventListener('abort', listener, { once: true })
    return followed
  }
}

interface Followed {
  readonly cancels: Set<() => void>
  readonly listener: () => void
}
