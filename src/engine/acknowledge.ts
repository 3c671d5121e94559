import { Observable } from 'rxjs'
import type { MonoTypeOperatorFunction } from 'rxjs'
import type { Delivery } from '../api/change-event.ts'

/**
 * Handles events one at a time and answers for the handler: `done()` when it resolves, `done(error)` when it throws. A
 * handler whose `signal` is aborted is no longer waited for, so it can overlap with the next. Emits each event that its
 * handler has ended; begins with the subscription.
 */
export function acknowledge<E extends Delivery>(
  handler: (event: E) => unknown,
): MonoTypeOperatorFunction<E> {
  return (source) =>
    new Observable((subscriber) => {
      const waiting: E[] = []
      let busy = false
      let complete = false

      const next = (): void => {
        busy = false
        let event = waiting.shift()
        // Its time may have run out while another registration's event was handled.
        while (event?.signal.aborted === true) event = waiting.shift()
        if (event !== undefined) {
          if (!subscriber.closed) run(event)
        } else if (complete) subscriber.complete()
      }
      const run = (event: E): void => {
        busy = true
        const ended = once(() => {
          event.signal.removeEventListener('abort', ended)
          next()
        })
        event.signal.addEventListener('abort', ended)
        handled(handler, event).then(
          () => {
            event.done()
            subscriber.next(event)
            ended()
          },
          (error: unknown) => {
            event.done(error ?? new Error('rejected without a reason'))
            subscriber.next(event)
            ended()
          },
        )
      }
      return source.subscribe({
        next: (event) => {
          if (busy) waiting.push(event)
          else run(event)
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          complete = true
          if (!busy) subscriber.complete()
        },
      })
    })
}

async function handled<E>(handler: (event: E) => unknown, event: E): Promise<void> {
  await handler(event)
}

function once(task: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    task()
  }
}
