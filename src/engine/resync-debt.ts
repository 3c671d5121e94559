import type { ResyncReason } from '../api/resync-event.ts'
import type { Continuity } from './continuity.ts'
import type { RefusalBackoff } from './refusal-backoff.ts'
import type { ResyncGate, ResyncTarget } from './resync-gate.ts'

/**
 * The RESYNC that a registration owes its receiver: why, whether the orchestrator knows of it, and whether it lets it
 * through (C10).
 */
export class ResyncDebt {
  readonly #debtor: ResyncTarget
  readonly #gate: ResyncGate
  readonly #continuity: Continuity
  readonly #backoff: RefusalBackoff
  /** The earliest first; said twice is said. */
  #reasons: ResyncReason[] = []
  /** Never while nothing is owed. */
  #granted = false
  #reported = false

  constructor(
    debtor: ResyncTarget,
    gate: ResyncGate,
    continuity: Continuity,
    backoff: RefusalBackoff,
  ) {
    this.#debtor = debtor
    this.#gate = gate
    this.#continuity = continuity
    this.#backoff = backoff
  }

  get any(): boolean {
    return this.#reasons.length > 0
  }

  get granted(): boolean {
    return this.#granted
  }

  /** The receiver asked for it itself (§7): no late `done` takes it back. */
  get reported(): boolean {
    return this.#reported
  }

  /** `source`: everyone on the source owes one. */
  owe(reason: ResyncReason, origin: 'source' | 'own'): void {
    if (this.#debtor.closed) return
    if (!this.#continuity.started && reason === 'prefix-changed') {
      this.oweStartup() // whose RESYNC has it
      return
    }
    this.add(reason)
    // In a back-off the gate hears of it at its end; a new list is news at once.
    if (this.#backoff.active && origin === 'own') return
    this.#gate.due(this.#debtor, reason, origin)
  }

  /** The first one, once everything is listed. */
  oweStartup(): void {
    const { started, resuming } = this.#continuity
    if (started || resuming || this.any || !this.#debtor.sourceLive) return
    this.owe('startup', 'source')
  }

  /**
   * Nothing is open. The list that voided a RESYNC, and would have brought the next, may have been of a prefix that is
   * unregistered.
   */
  oweVoided(): void {
    const { started, intact } = this.#continuity
    if (!started || intact || this.any || !this.#debtor.sourceLive) return
    this.owe('prefix-changed', 'own')
  }

  /** Without a word to the gate: that asked for it, or hears of it at the end of a back-off. */
  add(reason: ResyncReason): void {
    if (!this.#reasons.includes(reason)) this.#reasons.push(reason)
  }

  /** The receiver says that its data is not right. */
  report(): void {
    this.#reported = true
    this.add('refused')
  }

  /** The back-off is over: what is owed since is due. */
  backoffOver(): void {
    const [first] = this.#reasons
    if (first !== undefined) this.#gate.due(this.#debtor, first, 'own')
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

  /** The RESYNC is delivered, which serves all reasons. The one that it bears: C1, the first is the startup. */
  pay(): ResyncReason {
    const [first = 'startup'] = this.#reasons
    this.#reasons = []
    this.#granted = false
    this.#reported = false
    return this.#continuity.started ? first : 'startup'
  }

  /** The refused event was acknowledged after all (C12). */
  forgive(): void {
    this.#reasons = this.#reasons.filter((reason) => reason !== 'refused')
    this.#granted &&= this.any
  }
}
