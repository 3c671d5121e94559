import { setMaxListeners } from 'node:events'

/** A call's own signal, and the end of the call. */
export interface DerivedSignal {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
  /** Takes it off the signal that it follows; once it is over. */
  release(): void
}

/**
 * Hangs any number of calls on one signal by one listener: at the eleventh Node warns of a leak, and a plugin may have
 * hundreds of writes under way.
 */
export class AbortFan {
  readonly #followers = new WeakMap<AbortSignal, Set<AbortController>>()

  derive(from: AbortSignal): DerivedSignal {
    const controller = new AbortController()
    // A call has many parts, which listen to it.
    setMaxListeners(0, controller.signal)
    const abort = (reason?: unknown): void => controller.abort(reason)
    if (from.aborted) {
      abort(from.reason)
      return { signal: controller.signal, abort, release: () => {} }
    }
    const followers = this.#followersOf(from)
    followers.add(controller)
    return { signal: controller.signal, abort, release: () => void followers.delete(controller) }
  }

  #followersOf(from: AbortSignal): Set<AbortController> {
    const known = this.#followers.get(from)
    if (known !== undefined) return known
    const followers = new Set<AbortController>()
    this.#followers.set(from, followers)
    // It stays for the signal's life: one per signal and transport.
    from.addEventListener(
      'abort',
      () => {
        for (const follower of followers) follower.abort(from.reason)
      },
      { once: true },
    )
    return followers
  }
}
