import type { Backlog } from './backlog.ts'
import type { Continuity } from './continuity.ts'
import type { OpenEvent } from './open-event.ts'
import type { PendingChange } from './pending-change.ts'
import type { RefusalBackoff } from './refusal-backoff.ts'
import type { ResyncDebt } from './resync-debt.ts'
import type { Routes } from './routes.ts'
import type { ResolvedWatchOptions } from './watch-options.ts'

/** What a refusal leads to: a pause, and then the same change again or a RESYNC (C7). */
export class RefusalPolicy {
  readonly #options: Pick<ResolvedWatchOptions, 'onRefusal' | 'maxRetries'>
  readonly #routes: Pick<Routes, 'covers'>
  readonly #continuity: Continuity
  readonly #backlog: Backlog
  readonly #debt: ResyncDebt
  readonly #backoff: RefusalBackoff

  constructor(
    options: Pick<ResolvedWatchOptions, 'onRefusal' | 'maxRetries'>,
    routes: Pick<Routes, 'covers'>,
    continuity: Continuity,
    backlog: Backlog,
    debt: ResyncDebt,
    backoff: RefusalBackoff,
  ) {
    this.#options = options
    this.#routes = routes
    this.#continuity = continuity
    this.#backlog = backlog
    this.#debt = debt
    this.#backoff = backoff
  }

  /** `late`: the event, where its timeout is the refusal. */
  resyncRefused(late: OpenEvent | undefined): void {
    this.#backoff.begin(late)
    this.#continuity.doubted()
    this.#debt.add('refused')
  }

  /** By `onRefusal`. */
  changeRefused(change: PendingChange, late: OpenEvent | undefined): void {
    const { onRefusal, maxRetries } = this.#options
    if (onRefusal === 'continue') return
    const { tracking } = this.#continuity
    if (tracking && onRefusal === 'retry' && this.#backlog.mayRepeat(maxRetries)) {
      if (!this.#routes.covers(change.key)) return // unregistered meanwhile
      this.#backlog.repeat(change)
      this.#backoff.begin(late)
      return
    }
    this.#backoff.begin(late)
    this.#continuity.doubted()
    // After an overflow or a new list a RESYNC is owed already.
    if (tracking) this.#debt.add('refused')
  }

  /** The receiver says by itself that its data is not right (§7): a RESYNC, whatever it answers meanwhile. */
  reported(): void {
    this.#continuity.doubted()
    this.#debt.report()
    if (this.#backoff.active) this.#backoff.forgetLate()
    else this.#backoff.begin(undefined)
  }

  /** C12: only a word without error, in the back-off that the event's own timeout began, still counts. */
  mayTakeBack(event: OpenEvent, error: unknown): boolean {
    return error === undefined && this.#backoff.mayStillSettle(event)
  }

  /** The event counts as acknowledged after all. False: the back-off goes on, for the RESYNC that was asked for. */
  takeBack(): boolean {
    this.#backoff.acknowledged()
    this.#backlog.acknowledgedLate()
    if (this.#debt.reported) {
      this.#backoff.forgetLate()
      return false
    }
    this.#backoff.end()
    this.#continuity.confirmed()
    this.#debt.forgive()
    this.#debt.backoffOver()
    return true
  }
}
