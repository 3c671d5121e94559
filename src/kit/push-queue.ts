import { Fifo } from './fifo.ts'

/**
 * Turns pushes into an async iterable with one reader. It ends when the signal aborts or `end` is called; `fail`
 * throws at the reader once what was pushed before is read.
 */
export class PushQueue<T extends object> implements AsyncIterator<T, undefined>, AsyncIterable<T> {
  readonly #items = new Fifo<T>()
  #wake: (() => void) | undefined
  #ended = false
  #error: { readonly cause: unknown } | undefined
  readonly #signal: AbortSignal
  readonly #onAbort = (): void => this.end()
  readonly #onEnd: (() => void) | undefined

  /** `onEnd` is called once, when it ends for whatever reason. */
  constructor(signal: AbortSignal, onEnd?: () => void) {
    this.#signal = signal
    this.#onEnd = onEnd
    if (signal.aborted) this.#ended = true
    else signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  get size(): number {
    return this.#items.size
  }

  get ended(): boolean {
    return this.#ended
  }

  push(item: T): void {
    if (this.#ended || this.#error !== undefined) return
    this.#items.push(item)
    this.#notify()
  }

  fail(cause: unknown): void {
    this.#error ??= { cause }
    this.#notify()
  }

  /** What is queued and will not be read any more: for the owner, after `end`. */
  drain(): T[] {
    return this.#items.clear()
  }

  /** The reader sees the end, whatever is queued. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#onEnd?.()
    this.#notify()
  }

  /** What `next` would give at once; undefined when it would wait, end or throw. */
  poll(): T | undefined {
    return this.#ended ? undefined : this.#items.shift()
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const value = this.poll()
      if (value !== undefined) return { done: false, value }
      if (this.#ended) return { done: true, value: undefined }
      if (this.#error !== undefined) {
        const { cause } = this.#error
        this.end()
        throw cause
      }
      // oxlint-disable-next-line no-await-in-loop -- waiting for the next push is the purpose
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
