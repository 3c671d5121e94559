import { compareKeys, hasPrefix } from '../api/key.ts'
import type { RawPair } from '../api/transport.ts'
import { orderOf } from './key-order.ts'

/** Where a key's pair is. It is empty once the key is deleted, until the next tidying. */
interface Slot {
  readonly key: string
  pair: RawPair | undefined
}

/** So many empty slots are no burden. */
const FEW_EMPTY = 1_024

/**
 * The latest pair of every key. Reading and writing one key costs a hash; the order of the keys is made up when a view
 * is asked for, and kept.
 */
export class LatestValues {
  readonly #slots = new Map<string, Slot>()
  /** Ascending, as far as the last view saw them. */
  #sorted: readonly Slot[] = []
  /** Added since, in any order. */
  #added: Slot[] = []
  /** Slots in both that are empty. */
  #empty = 0

  get size(): number {
    return this.#slots.size
  }

  /** Places held, with those of deleted keys that are not tidied away yet. */
  get slots(): number {
    return this.#slots.size + this.#empty
  }

  get(key: string): RawPair | undefined {
    return this.#slots.get(key)?.pair
  }

  /** Returns the pair that was there before. */
  put(pair: RawPair): RawPair | undefined {
    const { key } = pair
    const slot = this.#slots.get(key)
    if (slot === undefined) {
      const fresh = { key, pair }
      this.#slots.set(key, fresh)
      this.#added.push(fresh)
      return undefined
    }
    const prev = slot.pair
    slot.pair = pair
    return prev
  }

  /** Returns the pair that was there before. */
  delete(key: string): RawPair | undefined {
    const slot = this.#slots.get(key)
    if (slot === undefined) return undefined
    this.#slots.delete(key)
    const prev = slot.pair
    slot.pair = undefined
    this.#empty++
    if (this.#empty > FEW_EMPTY && this.#empty > this.#slots.size) this.#tidy()
    return prev
  }

  keys(): Iterable<string> {
    return this.#slots.keys()
  }

  /** The pairs under a prefix now, keys ascending; later changes do not show in it. */
  view(prefix: string): readonly RawPair[] {
    const slots = this.#order()
    const start = firstNotBelow(slots, prefix)
    const end = firstBeyond(slots, prefix, start)
    const pairs = new Array<RawPair>(end - start)
    for (let i = start; i < end; i++) pairs[i - start] = (slots[i] as Slot).pair as RawPair
    return pairs
  }

  #order(): readonly Slot[] {
    this.#tidy()
    if (this.#added.length > 0) {
      // A few go into their places; with many it is less work to sort all.
      this.#sorted =
        this.#added.length * 8 < this.#sorted.length
          ? merged(this.#sorted, sorted(this.#added))
          : sorted(this.#sorted.concat(this.#added))
      this.#added = []
    }
    return this.#sorted
  }

  #tidy(): void {
    if (this.#empty === 0) return
    this.#sorted = this.#sorted.filter(isFull)
    this.#added = this.#added.filter(isFull)
    this.#empty = 0
  }
}

function isFull(slot: Slot): boolean {
  return slot.pair !== undefined
}

function sorted(slots: readonly Slot[]): Slot[] {
  const order = orderOf(slots.map((slot) => slot.key))
  const ordered = new Array<Slot>(slots.length)
  for (let i = 0; i < ordered.length; i++) ordered[i] = slots[order[i] as number] as Slot
  return ordered
}

/** `few` are put between `many`; both ascending. */
function merged(many: readonly Slot[], few: readonly Slot[]): Slot[] {
  const all: Slot[] = []
  let from = 0
  for (const slot of few) {
    const place = firstNotBelow(many, slot.key, from)
    while (from < place) all.push(many[from++] as Slot)
    all.push(slot)
  }
  while (from < many.length) all.push(many[from++] as Slot)
  return all
}

function firstNotBelow(slots: readonly Slot[], bound: string, from = 0): number {
  return firstWhere(slots, from, ({ key }) => compareKeys(key, bound) >= 0)
}

function firstBeyond(slots: readonly Slot[], prefix: string, from: number): number {
  return firstWhere(slots, from, ({ key }) => !hasPrefix(key, prefix))
}

/** The first slot from `from` on that meets a condition which all behind it meet too. */
function firstWhere(slots: readonly Slot[], from: number, meets: (slot: Slot) => boolean): number {
  let low = from
  let high = slots.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (meets(slots[middle] as Slot)) high = middle
    else low = middle + 1
  }
  return low
}
