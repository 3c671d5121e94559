import { prefixRange, sortKeys } from '../api/key.ts'
import type { RawPair } from '../api/transport.ts'

/**
 * The latest pair of every key. Reading and writing one key costs a hash; the order of the keys is made up when a view
 * is asked for.
 */
export class LatestValues {
  readonly #pairs = new Map<string, RawPair>()
  #sorted: string[] = []
  #added: string[] = []
  #removed = false

  get size(): number {
    return this.#pairs.size
  }

  get(key: string): RawPair | undefined {
    return this.#pairs.get(key)
  }

  /** Returns the pair that was there before. */
  put(pair: RawPair): RawPair | undefined {
    const prev = this.#pairs.get(pair.key)
    if (prev === undefined) this.#added.push(pair.key)
    this.#pairs.set(pair.key, pair)
    return prev
  }

  /** Returns the pair that was there before. */
  delete(key: string): RawPair | undefined {
    const prev = this.#pairs.get(key)
    if (prev === undefined) return undefined
    this.#pairs.delete(key)
    this.#removed = true
    return prev
  }

  keys(): Iterable<string> {
    return this.#pairs.keys()
  }

  /** The pairs under a prefix now, keys ascending; later changes do not show in it. */
  view(prefix: string): readonly RawPair[] {
    const keys = this.#order()
    const { start, end } = prefixRange(keys, prefix)
    const pairs = new Array<RawPair>(end - start)
    for (let i = start; i < end; i++)
      pairs[i - start] = this.#pairs.get(keys[i] as string) as RawPair
    return pairs
  }

  #order(): readonly string[] {
    if (!this.#removed && this.#added.length === 0) return this.#sorted
    const added = new Set(this.#added)
    // A key that was removed and added again stands in both.
    const kept = this.#removed
      ? this.#sorted.filter((key) => this.#pairs.has(key) && !added.has(key))
      : this.#sorted
    const fresh = this.#removed ? [...added].filter((key) => this.#pairs.has(key)) : this.#added
    this.#sorted = sortKeys(kept.length === 0 ? fresh : kept.concat(sortKeys(fresh)))
    this.#added = []
    this.#removed = false
    return this.#sorted
  }
}
