/** What the parts of a call have to know of its early end. */
export interface Cancellation {
  /** Made when it is asked for: most writes need none. */
  readonly signal: AbortSignal
  /** @throws why the call was ended */
  throwIfAborted(): void
}

/** One call of the transport: ended by its caller's signal, or by its time. */
export class Call implements Cancellation {
  #ended: { readonly reason: unknown } | undefined
  #controller: AbortController | undefined
  #onEnd: ((reason: unknown) => void) | undefined
  readonly #onSignal: ((signal: AbortSignal) => void) | undefined

  /** `onSignal` gets the signal when it is made. */
  constructor(onSignal?: (signal: AbortSignal) => void) {
    this.#onSignal = onSignal
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      this.#onSignal?.(this.#controller.signal)
      if (this.#ended !== undefined) this.#controller.abort(this.#ended.reason)
    }
    return this.#controller.signal
  }

  throwIfAborted(): void {
    if (this.#ended !== undefined) throw this.#ended.reason
  }

  abort(reason: unknown): void {
    if (this.#ended !== undefined) return
    this.#ended = { reason }
    this.#controller?.abort(reason)
    this.#onEnd?.(reason)
  }

  /** The promise's end, or the call's early one; once per call. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#onEnd = reject
      if (this.#ended !== undefined) reject(this.#ended.reason)
      promise.then(resolve, reject)
    })
  }
}

/**
 * Hangs any number of calls on a caller's signal by one listener: a plugin may have hundreds of writes under way, and
 * Node warns of a leak at eleven listeners.
 */
export class Calls {
  readonly #followed = new WeakMap<AbortSignal, Followed>()
  readonly #onSignal: ((signal: AbortSignal) => void) | undefined

  /** `onSignal` gets every call's signal when it is made. */
  constructor(onSignal?: (signal: AbortSignal) => void) {
    this.#onSignal = onSignal
  }

  /** A call that ends with the signal, until it is released. */
  begin(from: AbortSignal): Call {
    const call = new Call(this.#onSignal)
    if (from.aborted) {
      call.abort(from.reason)
      return call
    }
    const known = this.#followed.get(from)
    if (known === undefined) this.#follow(from, call)
    else known.calls.add(call)
    return call
  }

  release(call: Call, from: AbortSignal): void {
    const known = this.#followed.get(from)
    if (known?.calls.delete(call) !== true || known.calls.size > 0) return
    this.#followed.delete(from)
    from.removeEventListener('abort', known.listener)
  }

  #follow(from: AbortSignal, call: Call): void {
    const calls = new Set([call])
    const listener = (): void => {
      for (const one of calls) one.abort(from.reason)
    }
    this.#followed.set(from, { calls, listener })
    from.addEventListener('abort', listener, { once: true })
  }
}

interface Followed {
  readonly calls: Set<Call>
  readonly listener: () => void
}
