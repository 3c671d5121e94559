import type { Batch, BatchIterator, BatchStream } from '../api/transport.ts'

/** A stream that begins when `ready` resolves; where that rejects, or the signal aborts first, the reader is told. */
export class AwaitedStream implements BatchStream, BatchIterator {
  readonly #ready: Promise<unknown>
  readonly #open: () => BatchStream
  readonly #signal: AbortSignal
  #inner: BatchIterator | undefined
  #ended = false

  constructor(ready: Promise<unknown>, signal: AbortSignal, open: () => BatchStream) {
    this.#ready = ready
    this.#signal = signal
    this.#open = open
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  poll(): Batch | undefined {
    return this.#inner?.poll?.()
  }

  async next(): Promise<IteratorResult<Batch, undefined>> {
    if (this.#inner === undefined) {
      await untilAborted(this.#ready, this.#signal)
      if (this.#ended || this.#signal.aborted) return { done: true, value: undefined }
      this.#inner ??= this.#open()[Symbol.asyncIterator]()
    }
    return this.#inner.next() as Promise<IteratorResult<Batch, undefined>>
  }

  async return(): Promise<IteratorResult<Batch, undefined>> {
    this.#ended = true
    await this.#inner?.return?.()
    return { done: true, value: undefined }
  }
}

function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve()
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    promise
      .then(() => resolve(), reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}
