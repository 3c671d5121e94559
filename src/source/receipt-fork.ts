import type { Receipt } from '../api/transport.ts'

/** One receipt for several readers: each answers a branch of it as if it were alone. */
export class ReceiptFork {
  readonly #receipt: Receipt
  readonly #names = new Set<string>()
  /** What was said before all had routed. */
  #early: (() => void)[] = []
  #unrouted = 0
  #sealed = false
  #routed = false

  constructor(receipt: Receipt) {
    this.#receipt = receipt
  }

  /** For one more reader; a reader that ends first has to say `routed([])`. */
  branch(): Receipt {
    this.#unrouted++
    let open = true
    const names = new Map<string, string>()
    return {
      routed: (registrations) => {
        if (!open) return
        open = false
        this.#unrouted--
        for (const registration of registrations) {
          names.set(registration, this.#claim(registration))
        }
        this.#check()
      },
      answered: (registration, error) => {
        const name = names.get(registration)
        if (name !== undefined) this.#say(() => this.#receipt.answered(name, error))
      },
      left: (registration) => {
        const name = names.get(registration)
        if (name !== undefined) this.#say(() => this.#receipt.left(name))
      },
    }
  }

  /** No branch follows. */
  seal(): void {
    this.#sealed = true
    this.#check()
  }

  /** Two readers may name theirs the same: the receipt is to wait for both. */
  #claim(registration: string): string {
    let name = registration
    for (let i = 2; this.#names.has(name); i++) name = `${registration} (${i})`
    this.#names.add(name)
    return name
  }

  #say(word: () => void): void {
    if (this.#routed) word()
    else this.#early.push(word)
  }

  #check(): void {
    if (this.#routed || !this.#sealed || this.#unrouted > 0) return
    this.#routed = true
    this.#receipt.routed([...this.#names])
    const early = this.#early
    this.#early = []
    for (const word of early) word()
  }
}
