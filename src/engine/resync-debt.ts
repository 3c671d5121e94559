import type { ResyncReason } from '../api/resync-event.ts'

/** The RESYNC that a registration owes its receiver: why, and whether the orchestrator lets it through (C10). */
export class ResyncDebt {
  /** The earliest first; said twice is said. */
  #reasons: ResyncReason[] = []
  /** Never while nothing is owed. */
  #granted = false
  #reported = false

  get any(): boolean {
    return this.#reasons.length > 0
  }

  /** The earliest reason; undefined: nothing is owed. */
  get first(): ResyncReason | undefined {
    return this.#reasons[0]
  }

  get granted(): boolean {
    return this.#granted
  }

  /** The receiver asked for it itself (§7). */
  get reported(): boolean {
    return this.#reported
  }

  add(reason: ResyncReason): void {
    if (!this.#reasons.includes(reason)) this.#reasons.push(reason)
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
    this.#reasons = []
    this.#granted = false
    this.#reported = false
  }

  /** The refused event was acknowledged after all (C12). */
  forgive(): void {
    this.#reasons = this.#reasons.filter((reason) => reason !== 'refused')
    this.#granted &&= this.any
  }
}
