import type { Observable, Subscription } from 'rxjs'
import type { ChangeEvent } from '../api/change-event.ts'
import { ClosedError, describeError, TimeoutError } from '../api/errors.ts'
import { assertPrefix } from '../api/key.ts'
import { prefixOf } from '../api/model.ts'
import type { Prefix } from '../api/model.ts'
import type { ResyncEvent, ResyncReason } from '../api/resync-event.ts'
import type { LastResync, RegistrationState, RegistrationStatus } from '../api/status.ts'
import type { Position, RawPair } from '../api/transport.ts'
import type { Checkpoint, Handlers, WatchRegistration } from '../api/watcher.ts'
import { Deadline } from '../kit/deadline.ts'
import { nextTask } from '../kit/next-task.ts'
import type { Feed } from '../source/source.ts'
import type { SourceChange } from '../source/watch-loop.ts'
import { ByteCopier } from './byte-copier.ts'
import { createDeliveryQueue, pendingChange, settleTickets } from './delivery-queue.ts'
import type { DeliveryQueue, PendingChange } from './delivery-queue.ts'
import type { RegistrationHost } from './engine.ts'
import { deleteEvent, putEvent, resyncEvent } from './events.ts'
import { OpenEvent } from './open-event.ts'
import { Receivers } from './receivers.ts'
import type { SyncEvent } from './receivers.ts'
import { RefusalBackoff } from './refusal-backoff.ts'
import { RefusedChange } from './refused-change.ts'
import type { ResyncTarget } from './resync-gate.ts'
import { ResyncRecord } from './resync-record.ts'
import { ResyncTickets } from './resync-tickets.ts'
import { Routes } from './routes.ts'
import type { FeedShares } from './routes.ts'
import { StatusStream } from './status-stream.ts'
import type { Ticket } from './ticket.ts'
import type { ResolvedWatchOptions } from './watch-options.ts'

/** Events delivered in one go before other work gets a turn. */
const EVENTS_PER_TURN = 1_024

/**
 * One registration: queue, acknowledgement, refusal and the two kinds of events (C1–C12). SPEC.md has its states and
 * what may happen in each. Its fold is not stored: it is the feed's state less what is queued.
 */
export class Registration implements WatchRegistration, ResyncTarget {
  readonly name: string
  /** Its receivers' own, never another registration's (C9). */
  readonly copies: ByteCopier = new ByteCopier()
  readonly #host: RegistrationHost
  readonly #options: ResolvedWatchOptions
  readonly #queue: DeliveryQueue
  readonly #deadline: Deadline

  readonly #routes: Routes
  readonly #receivers: Receivers
  readonly #backoff: RefusalBackoff
  /** Writes whose changes the next RESYNC carries. */
  readonly #resyncTickets: ResyncTickets
  #closed = false

  /** Reasons for the RESYNC that is owed, the earliest first. */
  #owed: ResyncReason[] = []
  #granted = false
  /** C1: no CHANGE before the next acknowledged RESYNC. */
  #blocked = true
  /** The queue goes on exactly where the last delivered event ended. */
  #tracking = false
  #resuming = false
  /** A checkpoint stands for the startup RESYNC (C1). */
  #resumed = false
  /** By `reportError`: no late `done` takes the RESYNC back that is owed. */
  #reported = false
  #open: OpenEvent | undefined
  #retry: RefusedChange | undefined
  #attempts = 0
  #pumping = false
  #pumpQueued = false
  #refusals = 0
  #lastError: unknown
  readonly #resyncRecord: ResyncRecord
  readonly #statusStream: StatusStream

  readonly events$: Observable<SyncEvent>
  readonly resyncs$: Observable<ResyncEvent>
  readonly changes$: Observable<ChangeEvent>
  readonly status$: Observable<RegistrationStatus>

  constructor(
    host: RegistrationHost,
    name: string,
    prefixes: readonly string[],
    options: ResolvedWatchOptions,
  ) {
    this.name = name
    this.#host = host
    this.#options = options
    this.#routes = new Routes(sharesOf(host, this), prefixes)
    this.#receivers = new Receivers({
      begun: () => this.#begun(),
      abandoned: (kind) => this.#abandoned(kind),
    })
    this.#backoff = new RefusalBackoff(host.io, () => this.#backoffOver())
    this.#resyncTickets = new ResyncTickets(name, options.queueLimit)
    this.#queue = createDeliveryQueue(options.delivery)
    this.#resyncRecord = new ResyncRecord(host.io.clock)
    this.#deadline = new Deadline(host.io.clock, () => this.#timedOut())
    this.events$ = this.#receivers.events$
    this.resyncs$ = this.#receivers.resyncs$
    this.changes$ = this.#receivers.changes$
    const resumed =
      options.resume === undefined ? undefined : host.resume(this, prefixes, options.resume)
    this.#resuming = resumed !== undefined
    if (resumed === undefined) this.#routes.start()
    else this.#routes.resume(resumed)
    this.#statusStream = new StatusStream(() => this.status)
    this.status$ = this.#statusStream.status$
    // A shared feed may be live already.
    nextTask(() => this.sourceStatus())
  }

  // ---- the public face

  get prefixes(): readonly string[] {
    return this.#routes.prefixes
  }

  get status(): RegistrationStatus {
    return {
      state: this.#state(),
      pending: this.#queue.size + (this.#retry?.repeated === undefined ? 0 : 1),
      pendingBytes: this.#queue.bytes,
      inFlight: this.#open === undefined ? 0 : 1,
      lagMs: this.#lagMs(),
      refusals: this.#refusals,
      lastError: this.#lastError,
      lastResync: this.#resyncRecord.last,
    }
  }

  #lagMs(): number {
    const [first] = this.#queue
    const oldest = this.#open?.change ?? this.#retry?.repeated ?? first
    const { last } = this.#resyncRecord
    const since = this.#open?.kind === 'resync' ? last?.at : oldest?.at
    return since === undefined ? 0 : Math.max(0, this.#host.io.clock.now() - since)
  }

  handle(handlers: Handlers): Subscription {
    return this.#receivers.handle(handlers)
  }

  register(prefix: Prefix): Promise<void> {
    return settle(() => {
      this.#assertOpen()
      const added = prefixOf(prefix)
      assertPrefix(added, this.#host.maxKeyBytes)
      if (this.#routes.add(added)) this.#owe('prefix-changed', 'own')
    })
  }

  unregister(prefix: Prefix): Promise<void> {
    return settle(() => {
      this.#assertOpen()
      const rest = this.#routes.remove(prefixOf(prefix))
      if (rest !== undefined) this.#keepOnly(rest)
    })
  }

  checkpoint(): Checkpoint | undefined {
    if (this.#closed || this.#blocked || !this.#tracking || this.#routes.changing) {
      return undefined
    }
    const open = this.#open?.change ?? this.#retry?.repeated
    const pending = open === undefined ? [...this.#queue] : [open, ...this.#queue]
    return this.#routes.checkpoint(this.#host.transportName, pending)
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    const open = this.#open
    this.#open = undefined
    this.#deadline.stop()
    this.#backoff.end()
    for (const change of this.#queue.clear()) for (const t of change.tickets ?? []) t.leave()
    for (const holder of [open, open?.change, this.#retry?.change]) {
      for (const ticket of holder?.tickets ?? []) ticket.leave()
    }
    for (const ticket of this.#resyncTickets.take()) ticket.leave()
    this.#routes.close()
    this.#host.closed(this)
    open?.end('voided')
    if (open?.kind === 'resync') this.#resyncRecord.end('voided')
    this.#receivers.complete()
    this.#statusStream.complete()
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

  get resyncs(): number {
    return this.#resyncRecord.delivered
  }

  /** Everything that it watches is listed and its stream open. */
  get sourceLive(): boolean {
    return this.#routes.live
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
    return this.#resyncRecord.last
  }

  /** Called on every `working()` of the open event. */
  onWorking: (() => void) | undefined

  /** A RESYNC is wanted from outside. */
  request(reason: ResyncReason): void {
    if (this.#closed) return
    if (!this.#owed.includes(reason)) this.#owed.push(reason)
    this.#granted = false
  }

  /** The RESYNC that is owed may be delivered as soon as it can be. */
  grant(): void {
    // One that is not needed any more must not serve what is owed later.
    if (this.#owed.length === 0) return
    this.#granted = true
    // Never at once: a batch of changes may be on its way to us, and the view would hold it already.
    this.#pumpSoon()
  }

  revoke(): boolean {
    const granted = this.#granted
    this.#granted = false
    return granted
  }

  /** The receiver itself says that its data is not right (§7): a RESYNC after the back-off. */
  reportError(error: unknown): void {
    if (this.#closed) return
    this.#lastError = error
    this.#refusals++
    this.#blocked = true
    this.#reported = true
    if (this.#backoff.active) this.#backoff.forgetLate()
    else this.#backoff.begin(undefined)
    this.#owe('refused', 'own')
  }

  // ---- what the feeds say

  /** Continuity is lost: an open RESYNC is void, unless it was made without the feed. */
  resetting(feed: Feed): void {
    const open = this.#open
    if (open === undefined || open.kind === 'change' || !this.#routes.uses(feed)) return
    this.#open = undefined
    this.#deadline.clear()
    this.#resyncTickets.add(this.#takeTickets(open))
    this.#endResync(open, 'voided')
    this.#pumpSoon()
  }

  /** The feed holds a new state. */
  listed(feed: Feed, reason: ResyncReason): void {
    if (!this.#hasStarted && (this.#resuming || reason === 'startup')) {
      // A checkpoint that could not be used is ignored (C1).
      this.#resuming = false
      this.#forgetQueue()
      return // the startup RESYNC follows when everything is live
    }
    if (this.#hasStarted && !this.#routes.uses(feed)) return
    this.#blocked = true
    this.#dropRetryIntoResync()
    this.#forgetQueue()
    this.resetting(feed)
    // The run that follows the list has its order (C10): nothing goes before it.
    this.#granted = false
    this.#owe(reason, 'source')
  }

  /** A feed's stream became live, or was lost. */
  sourceStatus(): void {
    if (this.#closed) return
    if (this.#resuming && this.sourceLive) {
      this.#resuming = false
      this.#resumed = true
      this.#blocked = false
      this.#tracking = true
      if (this.#routes.changing) this.#owe('prefix-changed', 'own')
    }
    this.#changeOver()
    this.#startup()
    this.#unvoid()
    this.#host.gate.changed(this)
    this.#statusChanged()
    this.#pumpSoon()
  }

  /** True when a change would be answered by somebody. */
  get hasReceiver(): boolean {
    return this.#receivers.any
  }

  changed(
    change: SourceChange,
    feed: Feed,
    before: Position | undefined,
    ticket: Ticket | undefined,
  ): void {
    if (!this.#tracking && !this.#resuming) {
      if (ticket !== undefined) this.#resyncTickets.add([ticket])
      return
    }
    const pending = pendingChange(change, feed, before, this.#host.io.clock.now(), ticket)
    const { delivery, queueLimit, queueBytes } = this.#options
    if (delivery === 'latest' && this.#retry?.change.key === pending.key) {
      this.#retry.merge(pending)
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
    this.#host.deliverSoon(this)
  }

  /** In the microtask that `deliverSoon` asks for. */
  deliver(): void {
    this.#pumpQueued = false
    this.#pump()
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
    if (
      this.#closed ||
      !this.#receivers.begun ||
      this.#open !== undefined ||
      this.#backoff.active
    ) {
      return false
    }
    if (this.#owed.length > 0 && this.#granted && this.sourceLive) {
      this.#deliverResync()
      return true
    }
    if (this.#blocked || !this.#tracking) return false
    const repeated = this.#retry?.repeated
    this.#attempts = repeated === undefined ? 0 : (this.#retry?.attempt ?? 0)
    this.#retry = undefined
    const change = repeated ?? this.#queue.shift()
    if (change === undefined) return false
    this.#deliverChange(change)
    return true
  }

  #deliverResync(): void {
    // C1: whatever else is owed, the first one is the startup.
    const reason = this.#hasStarted ? (this.#owed[0] as ResyncReason) : 'startup'
    this.#owed = []
    this.#granted = false
    this.#reported = false
    this.#blocked = true
    this.#dropRetryIntoResync()
    this.#forgetQueue()
    this.#routes.activate()
    this.#tracking = true
    const views = this.#routes.views()
    const pairs = this.#routes.count(views)
    this.#resyncRecord.begin(reason, pairs)
    const open = new OpenEvent(this, undefined, reason)
    open.tickets = this.#resyncTickets.take()
    this.#host.gate.changed(this)
    open.handling = this.#host.instrumentation.handling?.({
      transport: this.#host.transportName,
      registration: this.name,
      kind: 'resync',
      reason,
      pairs,
    })
    const event = resyncEvent(open, this.#host.transportName, reason, views)
    this.#emit(open, event, this.#options.resyncTimeoutMs)
  }

  #deliverChange(change: PendingChange): void {
    const open = new OpenEvent(this, change, undefined)
    open.handling = this.#host.instrumentation.handling?.({
      transport: this.#host.transportName,
      registration: this.name,
      kind: 'change',
    })
    const source = this.#host.transportName
    const { prev, next } = change
    const event =
      next !== undefined
        ? putEvent(open, source, prev, next)
        : deleteEvent(open, source, prev as RawPair, change.revision)
    this.#emit(open, event, this.#options.changeTimeoutMs)
  }

  #emit(open: OpenEvent, event: SyncEvent, timeoutMs: number): void {
    this.#open = open
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
    if (tickets !== undefined) for (const ticket of tickets) ticket.settle(error)
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
    this.#backoff.acknowledged()
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
    if (tickets !== undefined) for (const ticket of tickets) ticket.settle(error)
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
    if (event.change === undefined) {
      this.#blocked = true
      this.#backoff.begin(late)
      this.#owed.push('refused')
      this.#endResync(event, result, error)
      return
    }
    this.#follow(event.change, late)
    // Last, because the receiver hears of it: it may answer late, or close us.
    event.end(result, error)
  }

  /** What comes after a refused change, by `onRefusal` (C7). */
  #follow(change: PendingChange, late: OpenEvent | undefined): void {
    const { onRefusal, maxRetries } = this.#options
    if (onRefusal === 'continue') return
    if (this.#tracking && onRefusal === 'retry' && this.#attempts < maxRetries) {
      if (!this.#routes.covers(change.key)) return // unregistered meanwhile
      this.#retry = new RefusedChange(change, this.#attempts + 1)
      this.#renew(this.#retry)
      this.#backoff.begin(late)
      return
    }
    this.#backoff.begin(late)
    this.#blocked = true
    // After an overflow or a new list a RESYNC is owed already.
    if (this.#tracking) this.#owe('refused', 'own')
  }

  /** With `latest`, a newer value that queued behind a refused event becomes part of it (C8). */
  #renew(retry: RefusedChange): void {
    if (this.#options.delivery === 'all') return
    const [newer] = this.#queue.retain((waiting) => waiting.key !== retry.change.key)
    if (newer !== undefined) retry.merge(newer)
  }

  /** C12: only a word without error, in the back-off that its own timeout began, still counts. */
  #settledLate(event: OpenEvent, error: unknown): void {
    if (!this.#backoff.mayStillSettle(event) || error !== undefined || this.#closed) {
      this.#host.io.logger.debug({ registration: this.name, kind: event.kind }, 'late done ignored')
      return
    }
    this.#backoff.acknowledged()
    this.#retry?.settle(this.#queue)
    this.#retry = undefined
    if (event.kind === 'resync') this.#resyncRecord.end('acked')
    if (this.#reported) {
      // The event is not repeated; the RESYNC that was asked for comes all the same, when the back-off is over.
      this.#backoff.forgetLate()
      return
    }
    this.#backoff.end()
    this.#owed = this.#owed.filter((reason) => reason !== 'refused')
    this.#granted &&= this.#owed.length > 0
    if (this.#tracking) this.#blocked = false
    this.#tellGate()
    this.#host.gate.changed(this)
    this.#pumpSoon()
    this.#statusChanged()
  }

  #backoffOver(): void {
    this.#tellGate()
    this.#host.gate.changed(this)
    this.#pump()
    this.#statusChanged()
  }

  // ---- RESYNC

  /** The startup RESYNC was delivered, or a checkpoint stands for it. */
  get #hasStarted(): boolean {
    return this.#resumed || this.#resyncRecord.last !== undefined
  }

  /** The first RESYNC, once everything is listed. */
  #startup(): void {
    if (this.#closed || this.#hasStarted || this.#resuming) return
    if (this.#owed.length > 0 || !this.sourceLive) return
    this.#owe('startup', 'source')
  }

  #owe(reason: ResyncReason, origin: 'source' | 'own'): void {
    if (this.#closed) return
    if (!this.#hasStarted && reason === 'prefix-changed') {
      this.#startup() // whose RESYNC has it
      return
    }
    this.#owed.push(reason)
    this.#statusChanged()
    // In a back-off the gate hears of it at its end; a new list is news at once.
    if (this.#backoff.active && origin === 'own') return
    this.#host.gate.due(this, reason, origin)
    this.#pumpSoon()
  }

  /** The list that voided a RESYNC, and would have brought the next, may have been of a prefix that is unregistered. */
  #unvoid(): void {
    if (!this.#hasStarted || !this.#blocked || this.#open !== undefined) return
    if (this.#owed.length === 0 && this.sourceLive) this.#owe('prefix-changed', 'own')
  }

  /** What is owed since a back-off is due now. */
  #tellGate(): void {
    if (this.#owed.length > 0) this.#host.gate.due(this, this.#owed[0] as ResyncReason, 'own')
  }

  #overflow(): void {
    this.#host.instrumentation.overflow?.({
      transport: this.#host.transportName,
      registration: this.name,
    })
    this.#dropRetryIntoResync()
    // Too far behind: the checkpoint is of no use (C1).
    this.#resuming = false
    this.#blocked = true
    this.#forgetQueue()
    this.#owe('overflow', 'own')
  }

  /** Empties the queue: a RESYNC will carry what was in it. */
  #forgetQueue(): void {
    this.#tracking = false
    for (const change of this.#queue.clear()) this.#resyncTickets.add(change.tickets)
  }

  #endResync(
    event: OpenEvent,
    outcome: 'acked' | 'refused' | 'timeout' | 'voided',
    error?: unknown,
  ): void {
    event.end(outcome, error)
    this.#resyncRecord.end(outcome)
    this.#host.gate.ended(this, outcome)
    this.#statusChanged()
  }

  /** The RESYNC that is owed carries the refused change. */
  #dropRetryIntoResync(): void {
    this.#resyncTickets.add(this.#retry?.change.tickets)
    this.#retry = undefined
  }

  #takeTickets(event: OpenEvent): Ticket[] | undefined {
    const holder = event.change ?? event
    const { tickets } = holder
    holder.tickets = undefined
    return tickets
  }

  /** After `unregister`: what is not watched any more is not delivered. */
  #keepOnly(rest: { covers(key: string): boolean }): void {
    const dropped = this.#queue.retain((change) => rest.covers(change.key))
    for (const change of dropped) settleTickets(change)
    if (this.#retry !== undefined && !rest.covers(this.#retry.change.key)) {
      settleTickets(this.#retry.change)
      this.#retry = undefined
    }
    // What is left may be live.
    this.sourceStatus()
  }

  #changeOver(): void {
    const pending = this.#queue.size > 0 || this.#open !== undefined || this.#retry !== undefined
    // Not while a list is awaited, which the other feed would not bring.
    if (!pending && !this.#blocked) this.#routes.changeOver()
  }

  // ---- subscribers and status

  #begun(): void {
    if (this.#closed) return
    this.#host.gate.changed(this)
    this.#pump()
  }

  /** Nobody is left who could answer. */
  #abandoned(kind: 'resync' | 'change'): void {
    if (this.#open?.kind === kind) {
      this.#open.done(new ClosedError(`the subscription to ${this.name}`))
    }
  }

  #state(): RegistrationState {
    if (this.#closed) return 'closed'
    if (this.#backoff.active) return 'backing-off'
    if (!this.#blocked && this.#owed.length === 0) return this.sourceLive ? 'live' : 'stale'
    if (
      this.#open !== undefined ||
      (this.#owed.length > 0 && this.#receivers.begun && this.sourceLive)
    ) {
      return 'resyncing'
    }
    return 'waiting'
  }

  #statusChanged(): void {
    this.#statusStream.changed()
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClosedError(`registration ${this.name}`)
  }
}

/** Runs at once; a throw becomes a rejection. */
async function settle(task: () => void): Promise<void> {
  task()
}

function sharesOf(host: RegistrationHost, registration: Registration): FeedShares {
  return {
    join: (prefix) => host.join(registration, prefix),
    rejoin: (prefix, feed) => host.rejoin(registration, prefix, feed),
    joinTwin: (prefix, feed) => host.joinTwin(registration, prefix, feed),
    route: (prefix, feed) => host.route(registration, prefix, feed),
    leave: (prefix, feed) => host.leave(registration, prefix, feed),
  }
}
