import type { KeyVal } from '../api/change-event.ts'
import { decode } from '../api/message.ts'
import type { MessageType } from '../api/message.ts'
import type { RawPair } from '../api/transport.ts'

/** A receiver's own view of a pair: bytes and message are copies, made when asked for, once (C9). */
export class LazyKeyVal implements KeyVal {
  readonly #pair: RawPair
  #bytes: Uint8Array | undefined
  #decoded: Decoded | undefined

  constructor(pair: RawPair) {
    this.#pair = pair
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
    this.#bytes ??= copyOf(this.#pair.value)
    return this.#bytes
  }

  getValue<T>(type: MessageType<T>): T {
    const known = this.#decoded
    if (known?.type === type) return known.message as T
    // Decoders may hand out slices of their input: each gets bytes of its own.
    const message = decode(type, copyOf(this.#pair.value), this.#pair.key)
    this.#decoded = { type, message }
    return message
  }
}

interface Decoded {
  readonly type: MessageType<unknown>
  readonly message: unknown
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return copy
}

/** The pairs of one prefix in a RESYNC: may be walked later and again, each walk with pairs of its own. */
export class PairsView implements Iterable<KeyVal> {
  readonly #pairs: readonly RawPair[]

  constructor(pairs: readonly RawPair[]) {
    this.#pairs = pairs
  }

  *[Symbol.iterator](): Generator<KeyVal> {
    for (const pair of this.#pairs) yield new LazyKeyVal(pair)
  }
}
