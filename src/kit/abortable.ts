/** The promise's end, or the signal's reason when it aborts first; what the promise says later is dropped. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** Resolves when the signal aborts. `done` takes the listener away (W24). */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  if (signal.aborted) {
    task()
    return () => {}
  }
  signal.addEventListener('abort', task, { once: true })
  return () => signal.removeEventListener('abort', task)
}
