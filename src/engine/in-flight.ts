import { TimeoutError } from '../api/errors.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { RawPair } from '../api/transport.ts'
import { Deadline } from '../kit/deadline.ts'
import { ByteCopier } from './byte-copier.ts'
import { deleteEvent, putEvent, resyncEvent } from './events.ts'
import { OpenEvent } from './open-event.ts'
import type { OpenEventOwner } from './open-event.ts'
import type { PendingChange } from './pending-change.ts'
import type { Receivers, SyncEvent } from './receivers.ts'
import type { RegistrationHost } from './registration-host.ts'
import type { Ticket } from './ticket.ts'
import type { ResolvedWatchOptions } from './watch-options.ts'

/** Who decides what an answer means: the registration. */
export interface InFlightOwner {
  readonly name: string
  acknowledged(event: OpenEvent): void
  refused(event: OpenEvent, result: 'refused' | 'timeout', error: unknown): void
  /** After either, and after the writes that waited for it were answered. */
  settled(): void
  /** An answer, not the first, or after the event was taken away. */
  answeredLate(event: OpenEvent, error: unknown): void
  working(): void
}

type InFlightHost = Pick<RegistrationHost, 'transportName' | 'io' | 'instrumentation'>
type Timeouts = Pick<ResolvedWatchOptions, 'changeTimeoutMs' | 'resyncTimeoutMs'>

/** The one event in the receivers' hands (C6), with its time to answer. */
export class InFlight implements OpenEventOwner {
  /** Its receivers' own, never another registration's (C9). */
  readonly copies: ByteCopier = new ByteCopier()
  readonly #owner: InFlightOwner
  readonly #host: InFlightHost
  readonly #receivers: Receivers
  readonly #timeouts: Timeouts
  readonly #deadline: Deadline
  #event: OpenEvent | undefined

  constructor(owner: InFlightOwner, host: InFlightHost, receivers: Receivers, timeouts: Timeouts) {
    this.#owner = owner
    this.#host = host
    this.#receivers = receivers
    this.#timeouts = timeouts
    this.#deadline = new Deadline(host.io.clock, () => this.#timedOut())
  }

  get event(): OpenEvent | undefined {
    return this.#event
  }

  /** Until its timeout, in ms; 0 when nothing is open or nothing bounds it. */
  get restMs(): number {
    if (this.#event === undefined) return 0
    const rest = this.#deadline.restMs
    return Number.isFinite(rest) ? rest : 0
  }

  handResync(
    reason: ResyncReason,
    views: ReadonlyMap<string, readonly RawPair[]>,
    pairs: number,
    tickets: Ticket[],
  ): void {
    const { transportName: transport, instrumentation } = this.#host
    const open = new OpenEvent(this, undefined, reason)
    open.tickets = tickets
    open.handling = instrumentation.handling?.({
      transport,
      registration: this.#owner.name,
      kind: 'resync',
      reason,
      pairs,
    })
    this.#hand(open, resyncEvent(open, transport, reason, views))
  }

  handChange(change: PendingChange): void {
    const { transportName: transport, instrumentation } = this.#host
    const open = new OpenEvent(this, change, undefined)
    open.handling = instrumentation.handling?.({
      transport,
      registration: this.#owner.name,
      kind: 'change',
    })
    const { prev, next } = change
    const event =
      next !== undefined
        ? putEvent(open, transport, prev, next)
        : deleteEvent(open, transport, prev as RawPair, change.revision)
    this.#hand(open, event)
  }

  /** Takes it away: no answer counts. Its end is the caller's to tell. */
  take(): OpenEvent | undefined {
    const event = this.#event
    this.#event = undefined
    this.#deadline.clear()
    return event
  }

  /** The same, and leaves no timer. */
  close(): OpenEvent | undefined {
    this.#deadline.stop()
    return this.take()
  }

  // ---- from the event's methods

  settled(event: OpenEvent, error: unknown): void {
    if (event === this.#event) this.#end(event, 'refused', error)
    else this.#owner.answeredLate(event, error)
  }

  working(event: OpenEvent): void {
    if (event !== this.#event) return
    this.#allowTime(event)
    this.#owner.working()
  }

  #hand(open: OpenEvent, event: SyncEvent): void {
    this.#event = open
    const receivers = this.#receivers.of(event.kind)
    if (receivers.length === 0) {
      // Only the other kind has a subscriber (datasync.md §2).
      open.done()
      return
    }
    const { handling } = open
    for (const receiver of receivers) {
      // The one before may have ended its subscription, or all (C11).
      if (!receiver.active) continue
      try {
        if (handling?.within === undefined) receiver.next(event)
        else handling.within(() => receiver.next(event))
      } catch (error) {
        open.done(error ?? new Error('thrown without a reason'))
      }
    }
    if (this.#event === open) this.#allowTime(open)
  }

  #allowTime(event: OpenEvent): void {
    const timeoutMs = this.#timeoutMs(event)
    if (timeoutMs > 0) this.#deadline.set(timeoutMs)
  }

  #timeoutMs(event: OpenEvent): number {
    const { changeTimeoutMs, resyncTimeoutMs } = this.#timeouts
    return event.kind === 'resync' ? resyncTimeoutMs : changeTimeoutMs
  }

  #timedOut(): void {
    const event = this.#event
    if (event === undefined) return
    const action = `${this.#owner.name}: done of a ${event.kind}`
    this.#end(event, 'timeout', new TimeoutError(action, this.#timeoutMs(event)))
  }

  #end(event: OpenEvent, unless: 'refused' | 'timeout', error: unknown): void {
    this.#event = undefined
    this.#deadline.clear()
    // A change that comes again answers for nobody any more: the first answer counts.
    const tickets = event.takeTickets()
    if (error === undefined) this.#owner.acknowledged(event)
    else this.#owner.refused(event, unless, error)
    if (tickets !== undefined) for (const ticket of tickets) ticket.settle(error)
    this.#owner.settled()
  }
}
