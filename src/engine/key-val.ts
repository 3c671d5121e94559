import type { KeyVal } from '../api/change-event.ts'
import { decode } from '../api/message.ts'
import type { MessageType } from '../api/message.ts'
import type { RawPair } from '../api/transport.ts'
import type { ByteCopier } from './byte-copier.ts'

/** A receiver's own view of a pair: bytes and message are copies, made when asked for, once (C9). */
export class LazyKeyVal implements KeyVal {
  readonly #pair: RawPair
  readonly #copies: ByteCopier
  #bytes: Uint8Array | undefined
  #decoded: Decoded | undefined

  constructor(pair: RawPair, copies: ByteCopier) {
    this.#pair = pair
    this.#copies = copies
  }

  get key(): string {
    return this.#pair.key
  }

  get revision(): number {
    return this.#pair.revision
  }

  get version(): string {
    return this.#pair.version
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.#copies.copy(this.#pair.value)
    return this.#bytes
  }

  getValue<T>(type: MessageType<T>): T {
    const known = this.#decoded
    if (known?.type === type) return known.message as T
    // Decoders may hand out slices of their input: each gets bytes of its own.
    const message = decode(type, this.#copies.copy(this.#pair.value), this.#pair.key)
    this.#decoded = { type, message }
    return message
  }
}

interface Decoded {
  readonly type: MessageType<unknown>
  readonly message: unknown
}

/** The pairs of one prefix in a RESYNC: may be walked later and again, each walk with pairs of its own. */
export class PairsView implements Iterable<KeyVal> {
  readonly #pairs: readonly RawPair[]
  readonly #copies: ByteCopier

  constructor(pairs: readonly RawPair[], copies: ByteCopier) {
    this.#pairs = pairs
    this.#copies = copies
  }

  *[Symbol.iterator](): Generator<KeyVal> {
    for (const pair of this.#pairs) yield new LazyKeyVal(pair, this.#copies)
  }
}
