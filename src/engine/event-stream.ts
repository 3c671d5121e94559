import { Observable, Subscriber } from 'rxjs'
import type { Observer, Subscription } from 'rxjs'

type NextOrObserver<T> = Partial<Observer<T>> | ((value: T) => void) | null | undefined

/**
 * The observable side of a registration. RxJS reports a throw in a subscriber to nobody but `uncaughtException`: a
 * direct subscriber is wrapped, so that its throw refuses the event. Behind a `pipe` the throw is out of reach.
 */
export class EventStream<T> extends Observable<T> {
  readonly #onThrow: (event: T, error: unknown) => void

  constructor(
    connect: (subscriber: Subscriber<T>) => () => void,
    onThrow: (event: T, error: unknown) => void,
  ) {
    super(connect)
    this.#onThrow = onThrow
  }

  override subscribe(
    next?: NextOrObserver<T>,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    if (next instanceof Subscriber) return super.subscribe(next)
    const observer: Partial<Observer<T>> =
      typeof next === 'function' || next === null || next === undefined
        ? {
            ...(typeof next === 'function' ? { next } : {}),
            ...(error ? { error } : {}),
            ...(complete ? { complete } : {}),
          }
        : next
    return super.subscribe({
      next: (event) => {
        try {
          observer.next?.(event)
        } catch (thrown) {
          this.#onThrow(event, thrown)
        }
      },
      error: (thrown: unknown) => observer.error?.(thrown),
      complete: () => observer.complete?.(),
    })
  }
}
