/**
 * The latest transactions of a store, bounded in changes, so that a recent position can go on without a list.
 * `T` is what one transaction changed.
 */
export class ChangeHistory<T> {
  readonly #limit: number
  /** Oldest first; `#revisions` says of each which transaction it is of. */
  #changes: T[] = []
  #revisions: number[] = []
  /** Those before it are forgotten. */
  #head = 0
  /** Everything behind this revision is known. */
  #floor: number

  constructor(limit: number, floor: number) {
    this.#limit = limit
    this.#floor = floor
  }

  add(revision: number, changes: readonly T[]): void {
    for (const change of changes) {
      this.#changes.push(change)
      this.#revisions.push(revision)
    }
    while (this.#changes.length - this.#head > this.#limit) this.#forgetOldest()
    // Moving the rest to the front costs: only now and then.
    if (this.#head > 1_024 && this.#head * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#head)
      this.#revisions = this.#revisions.slice(this.#head)
      this.#head = 0
    }
  }

  /** All changes behind the revision, oldest first; undefined when some are forgotten. */
  since(revision: number): T[] | undefined {
    if (revision < this.#floor) return undefined
    let first = this.#changes.length
    while (first > this.#head && (this.#revisions[first - 1] as number) > revision) first--
    return this.#changes.slice(first)
  }

  /** A transaction is known as a whole or not at all. */
  #forgetOldest(): void {
    this.#floor = this.#revisions[this.#head] as number
    while (this.#revisions[this.#head] === this.#floor) this.#head++
  }
}
