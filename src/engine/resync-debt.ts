import type { ResyncReason } from '../api/resync-event.ts'

/** The RESYNC that a registration owes its receiver: why, and whether the orchestrator lets it through (C10). */
export class ResyncDebt {
  /** In the order in which they came up; one of each kind says it. */
  readonly #reasons = new Set<ResyncReason>()
  /** Never while nothing is owed. */
  #granted = false
  #reported = false

  get any(): boolean {
    return this.#reasons.size > 0
  }

  /** The earliest reason; undefined: nothing is owed. */
  get first(): ResyncReason | undefined {
    const [first] = this.#reasons
    return first
  }

  get granted(): boolean {
    return this.#granted
  }

  /** The receiver asked for it itself (§7). */
  get reported(): boolean {
    return this.#reported
  }

  add(reason: ResyncReason): void {
    this.#reasons.add(reason)
  }

  /** The receiver says that its data is not right: no late `done` takes that back. */
  report(): void {
    this.#reported = true
    this.add('refused')
  }

  /** False: nothing is owed. One that is not needed any more must not serve what is owed later. */
  grant(): boolean {
    this.#granted = this.any
    return this.#granted
  }

  /** Takes a grant back that was not used; false when there was none. */
  revoke(): boolean {
    const granted = this.#granted
    this.#granted = false
    return granted
  }

  /** The RESYNC is delivered, which serves all reasons. */
  pay(): void {
    this.#reasons.clear()
    this.#granted = false
    this.#reported = false
  }

  /** The refused event was acknowledged after all (C12). */
  forgive(): void {
    this.#reasons.delete('refused')
    this.#granted &&= this.any
  }
}
