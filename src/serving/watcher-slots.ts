/** Bounds the watchers of a server, in all and per client. */
export class WatcherSlots {
  readonly #limits: { readonly all: number; readonly perClient: number }
  readonly #perClient = new Map<string, number>()
  #all = 0

  constructor(limits: { readonly all: number; readonly perClient: number }) {
    this.#limits = limits
  }

  get size(): number {
    return this.#all
  }

  /** A slot, given back by calling it; or which limit is reached. */
  take(client: string): (() => void) | 'all' | 'client' {
    const own = this.#perClient.get(client) ?? 0
    if (this.#all >= this.#limits.all) return 'all'
    if (own >= this.#limits.perClient) return 'client'
    this.#all++
    this.#perClient.set(client, own + 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#all--
      const left = (this.#perClient.get(client) ?? 1) - 1
      if (left === 0) this.#perClient.delete(client)
      else this.#perClient.set(client, left)
    }
  }
}
