import type { DeleteEvent, Delivery, KeyVal, PutEvent } from '../api/change-event.ts'
import type { MessageType } from '../api/message.ts'
import type { ResyncEvent, ResyncReason } from '../api/resync-event.ts'
import type { RawPair } from '../api/transport.ts'
import type { ByteCopier } from './byte-copier.ts'
import { LazyKeyVal, PairsView } from './key-val.ts'

/** What an event's methods call; the registration's side of {@link Delivery}. */
export interface DeliveryHandle {
  readonly signal: AbortSignal
  /** Makes the receiver's copies of values. */
  readonly copies: ByteCopier
  working(): void
  done(error?: unknown): void
}

class Delivered implements Delivery {
  readonly #handle: DeliveryHandle

  constructor(handle: DeliveryHandle) {
    this.#handle = handle
  }

  get signal(): AbortSignal {
    return this.#handle.signal
  }

  working(): void {
    this.#handle.working()
  }

  protected get copies(): ByteCopier {
    return this.#handle.copies
  }

  done(error?: unknown): void {
    // `done(null)` is what the seed's users write.
    this.#handle.done(error ?? undefined)
  }
}

class DeliveredChange extends Delivered {
  readonly kind = 'change' as const
  readonly source: string
  readonly #prev: RawPair | undefined
  #prevView: KeyVal | undefined

  constructor(handle: DeliveryHandle, source: string, prev: RawPair | undefined) {
    super(handle)
    this.source = source
    this.#prev = prev
  }

  get prev(): KeyVal | undefined {
    if (this.#prev === undefined) return undefined
    this.#prevView ??= new LazyKeyVal(this.#prev, this.copies)
    return this.#prevView
  }

  getPrevValue<T>(type: MessageType<T>): T | undefined {
    return this.prev?.getValue(type)
  }
}

class DeliveredPut extends DeliveredChange {
  readonly changeType = 'put' as const
  readonly #next: RawPair
  #nextView: KeyVal | undefined

  constructor(handle: DeliveryHandle, source: string, prev: RawPair | undefined, next: RawPair) {
    super(handle, source, prev)
    this.#next = next
  }

  get key(): string {
    return this.#next.key
  }

  get revision(): number {
    return this.#next.revision
  }

  get version(): string {
    return this.#next.version
  }

  get bytes(): Uint8Array {
    return this.#view.bytes
  }

  getValue<T>(type: MessageType<T>): T {
    return this.#view.getValue(type)
  }

  /** Many receivers look at the key only. */
  get #view(): KeyVal {
    this.#nextView ??= new LazyKeyVal(this.#next, this.copies)
    return this.#nextView
  }
}

class DeliveredDelete extends DeliveredChange {
  readonly changeType = 'delete' as const
  readonly key: string
  readonly revision: number

  constructor(handle: DeliveryHandle, source: string, prev: RawPair, revision: number) {
    super(handle, source, prev)
    this.key = prev.key
    this.revision = revision
  }
}

class DeliveredResync extends Delivered implements ResyncEvent {
  readonly kind = 'resync' as const
  readonly reason: ResyncReason
  readonly source: string
  readonly values: ReadonlyMap<string, Iterable<KeyVal>>

  constructor(
    handle: DeliveryHandle,
    source: string,
    reason: ResyncReason,
    views: ReadonlyMap<string, readonly RawPair[]>,
  ) {
    super(handle)
    this.source = source
    this.reason = reason
    const values = new Map<string, Iterable<KeyVal>>()
    for (const [prefix, pairs] of views) values.set(prefix, new PairsView(pairs, handle.copies))
    this.values = values
  }
}

export function putEvent(
  handle: DeliveryHandle,
  source: string,
  prev: RawPair | undefined,
  next: RawPair,
): PutEvent {
  // A getter is how `prev` stays lazy; the type wants it absent rather than undefined.
  return new DeliveredPut(handle, source, prev, next) as PutEvent
}

export function deleteEvent(
  handle: DeliveryHandle,
  source: string,
  prev: RawPair,
  revision: number,
): DeleteEvent {
  return new DeliveredDelete(handle, source, prev, revision) as DeleteEvent
}

export function resyncEvent(
  handle: DeliveryHandle,
  source: string,
  reason: ResyncReason,
  views: ReadonlyMap<string, readonly RawPair[]>,
): ResyncEvent {
  return new DeliveredResync(handle, source, reason, views)
}
