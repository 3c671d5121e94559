import { BehaviorSubject, Observable, Subscription } from 'rxjs'
import type { ChangeEvent } from '../api/change-event.ts'
import { ClosedError, describeError, OverflowError, TimeoutError } from '../api/errors.ts'
import { assertPrefix } from '../api/key.ts'
import { prefixOf } from '../api/model.ts'
import type { Prefix } from '../api/model.ts'
import type { ResyncEvent, ResyncReason } from '../api/resync-event.ts'
import type { LastResync, RegistrationState, RegistrationStatus } from '../api/status.ts'
import type { Position, RawPair } from '../api/transport.ts'
import type { Checkpoint, Handlers, WatchRegistration } from '../api/watcher.ts'
import { backoffMs } from '../kit/backoff.ts'
import { Deadline } from '../kit/deadline.ts'
import { nextTask } from '../kit/next-task.ts'
import { coverOf, PrefixIndex } from '../kit/prefix-index.ts'
import type { Feed } from '../source/source.ts'
import type { SourceChange } from '../source/watch-loop.ts'
import { makeCheckpoint } from './checkpoint.ts'
import { coalesce, createDeliveryQueue, pendingChange } from './delivery-queue.ts'
import type { DeliveryQueue, PendingChange } from './delivery-queue.ts'
import type { RegistrationHost } from './engine.ts'
import { EventStream } from './event-stream.ts'
import { deleteEvent, putEvent, resyncEvent } from './events.ts'
import { OpenEvent } from './open-event.ts'
import type { ResyncTarget } from './resync-gate.ts'
import type { Ticket } from './ticket.ts'
import type { ResolvedWatchOptions } from './watch-options.ts'

/** Before a repetition (C7). */
export const REFUSAL_BACKOFF = { baseMs: 1_000, capMs: 60_000 } as const

/** Events delivered in one go before other work gets a turn. */
const EVENTS_PER_TURN = 1_024

type SyncEvent = ResyncEvent | ChangeEvent

/** One subscriber: what it wants and how it is told. */
interface Receiver {
  readonly resyncs: boolean
  readonly changes: boolean
  next(event: SyncEvent): void
  complete(): void
}

/** A prefix that is watched through a feed. */
interface Route {
  readonly prefix: string
  readonly feed: Feed
  /** The feed goes on from a checkpoint. */
  readonly own: boolean
}

/**
 * One registration: queue, acknowledgement, refusal and the two kinds of events (C1–C12). SPEC.md has its states and
 * what may happen in each. Its fold is not stored: it is the feed's state less what is queued.
 */
export class Registration implements WatchRegistration, ResyncTarget {
  readonly name: string
  readonly #host: RegistrationHost
  readonly #options: ResolvedWatchOptions
  readonly #queue: DeliveryQueue
  readonly #deadline: Deadline

  /** Every prefix as it was given, in order. */
  #prefixes: string[]
  /** Where changes come from now. */
  #routes: readonly Route[] = []
  /** Where the next RESYNC's pairs come from, until it is delivered. */
  #nextRoutes: readonly Route[] | undefined

  #receivers: readonly Receiver[] = []
  #begun = false
  #closed = false

  /** Reasons for the RESYNC that is owed, the earliest first. */
  #owed: ResyncReason[] = []
  #granted = false
  /** C1: no CHANGE before the next acknowledged RESYNC. */
  #blocked = true
  /** The queue goes on exactly where the last delivered event ended. */
  #tracking = false
  #resuming = false
  /** On feeds of its own, since it came from a checkpoint. */
  #catchingUp = false
  #open: OpenEvent | undefined
  #retry: { readonly change: PendingChange; readonly attempt: number } | undefined
  #attempts = 0
  #backoff: { stop(): void } | undefined
  /** C12: the event whose timeout began the back-off. */
  #late: OpenEvent | undefined
  #streak = 0
  #pumping = false
  #pumpQueued = false
  /** Waiting for the next RESYNC's `done`. */
  #resyncTickets: Ticket[] = []

  #refusals = 0
  #lastError: unknown
  #lastResync: LastResync | undefined
  readonly #status$: BehaviorSubject<RegistrationStatus>
  #statusQueued = false

  readonly events$: Observable<SyncEvent>
  readonly resyncs$: Observable<ResyncEvent>
  readonly changes$: Observable<ChangeEvent>

  constructor(
    host: RegistrationHost,
    name: string,
    prefixes: readonly string[],
    options: ResolvedWatchOptions,
  ) {
    this.name = name
    this.#host = host
    this.#options = options
    this.#prefixes = [...new Set(prefixes)]
    this.#queue = createDeliveryQueue(options.delivery)
    this.#deadline = new Deadline(host.io.clock, () => this.#timedOut())
    this.events$ = this.#stream<SyncEvent>(true, true)
    this.resyncs$ = this.#stream<ResyncEvent>(true, false)
    this.changes$ = this.#stream<ChangeEvent>(false, true)
    const resumed =
      options.resume === undefined ? undefined : host.resume(this, this.#prefixes, options.resume)
    this.#resuming = resumed !== undefined
    if (resumed === undefined) this.#nextRoutes = this.#join(this.#prefixes)
    else this.#routes = resumed.map((route) => ({ ...route, own: true }))
    // Before the first RESYNC nothing is queued, but a write may already wait for the RESYNC that carries it.
    this.#route(this.#nextRoutes ?? this.#routes)
    this.#status$ = new BehaviorSubject(this.status)
    // A shared feed may be live already.
    nextTask(() => this.sourceStatus())
  }

  // ---- the public face

  get prefixes(): readonly string[] {
    return [...this.#prefixes]
  }

  get status$(): Observable<RegistrationStatus> {
    return new Observable((subscriber) => {
      // The subject holds what was current when somebody last looked.
      this.#publishStatus()
      return this.#status$.subscribe(subscriber)
    })
  }

  get status(): RegistrationStatus {
    return {
      state: this.#state(),
      pending: this.#queue.size + (this.#retry === undefined ? 0 : 1),
      pendingBytes: this.#queue.bytes,
      inFlight: this.#open === undefined ? 0 : 1,
      refusals: this.#refusals,
      lastError: this.#lastError,
      lastResync: this.#lastResync,
    }
  }

  handle(handlers: Handlers): Subscription {
    return this.#subscribe({
      resyncs: true,
      changes: true,
      next: (event) => {
        const handler = event.kind === 'resync' ? handlers.resync : handlers.change
        if (handler === undefined) {
          event.done()
          return
        }
        const result = (handler as (event: SyncEvent) => unknown)(event)
        if (!isPromiseLike(result)) {
          event.done()
          return
        }
        result.then(
          () => event.done(),
          (error: unknown) => event.done(error ?? new Error('rejected without a reason')),
        )
      },
      complete: () => {},
    })
  }

  register(prefix: Prefix): Promise<void> {
    return settle(() => {
      this.#assertOpen()
      const added = prefixOf(prefix)
      assertPrefix(added, this.#host.maxKeyBytes)
      if (this.#prefixes.includes(added)) return
      this.#prefixes.push(added)
      this.#reroute()
      this.#owe('prefix-changed', 'own')
    })
  }

  unregister(prefix: Prefix): Promise<void> {
    return settle(() => {
      this.#assertOpen()
      const removed = prefixOf(prefix)
      if (!this.#prefixes.includes(removed)) return
      this.#prefixes = this.#prefixes.filter((known) => known !== removed)
      this.#narrow()
    })
  }

  checkpoint(): Checkpoint | undefined {
    if (this.#closed || this.#blocked || !this.#tracking || this.#nextRoutes !== undefined) {
      return undefined
    }
    const open = this.#open?.change ?? this.#retry?.change
    const pending = open === undefined ? [...this.#queue] : [open, ...this.#queue]
    return makeCheckpoint(this.#host.transportName, this.#prefixes, this.#routes, pending)
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    const open = this.#open
    this.#open = undefined
    this.#deadline.stop()
    this.#endBackoff()
    for (const change of this.#queue.clear()) for (const t of change.tickets ?? []) t.leave()
    for (const change of [open?.change, this.#retry?.change]) {
      for (const ticket of change?.tickets ?? []) ticket.leave()
    }
    for (const ticket of this.#resyncTickets) ticket.leave()
    this.#resyncTickets = []
    this.#leave([...this.#routes, ...(this.#nextRoutes ?? [])])
    this.#host.closed(this)
    open?.end('voided')
    const receivers = this.#receivers
    this.#receivers = []
    for (const receiver of receivers) receiver.complete()
    this.#status$.next(this.status)
    this.#status$.complete()
    this.#host.gate.ended(this, 'closed')
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ---- what the orchestrator sees

  get closed(): boolean {
    return this.#closed
  }

  get transportName(): string {
    return this.#host.transportName
  }

  /** Subscribed, nothing open, no back-off: a RESYNC could be delivered now. */
  get ready(): boolean {
    return this.#begun && this.#open === undefined && this.#backoff === undefined
  }

  /** Everything that it watches is listed and its stream open. */
  get sourceLive(): boolean {
    return [...this.#routes, ...(this.#nextRoutes ?? [])].every((route) => route.feed.live)
  }

  /** It goes on from a checkpoint and owes nothing. */
  get upToDate(): boolean {
    return !this.#blocked && this.#owed.length === 0
  }

  /** Until the open event's timeout, in ms; 0 when nothing is open or nothing bounds it. */
  get openForMs(): number {
    if (this.#open === undefined) return 0
    const rest = this.#deadline.restMs
    return Number.isFinite(rest) ? rest : 0
  }

  /** The pairs that the last RESYNC held. */
  get lastResync(): LastResync | undefined {
    return this.#lastResync
  }

  /** Called on every `working()` of the open event. */
  onWorking: (() => void) | undefined

  /** A RESYNC is wanted from outside. */
  request(reason: ResyncReason): void {
    if (this.#closed) return
    if (this.#owed.length === 0) this.#owed = [reason]
    this.#granted = false
  }

  /** The RESYNC that is owed may be delivered as soon as it can be. */
  grant(): void {
    this.#granted = true
    this.#pump()
  }

  /** The receiver itself says that its data is not right (§7): a RESYNC after the back-off. */
  reportError(error: unknown): void {
    if (this.#closed) return
    this.#lastError = error
    this.#refusals++
    this.#blocked = true
    if (this.#backoff === undefined) this.#beginBackoff(undefined)
    this.#owe('refused', 'own')
  }

  // ---- what the feeds say

  /** Continuity is lost: an open RESYNC is void. */
  resetting(): void {
    const open = this.#open
    if (open === undefined || open.kind === 'change') return
    this.#open = undefined
    this.#deadline.clear()
    this.#awaitResync(this.#takeTickets(open))
    this.#endResync(open, 'voided')
    this.#pumpSoon()
  }

  /** The feed holds a new state. */
  listed(feed: Feed, reason: ResyncReason): void {
    if (this.#lastResync === undefined) {
      // A checkpoint that could not be used is ignored (C1).
      this.#resuming = false
      this.#forgetQueue()
      return // the startup RESYNC follows when everything is live
    }
    if (!this.#routes.some((route) => route.feed === feed)) return
    this.#blocked = true
    this.#dropRetryIntoResync()
    this.#forgetQueue()
    this.resetting()
    this.#owe(reason, 'source')
  }

  /** A feed's stream became live, or was lost. */
  sourceStatus(): void {
    if (this.#closed) return
    if (this.#resuming && this.sourceLive) {
      this.#resuming = false
      this.#blocked = false
      this.#tracking = true
      this.#catchingUp = true
    }
    this.#changeOver()
    this.#startup()
    this.#host.gate.changed(this)
    this.#statusChanged()
    this.#pumpSoon()
  }

  /** True when a change would be answered by somebody. */
  get hasReceiver(): boolean {
    return this.#receivers.length > 0
  }

  changed(
    change: SourceChange,
    feed: Feed,
    before: Position | undefined,
    ticket: Ticket | undefined,
  ): void {
    if (!this.#tracking && !this.#resuming) {
      if (ticket !== undefined) this.#awaitResync([ticket])
      return
    }
    const pending = pendingChange(change, feed, before, ticket)
    const { delivery, queueLimit, queueBytes } = this.#options
    if (delivery === 'latest' && this.#retry?.change.key === pending.key) {
      if (!coalesce(this.#retry.change, pending)) this.#dropRetry(this.#retry.change)
    } else {
      this.#queue.push(pending)
    }
    if (this.#queue.size > queueLimit || this.#queue.bytes > queueBytes) this.#overflow()
    else if (this.#open === undefined && !this.#pumping) this.#pumpSoon()
    this.#statusChanged()
  }

  // ---- delivery

  #pumpSoon(): void {
    if (this.#pumpQueued || this.#closed) return
    this.#pumpQueued = true
    queueMicrotask(() => {
      this.#pumpQueued = false
      this.#pump()
    })
  }

  /** Delivers what can be delivered. A receiver that answers at once gets the next event in the same loop. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      let delivered = 0
      while (this.#deliverNext()) {
        delivered++
        if (delivered >= EVENTS_PER_TURN) {
          nextTask(() => this.#pump())
          return
        }
      }
    } finally {
      this.#pumping = false
    }
  }

  #deliverNext(): boolean {
    if (this.#closed || !this.#begun || this.#open !== undefined || this.#backoff !== undefined) {
      return false
    }
    if (this.#owed.length > 0 && this.#granted && this.sourceLive) {
      this.#deliverResync()
      return true
    }
    if (this.#blocked || !this.#tracking) return false
    const change = this.#retry?.change ?? this.#queue.shift()
    if (change === undefined) return false
    this.#attempts = this.#retry?.attempt ?? 0
    this.#retry = undefined
    this.#deliverChange(change)
    return true
  }

  #deliverResync(): void {
    const reason = this.#owed[0] as ResyncReason
    this.#owed = []
    this.#granted = false
    this.#blocked = true
    this.#dropRetryIntoResync()
    this.#forgetQueue()
    this.#takeNextRoutes()
    this.#tracking = true
    const views = new Map<string, readonly RawPair[]>()
    for (const prefix of this.#prefixes) views.set(prefix, this.#view(prefix))
    const at = this.#host.io.clock.now()
    this.#lastResync = {
      reason,
      at,
      durationMs: undefined,
      pairs: this.#count(views),
      outcome: 'open',
    }
    const open = new OpenEvent(this, undefined, reason, at)
    open.handling = this.#host.instrumentation.handling?.({
      transport: this.#host.transportName,
      registration: this.name,
      kind: 'resync',
      reason,
      pairs: this.#lastResync.pairs,
    })
    this.#emit(open, this.#options.resyncTimeoutMs, () =>
      resyncEvent(open, this.#host.transportName, reason, views),
    )
  }

  #deliverChange(change: PendingChange): void {
    const open = new OpenEvent(this, change, undefined, 0)
    open.handling = this.#host.instrumentation.handling?.({
      transport: this.#host.transportName,
      registration: this.name,
      kind: 'change',
    })
    const source = this.#host.transportName
    const { prev, next } = change
    this.#emit(open, this.#options.changeTimeoutMs, () =>
      next !== undefined
        ? putEvent(open, source, prev, next)
        : deleteEvent(open, source, prev as RawPair, change.revision),
    )
  }

  #emit(open: OpenEvent, timeoutMs: number, make: () => SyncEvent): void {
    this.#open = open
    const wanted = this.#receivers.filter((r) => (open.kind === 'resync' ? r.resyncs : r.changes))
    if (wanted.length === 0) {
      // Only the other kind has a subscriber (datasync.md §2).
      open.done()
      return
    }
    const event = make()
    const { handling } = open
    for (const receiver of wanted) {
      if (this.#closed) return
      try {
        if (handling?.within === undefined) receiver.next(event)
        else handling.within(() => receiver.next(event))
      } catch (error) {
        open.done(error ?? new Error('thrown without a reason'))
      }
    }
    if (this.#open === open) {
      if (timeoutMs > 0) this.#deadline.set(timeoutMs)
      this.#statusChanged()
    }
  }

  // ---- acknowledgement

  /** From {@link OpenEvent.done}. */
  settled(event: OpenEvent, error: unknown): void {
    if (event !== this.#open) {
      this.#settledLate(event, error)
      return
    }
    this.#open = undefined
    this.#deadline.clear()
    const tickets = this.#takeTickets(event)
    if (error === undefined) {
      this.#acknowledged(event)
    } else {
      this.#refused(event, error, 'refused')
    }
    for (const ticket of tickets) ticket.settle(error)
    if (!this.#pumping) this.#pumpSoon()
    this.#host.gate.changed(this)
    this.#statusChanged()
  }

  working(event: OpenEvent): void {
    if (event !== this.#open) return
    const { changeTimeoutMs, resyncTimeoutMs } = this.#options
    const timeoutMs = event.kind === 'resync' ? resyncTimeoutMs : changeTimeoutMs
    if (timeoutMs > 0) this.#deadline.set(timeoutMs)
    this.onWorking?.()
  }

  #acknowledged(event: OpenEvent): void {
    this.#streak = 0
    if (event.kind === 'change') {
      event.end('acked')
      this.#changeOver()
      return
    }
    if (this.#tracking) this.#blocked = false
    this.#endResync(event, 'acked')
  }

  #timedOut(): void {
    const event = this.#open
    if (event === undefined) return
    this.#open = undefined
    const { changeTimeoutMs, resyncTimeoutMs } = this.#options
    const timeoutMs = event.kind === 'resync' ? resyncTimeoutMs : changeTimeoutMs
    const error = new TimeoutError(`${this.name}: done of a ${event.kind}`, timeoutMs)
    const tickets = this.#takeTickets(event)
    this.#refused(event, error, 'timeout')
    for (const ticket of tickets) ticket.settle(error)
    this.#pumpSoon()
    this.#statusChanged()
  }

  /** C7. */
  #refused(event: OpenEvent, error: unknown, result: 'refused' | 'timeout'): void {
    this.#refusals++
    this.#lastError = error
    this.#host.io.logger.warn(
      { registration: this.name, kind: event.kind, result, error: describeError(error) },
      'event refused',
    )
    const late = result === 'timeout' ? event : undefined
    const change = event.change
    if (change === undefined) {
      this.#blocked = true
      this.#beginBackoff(late)
      this.#owed.push('refused')
      this.#endResync(event, result, error)
      return
    }
    event.end(result, error)
    if (!this.#tracking) return // a RESYNC is owed already
    const { onRefusal, maxRetries } = this.#options
    if (onRefusal === 'continue') return
    if (onRefusal === 'retry' && this.#attempts < maxRetries) {
      if (!this.#renew(change)) return
      this.#retry = { change, attempt: this.#attempts + 1 }
      this.#beginBackoff(late)
      return
    }
    this.#beginBackoff(late)
    this.#blocked = true
    this.#owe('refused', 'own')
  }

  /**
   * With `latest`, a newer value that queued behind a refused event becomes part of it (C8). False: it went back to
   * what the receiver has.
   */
  #renew(change: PendingChange): boolean {
    if (this.#options.delivery === 'all') return true
    const [newer] = this.#queue.retain((waiting) => waiting.key !== change.key)
    if (newer === undefined || coalesce(change, newer)) return true
    for (const ticket of change.tickets ?? []) ticket.settle()
    return false
  }

  /** C12: only a word without error, in the back-off that its own timeout began, still counts. */
  #settledLate(event: OpenEvent, error: unknown): void {
    if (event !== this.#late || error !== undefined || this.#closed) {
      this.#host.io.logger.debug({ registration: this.name, kind: event.kind }, 'late done ignored')
      return
    }
    this.#endBackoff()
    this.#streak = 0
    this.#retry = undefined
    this.#owed = this.#owed.filter((reason) => reason !== 'refused')
    if (this.#tracking && this.#owed.length === 0) this.#blocked = false
    if (event.kind === 'resync' && this.#lastResync !== undefined) {
      const durationMs = this.#host.io.clock.now() - this.#lastResync.at
      this.#lastResync = { ...this.#lastResync, durationMs, outcome: 'acked' }
    }
    if (this.#owed.length > 0) this.#host.gate.due(this, this.#owed[0] as ResyncReason, 'own')
    this.#host.gate.changed(this)
    this.#pumpSoon()
    this.#statusChanged()
  }

  #beginBackoff(late: OpenEvent | undefined): void {
    this.#late = late
    const { clock, random } = this.#host.io
    const delayMs = backoffMs(this.#streak++, random, REFUSAL_BACKOFF)
    this.#backoff = clock.after(delayMs, () => {
      this.#backoff = undefined
      this.#late = undefined
      if (this.#owed.length > 0) this.#host.gate.due(this, this.#owed[0] as ResyncReason, 'own')
      this.#host.gate.changed(this)
      this.#pump()
      this.#statusChanged()
    })
  }

  #endBackoff(): void {
    this.#backoff?.stop()
    this.#backoff = undefined
    this.#late = undefined
  }

  // ---- RESYNC

  /** The first RESYNC, once everything is listed. */
  #startup(): void {
    if (this.#closed || this.#lastResync !== undefined || this.#resuming) return
    if (!this.#blocked) return // a checkpoint stands for it
    if (this.#owed.length > 0 || !this.sourceLive) return
    this.#owe('startup', 'source')
  }

  #owe(reason: ResyncReason, origin: 'source' | 'own'): void {
    if (this.#closed) return
    const first = this.#lastResync === undefined && reason === 'prefix-changed'
    if (first) {
      this.#startup() // whose RESYNC has it
      return
    }
    this.#owed.push(reason)
    this.#statusChanged()
    // In a back-off the gate hears of it at its end; a new list is news at once.
    if (this.#backoff !== undefined && origin === 'own') return
    this.#host.gate.due(this, this.#owed[0] as ResyncReason, origin)
    this.#pumpSoon()
  }

  #overflow(): void {
    this.#host.instrumentation.overflow?.({
      transport: this.#host.transportName,
      registration: this.name,
    })
    this.#dropRetryIntoResync()
    this.#blocked = true
    this.#forgetQueue()
    this.#owe('overflow', 'own')
  }

  /** Empties the queue: a RESYNC will carry what was in it. */
  #forgetQueue(): void {
    this.#tracking = false
    for (const change of this.#queue.clear()) this.#awaitResync(change.tickets)
  }

  #endResync(
    event: OpenEvent,
    outcome: 'acked' | 'refused' | 'timeout' | 'voided',
    error?: unknown,
  ): void {
    event.end(outcome, error)
    if (this.#lastResync !== undefined) {
      const durationMs = this.#host.io.clock.now() - this.#lastResync.at
      this.#lastResync = { ...this.#lastResync, durationMs, outcome }
    }
    this.#host.gate.ended(this, outcome)
    this.#statusChanged()
  }

  /** The RESYNC that is owed carries their changes. As many may wait as may be queued; older ones are refused. */
  #awaitResync(tickets: readonly Ticket[] | undefined): void {
    if (tickets === undefined) return
    this.#resyncTickets.push(...tickets)
    const { queueLimit } = this.#options
    const excess = this.#resyncTickets.splice(
      0,
      Math.max(0, this.#resyncTickets.length - queueLimit),
    )
    for (const ticket of excess) {
      ticket.settle(new OverflowError(`${this.name}: writes waiting for a RESYNC`, queueLimit))
    }
  }

  /** The RESYNC that is owed carries the refused change. */
  #dropRetryIntoResync(): void {
    this.#awaitResync(this.#retry?.change.tickets)
    this.#retry = undefined
  }

  #dropRetry(change: PendingChange): void {
    for (const ticket of change.tickets ?? []) ticket.settle()
    this.#retry = undefined
  }

  #takeTickets(event: OpenEvent): Ticket[] {
    if (event.change === undefined) {
      const tickets = this.#resyncTickets
      this.#resyncTickets = []
      return tickets
    }
    const tickets = event.change.tickets ?? []
    event.change.tickets = undefined
    return tickets
  }

  #view(prefix: string): readonly RawPair[] {
    const route = this.#routes.find((candidate) => prefix.startsWith(candidate.prefix))
    return route?.feed.values.view(prefix) ?? []
  }

  /** A pair under two prefixes counts once. */
  #count(views: ReadonlyMap<string, readonly RawPair[]>): number {
    let pairs = 0
    for (const prefix of coverOf(this.#prefixes)) pairs += views.get(prefix)?.length ?? 0
    return pairs
  }

  // ---- prefixes

  #join(prefixes: readonly string[]): Route[] {
    return coverOf(prefixes).map((prefix) => ({
      prefix,
      feed: this.#host.join(this, prefix),
      own: false,
    }))
  }

  /** New routes for the present prefixes; they take effect with the next RESYNC. */
  #reroute(): void {
    const before = this.#nextRoutes ?? []
    this.#nextRoutes = this.#join(this.#prefixes)
    this.#leave(before)
    if (this.#lastResync === undefined) this.#route(this.#nextRoutes)
  }

  #takeNextRoutes(): void {
    const next = this.#nextRoutes
    if (next === undefined) return
    this.#nextRoutes = undefined
    this.#catchingUp = false
    this.#leave(this.#routes)
    this.#routes = next
    this.#route(next)
  }

  /** After `unregister`: what no prefix covers any more is dropped, nothing is listed anew. */
  #narrow(): void {
    const cover = coverOf(this.#prefixes)
    const index = new PrefixIndex<true>()
    for (const prefix of cover) index.set(prefix, true)
    const narrowed = (routes: readonly Route[]): Route[] =>
      cover.flatMap((prefix) => {
        const route = routes.find((candidate) => prefix.startsWith(candidate.prefix))
        return route === undefined
          ? []
          : [{ ...route, prefix, feed: this.#host.rejoin(this, route.feed) }]
      })
    const before = [...this.#routes, ...(this.#nextRoutes ?? [])]
    this.#routes = narrowed(this.#routes)
    if (this.#nextRoutes !== undefined) this.#nextRoutes = narrowed(this.#nextRoutes)
    this.#leave(before)
    this.#route(this.#lastResync === undefined ? (this.#nextRoutes ?? this.#routes) : this.#routes)
    const dropped = this.#queue.retain((change) => index.covers(change.key))
    for (const change of dropped) for (const ticket of change.tickets ?? []) ticket.settle()
    if (this.#retry !== undefined && !index.covers(this.#retry.change.key)) {
      this.#dropRetry(this.#retry.change)
    }
    this.#statusChanged()
  }

  #route(routes: readonly Route[]): void {
    for (const route of routes) this.#host.route(this, route.prefix, route.feed)
  }

  /** Leaves a feed of its own for a shared one as soon as both stand at the same position. */
  #changeOver(): void {
    if (!this.#catchingUp || this.#open !== undefined || this.#retry !== undefined) return
    if (this.#queue.size > 0) return // its changes belong to the feed that told them
    this.#routes = this.#routes.map((route) => {
      const twin = route.own ? this.#host.joinTwin(this, route.prefix, route.feed) : undefined
      if (twin === undefined) return route
      this.#host.route(this, route.prefix, twin)
      this.#leave([route])
      return { prefix: route.prefix, feed: twin, own: false }
    })
    this.#catchingUp = this.#routes.some((route) => route.own)
  }

  #leave(routes: readonly Route[]): void {
    for (const route of routes) this.#host.leave(this, route.prefix, route.feed)
  }

  // ---- subscribers and status

  #stream<T extends SyncEvent>(resyncs: boolean, changes: boolean): Observable<T> {
    return new EventStream<T>(
      (subscriber) => {
        if (this.#closed) {
          subscriber.complete()
          return () => {}
        }
        const subscription = this.#subscribe({
          resyncs,
          changes,
          next: (event) => subscriber.next(event as T),
          complete: () => subscriber.complete(),
        })
        return () => subscription.unsubscribe()
      },
      (event, error) => event.done(error ?? new Error('thrown without a reason')),
    )
  }

  #subscribe(receiver: Receiver): Subscription {
    if (this.#closed) return Subscription.EMPTY
    this.#receivers = [...this.#receivers, receiver]
    if (!this.#begun) {
      // Delivery begins in the task after the first subscription.
      nextTask(() => {
        if (this.#closed || this.#receivers.length === 0) return
        this.#begun = true
        this.#host.gate.changed(this)
        this.#pump()
      })
    }
    return new Subscription(() => {
      this.#receivers = this.#receivers.filter((known) => known !== receiver)
      if (this.#receivers.length === 0) this.#begun = false
      const open = this.#open
      if (open === undefined) return
      const wants = (r: Receiver): boolean => (open.kind === 'resync' ? r.resyncs : r.changes)
      if (wants(receiver) && !this.#receivers.some(wants)) {
        open.done(new ClosedError(`the subscription to ${this.name}`))
      }
    })
  }

  #state(): RegistrationState {
    if (this.#closed) return 'closed'
    if (this.#backoff !== undefined) return 'backing-off'
    if (!this.#blocked && this.#owed.length === 0) return this.sourceLive ? 'live' : 'stale'
    if (this.#open !== undefined || (this.#owed.length > 0 && this.#begun && this.sourceLive)) {
      return 'resyncing'
    }
    return 'waiting'
  }

  /** Status is made up when somebody looks, at most once a turn. */
  #statusChanged(): void {
    if (this.#statusQueued || this.#closed || !this.#status$.observed) return
    this.#statusQueued = true
    nextTask(() => {
      this.#statusQueued = false
      this.#publishStatus()
    })
  }

  #publishStatus(): void {
    if (!this.#closed) this.#status$.next(this.status)
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClosedError(`registration ${this.name}`)
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}

/** Runs at once; a throw becomes a rejection. */
async function settle(task: () => void): Promise<void> {
  task()
}
