import { createHash } from 'node:crypto'
import type { Batch } from '../api/transport.ts'
import { Fifo } from '../kit/fifo.ts'

/** Of the latest. */
const MAX_BYTES = 32 * 2 ** 20
/** What keeping one takes beside its bytes. */
const ENTRY_BYTES = 256

/** A batch as it is written to watchers. */
export interface KeptEncoding<T> {
  readonly encoding: T
  /** Of the watchers that were the last to be found to watch all of the batch. */
  prefixes: string
}

/**
 * What batches look like on the wire, made once for all watchers of all of a batch, whatever else each of them watches.
 * Bounded: a batch stays in the history for long, and there may be as many parts of it as watchers.
 */
export class BatchEncodings<T> {
  readonly #maxBytes: number
  readonly #kept = new Map<Batch, Map<string, KeptEncoding<T>>>()
  readonly #order = new Fifo<{ readonly batch: Batch; readonly bytes: number }>()
  #bytes = 0

  constructor(maxBytes: number = MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  of(batch: Batch, form: string): KeptEncoding<T> | undefined {
    return this.#kept.get(batch)?.get(form)
  }

  /** In one form; the oldest batches make room. */
  keep(batch: Batch, form: string, kept: KeptEncoding<T>, length: number): void {
    const bytes = length + ENTRY_BYTES
    if (bytes > this.#maxBytes) return
    const forms = this.#kept.get(batch)
    if (forms === undefined) this.#kept.set(batch, new Map([[form, kept]]))
    else forms.set(form, kept)
    this.#order.push({ batch, bytes })
    this.#bytes += bytes
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#order.shift()
      if (oldest === undefined) return
      this.#bytes -= oldest.bytes
      this.#kept.delete(oldest.batch)
    }
  }
}

/** Equal for equal prefixes, and short however many they are: it is compared for every batch. */
export function idOf(prefixes: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(prefixes)).digest('base64')
}
