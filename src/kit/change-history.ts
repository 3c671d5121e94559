/**
 * The latest transactions of a store, bounded in changes, so that a recent position can go on without a list.
 * `T` is what one transaction changed.
 */
export class ChangeHistory<T> {
  readonly #limit: number
  #transactions: { readonly revision: number; readonly changes: readonly T[] }[] = []
  /** Those before it are forgotten. */
  #head = 0
  #size = 0
  /** Everything behind this revision is known. */
  #floor: number

  constructor(limit: number, floor: number) {
    this.#limit = limit
    this.#floor = floor
  }

  add(revision: number, changes: readonly T[]): void {
    this.#transactions.push({ revision, changes })
    this.#size += changes.length
    while (this.#size > this.#limit) this.#forgetOldest()
    // Moving the rest to the front costs: only now and then.
    if (this.#head > 64 && this.#head * 2 > this.#transactions.length) {
      this.#transactions = this.#transactions.slice(this.#head)
      this.#head = 0
    }
  }

  /** All changes behind the revision, oldest first; undefined when some are forgotten. */
  since(revision: number): T[] | undefined {
    if (revision < this.#floor) return undefined
    return this.#transactions
      .slice(this.#head)
      .filter((transaction) => transaction.revision > revision)
      .flatMap((transaction) => transaction.changes)
  }

  #forgetOldest(): void {
    const oldest = this.#transactions[this.#head++]
    if (oldest === undefined) return
    this.#size -= oldest.changes.length
    this.#floor = oldest.revision
  }
}
