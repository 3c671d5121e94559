/** How many bytes of values one read shall fetch: it is held twice, here and in the server's output buffer. */
const READ_BYTES = 4 * 2 ** 20
/** Before anything was read; small values are soon known to be small. */
const FIRST_GUESS = 64 * 2 ** 10

/** How many keys to read at a time, by the size of the values read before: memory stays bounded (W24). */
export class ReadSize {
  readonly #most: number
  #average = FIRST_GUESS

  constructor(most: number) {
    this.#most = most
  }

  get keys(): number {
    return Math.max(1, Math.min(this.#most, Math.floor(READ_BYTES / this.#average)))
  }

  /** What a read gave: growth is believed at once, shrinking by halves. */
  learn(values: number, bytes: number): void {
    if (values === 0) return
    const mean = Math.max(1, bytes / values)
    this.#average = Math.max(mean, (this.#average + mean) / 2)
  }
}
