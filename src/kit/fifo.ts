/** Places that an empty one keeps for what comes next. */
const KEPT = 1_024

/** First in, first out. In steady use it makes no garbage: its places are used again. What was taken is not held on to. */
export class Fifo<T extends object> implements Iterable<T> {
  #places: (T | undefined)[] = []
  #head = 0
  #tail = 0

  get size(): number {
    return this.#tail - this.#head
  }

  push(item: T): void {
    this.#places[this.#tail++] = item
  }

  /** Puts it before all others. */
  unshift(item: T): void {
    if (this.#head === 0) this.#set([item, ...this])
    else this.#places[--this.#head] = item
  }

  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined
    const item = this.#places[this.#head]
    this.#places[this.#head++] = undefined
    if (this.#head === this.#tail) {
      if (this.#tail > KEPT) this.#set([])
      this.#head = 0
      this.#tail = 0
    } else if (this.#head > KEPT && this.#head * 2 > this.#tail) {
      this.#set(this.#places.slice(this.#head, this.#tail) as T[])
    }
    return item
  }

  /** The item so many places behind the head. */
  at(index: number): T | undefined {
    return index < 0 || index >= this.size ? undefined : this.#places[this.#head + index]
  }

  /** Puts them before all others, the first of them first. */
  prepend(items: readonly T[]): void {
    if (items.length > 0) this.#set([...items, ...this])
  }

  /** Empties it; returns what was in it. */
  clear(): T[] {
    const items = [...this]
    this.#set([])
    return items
  }

  *[Symbol.iterator](): Generator<T> {
    for (let i = this.#head; i < this.#tail; i++) yield this.#places[i] as T
  }

  #set(items: T[]): void {
    this.#places = items
    this.#head = 0
    this.#tail = items.length
  }
}
