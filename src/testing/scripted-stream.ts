import type { Batch, Position, Receipt } from '../api/transport.ts'
import { rawChange, rawPair } from './script-inputs.ts'
import type { ChangeInput, PairInput } from './script-inputs.ts'

type Item = { readonly batch: Batch } | { readonly error: unknown } | 'end'

/** Where the batch of changes ends, and who waits for its receivers. */
export interface ChangesOptions {
  readonly position?: Position
  readonly receipt?: Receipt
}

/** One call of `stream`: what it yields, in the order told; and what was asked of it. */
export class ScriptedStream implements AsyncIterator<Batch, undefined>, AsyncIterable<Batch> {
  /** As it was called; undefined before. */
  prefixes: readonly string[] | undefined
  /** As it was called. */
  from: Position | undefined
  /** As it was called; undefined before. */
  signal: AbortSignal | undefined
  /** Resolves when it was called. */
  readonly opened: Promise<void>
  /** Resolves when its signal was aborted, its reader left, or its error or end was read. */
  readonly closed: Promise<void>
  #items: Item[] = []
  #over = false
  #wake: () => void = () => {}
  #markOpened: () => void = () => {}
  #markClosed: () => void = () => {}

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#markOpened = resolve
    })
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve
    })
  }

  /** True when nobody reads it any more. */
  get isClosed(): boolean {
    return this.#over
  }

  /** Batches that were told and not yet read. */
  get unread(): number {
    return this.#items.length
  }

  pairs(pairs: readonly PairInput[]): this {
    return this.batch({ kind: 'pairs', pairs: pairs.map(rawPair) })
  }

  listed(position?: Position): this {
    return this.batch({ kind: 'listed', ...at(position) })
  }

  changes(changes: readonly ChangeInput[], { position, receipt }: ChangesOptions = {}): this {
    return this.batch({
      kind: 'changes',
      changes: changes.map(rawChange),
      ...at(position),
      ...(receipt === undefined ? {} : { receipt }),
    })
  }

  progress(position?: Position): this {
    return this.batch({ kind: 'progress', ...at(position) })
  }

  reset(reason: 'reconnected' | 'compacted'): this {
    return this.batch({ kind: 'reset', reason })
  }

  /** Any batch, also one that breaks the rules. */
  batch(batch: Batch): this {
    return this.#push({ batch })
  }

  /** Throws at the reader once what was told before is read. */
  fail(error: unknown): this {
    return this.#push({ error })
  }

  /** Ends without an error, as no transport should. */
  end(): this {
    return this.#push('end')
  }

  /** Called by the transport. */
  open(prefixes: readonly string[], from: Position | undefined, signal: AbortSignal): void {
    this.prefixes = prefixes
    this.from = from
    this.signal = signal
    this.#markOpened()
    if (signal.aborted) this.#close()
    else signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  async next(): Promise<IteratorResult<Batch, undefined>> {
    while (this.#items.length === 0 && !this.#over) {
      // oxlint-disable-next-line no-await-in-loop -- waiting for the next item is the purpose
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const item = this.#over ? 'end' : this.#items.shift()
    if (item === undefined || item === 'end') {
      this.#close()
      return { done: true, value: undefined }
    }
    if ('batch' in item) return { done: false, value: item.batch }
    this.#close()
    throw item.error
  }

  return(): Promise<IteratorResult<Batch, undefined>> {
    this.#close()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #push(item: Item): this {
    if (!this.#over) {
      this.#items.push(item)
      this.#wake()
    }
    return this
  }

  #close(): void {
    this.#over = true
    for (const item of this.#items) {
      if (typeof item === 'object' && 'batch' in item && item.batch.kind === 'changes') {
        item.batch.receipt?.routed([])
      }
    }
    this.#items = []
    this.#markClosed()
    this.#wake()
  }
}

function at(position: Position | undefined): { position?: Position } {
  return position === undefined ? {} : { position }
}
