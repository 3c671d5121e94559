/**
 * A map from prefixes to values that finds all prefixes of a key. A look-up costs one hash per distinct prefix
 * length, however many prefixes there are.
 */
export class PrefixIndex<V> {
  readonly #byLength: Map<number, Map<string, V>> = new Map()
  #lengths: readonly number[] = []

  get size(): number {
    let size = 0
    for (const prefixes of this.#byLength.values()) size += prefixes.size
    return size
  }

  get(prefix: string): V | undefined {
    return this.#byLength.get(prefix.length)?.get(prefix)
  }

  set(prefix: string, value: V): void {
    const known = this.#byLength.get(prefix.length)
    if (known !== undefined) {
      known.set(prefix, value)
      return
    }
    this.#byLength.set(prefix.length, new Map([[prefix, value]]))
    this.#lengths = [...this.#byLength.keys()].sort((a, b) => a - b)
  }

  delete(prefix: string): void {
    const known = this.#byLength.get(prefix.length)
    if (known?.delete(prefix) !== true || known.size > 0) return
    this.#byLength.delete(prefix.length)
    this.#lengths = [...this.#byLength.keys()].sort((a, b) => a - b)
  }

  /** True when some prefix begins the key. */
  covers(key: string): boolean {
    for (const length of this.#lengths) {
      if (length > key.length) return false
      if (this.#byLength.get(length)?.has(key.slice(0, length)) === true) return true
    }
    return false
  }

  /** Calls `visit` for every prefix of the key, shortest first. */
  match(key: string, visit: (value: V) => void): void {
    for (const length of this.#lengths) {
      if (length > key.length) return
      const value = this.#byLength.get(length)?.get(key.slice(0, length))
      if (value !== undefined) visit(value)
    }
  }
}

/** The prefixes that are not covered by another one of them, ascending; equal ones once. */
export function coverOf(prefixes: Iterable<string>): string[] {
  const index = new PrefixIndex<true>()
  const cover: string[] = []
  for (const prefix of [...new Set(prefixes)].sort((a, b) => a.length - b.length)) {
    if (index.covers(prefix)) continue
    index.set(prefix, true)
    cover.push(prefix)
  }
  // oxlint-disable-next-line require-array-sort-compare
  return cover.sort()
}
