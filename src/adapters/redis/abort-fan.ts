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
  readonly #followed = new WeakMap<AbortSignal, Followed>()

  derive(from: AbortSignal): DerivedSignal {
    const controller = new AbortController()
    // A call has many parts, which listen to it.
    setMaxListeners(0, controller.signal)
    if (from.aborted) controller.abort(from.reason)
    else this.#follow(from, controller)
    return {
      signal: controller.signal,
      abort: (reason) => controller.abort(reason),
      release: () => this.#leave(from, controller),
    }
  }

  #follow(from: AbortSignal, controller: AbortController): void {
    const known = this.#followed.get(from)
    if (known !== undefined) {
      known.followers.add(controller)
      return
    }
    const followers = new Set([controller])
    const listener = (): void => {
      for (const follower of followers) follower.abort(from.reason)
    }
    this.#followed.set(from, { followers, listener })
    from.addEventListener('abort', listener, { once: true })
  }

  #leave(from: AbortSignal, controller: AbortController): void {
    const known = this.#followed.get(from)
    if (known?.followers.delete(controller) !== true || known.followers.size > 0) return
    this.#followed.delete(from)
    from.removeEventListener('abort', known.listener)
  }
}

interface Followed {
  readonly followers: Set<AbortController>
  readonly listener: () => void
}
