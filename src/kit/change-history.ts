/**
 * The latest transactions of a store, bounded in changes, so that a recent position can go on without a list.
 * `T` is what one transaction changed.
 */
export class ChangeHistory<T> {
  readonly #limit: number
  #transactions: { readonly revision: number; readonly changes: readonly T[] }[] = []
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
    let gone = 0
    while (this.#size > this.#limit && gone < this.#transactions.length) {
      const oldest = this.#transactions[gone++] as { revision: number; changes: readonly T[] }
      this.#size -= oldest.changes.length
      this.#floor = oldest.revision
    }
    if (gone > 0) this.#transactions.splice(0, gone)
  }

  /** All changes behind the revision, oldest first; undefined when some are forgotten. */
  since(revision: number): T[] | undefined {
    if (revision < this.#floor) return undefined
    return this.#transactions
      .filter((transaction) => transaction.revision > revision)
      .flatMap((transaction) => transaction.changes)
  }
}
