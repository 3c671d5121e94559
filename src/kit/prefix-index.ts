/** The prefixes of one length. */
interface Group<V> {
  readonly length: number
  readonly values: Map<string, V>
  /** The only one, if it is: comparing costs half of cutting and hashing. */
  single: string | undefined
}

/**
 * A map from prefixes to values that finds all prefixes of a key. A look-up costs one hash per distinct prefix
 * length, however many prefixes there are.
 */
export class PrefixIndex<V> {
  /** Shortest first. */
  #groups: readonly Group<V>[] = []

  get size(): number {
    let size = 0
    for (const { values } of this.#groups) size += values.size
    return size
  }

  get(prefix: string): V | undefined {
    return this.#group(prefix.length)?.values.get(prefix)
  }

  set(prefix: string, value: V): void {
    const known = this.#group(prefix.length)
    if (known === undefined) {
      const group = { length: prefix.length, values: new Map([[prefix, value]]), single: prefix }
      this.#groups = [...this.#groups, group].sort((a, b) => a.length - b.length)
      return
    }
    known.values.set(prefix, value)
    known.single = onlyKeyOf(known.values)
  }

  delete(prefix: string): void {
    const known = this.#group(prefix.length)
    if (known?.values.delete(prefix) !== true) return
    known.single = onlyKeyOf(known.values)
    if (known.values.size === 0) this.#groups = this.#groups.filter((group) => group !== known)
  }

  /** True when some prefix begins the key. */
  covers(key: string): boolean {
    for (const { length, values, single } of this.#groups) {
      if (length > key.length) return false
      if (single === undefined ? values.has(key.slice(0, length)) : key.startsWith(single)) {
        return true
      }
    }
    return false
  }

  /** Calls `visit` for every prefix of the key, shortest first. */
  match(key: string, visit: (value: V) => void): void {
    for (const { length, values, single } of this.#groups) {
      if (length > key.length) return
      if (single !== undefined && !key.startsWith(single)) continue
      const value = values.get(single ?? key.slice(0, length))
      if (value !== undefined) visit(value)
    }
  }

  #group(length: number): Group<V> | undefined {
    return this.#groups.find((group) => group.length === length)
  }
}

function onlyKeyOf<V>(values: ReadonlyMap<string, V>): string | undefined {
  if (values.size !== 1) return undefined
  const [only] = values.keys()
  return only
}

/** The prefixes that are not covered by another one of them, ascending; equal ones once. */
export function coverOf(prefixes: Iterable<string>): string[] {
  const cover: string[] = []
  // What begins with a prefix stands right behind it, however many and long they are: clients decide that.
  // oxlint-disable-next-line require-array-sort-compare
  for (const prefix of [...prefixes].sort()) {
    const last = cover.at(-1)
    if (last === undefined || !prefix.startsWith(last)) cover.push(prefix)
  }
  return cover
}

/** What is under a prefix of both sets: prefixes that are not covered by another one of them, ascending. */
export function commonPrefixes(a: readonly string[], b: readonly string[]): string[] {
  return coverOf(
    a.flatMap((one) =>
      b.flatMap((other) => {
        if (one.startsWith(other)) return [one]
        return other.startsWith(one) ? [other] : []
      }),
    ),
  )
}
