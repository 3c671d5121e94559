import type { Observable } from 'rxjs'
import { ClosedError } from '../api/errors.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { LastResync, RegistrationState, RegistrationStatus } from '../api/status.ts'
import type { Position } from '../api/transport.ts'
import type { Checkpoint } from '../api/watcher.ts'
import { nextTask } from '../kit/next-task.ts'
import type { Feed } from '../source/source.ts'
import type { SourceChange } from '../source/watch-loop.ts'
import { Backlog } from './backlog.ts'
import { Continuity } from './continuity.ts'
import { InFlight } from './in-flight.ts'
import type { InFlightOwner } from './in-flight.ts'
import type { OpenEvent } from './open-event.ts'
import { pendingChange } from './pending-change.ts'
import { Pump } from './pump.ts'
import type { PumpOwner } from './pump.ts'
import { Receivers } from './receivers.ts'
import type { ReceiversOwner } from './receivers.ts'
import { RefusalBackoff } from './refusal-backoff.ts'
import type { BackoffOwner } from './refusal-backoff.ts'
import { RefusalPolicy } from './refusal-policy.ts'
import { RefusalRecord } from './refusal-record.ts'
import type { RegistrationHost } from './registration-host.ts'
import { ResyncDebt } from './resync-debt.ts'
import type { ResyncTarget } from './resync-gate.ts'
import { ResyncRecord } from './resync-record.ts'
import { Routes } from './routes.ts'
import { StatusStream } from './status-stream.ts'
import type { Ticket } from './ticket.ts'
import type { ResolvedWatchOptions } from './watch-options.ts'

/**
 * One registration: what its feeds, its receiver, its user and the orchestrator say, and what follows from it (C1–C12).
 * SPEC.md has its states and what may happen in each; what each of them stands on is in the objects below.
 */
export class Registration
  implements ResyncTarget, InFlightOwner, PumpOwner, ReceiversOwner, BackoffOwner
{
  readonly name: string
  /** The plugin that asked for it; none outside of plugins. */
  readonly plugin: string | undefined
  readonly receivers: Receivers
  readonly #host: RegistrationHost
  readonly #routes: Routes
  readonly #continuity = new Continuity()
  readonly #debt: ResyncDebt
  readonly #backlog: Backlog
  readonly #inFlight: InFlight
  readonly #backoff: RefusalBackoff
  readonly #policy: RefusalPolicy
  readonly #pump: Pump
  readonly #refusals: RefusalRecord
  readonly #resyncs: ResyncRecord
  readonly #statusStream: StatusStream
  #closed = false
  #held: 'until-released' | 'until-resync' | undefined
  /** An earlier hold ends at a RESYNC that is still to come. */
  #heldBefore = false

  readonly status$: Observable<RegistrationStatus>

  constructor(
    host: RegistrationHost,
    name: string,
    prefixes: readonly string[],
    options: ResolvedWatchOptions,
    plugin?: string,
  ) {
    this.name = name
    this.plugin = plugin
    this.#host = host
    this.#routes = new Routes(host.sharesOf(this), prefixes)
    this.#backlog = new Backlog(name, options)
    this.receivers = new Receivers(this)
    this.#inFlight = new InFlight(this, host, this.receivers, options)
    this.#backoff = new RefusalBackoff(host.io, this)
    this.#debt = new ResyncDebt(this, host.gate, this.#continuity, this.#backoff)
    this.#policy = new RefusalPolicy(
      options,
      this.#routes,
      this.#continuity,
      this.#backlog,
      this.#debt,
      this.#backoff,
    )
    this.#pump = new Pump(this, host)
    this.#refusals = new RefusalRecord(name, host)
    this.#resyncs = new ResyncRecord(host.io.clock)
    if (options.resume !== undefined && this.#routes.resume(options.resume)) {
      this.#continuity.resume()
    } else {
      this.#routes.start()
    }
    this.#statusStream = new StatusStream(() => this.status)
    this.status$ = this.#statusStream.status$
    // A shared feed may be live already.
    nextTask(() => this.sourceStatus())
  }

  // ---- what its user asks, through a WatchHandle

  get prefixes(): readonly string[] {
    return this.#routes.prefixes
  }

  get status(): RegistrationStatus {
    return {
      state: this.#state(),
      pending: this.#backlog.size,
      pendingBytes: this.#backlog.bytes,
      inFlight: this.#inFlight.event === undefined ? 0 : 1,
      lagMs: this.#lagMs(),
      refusals: this.#refusals.count,
      lastError: this.#refusals.lastError,
      lastResync: this.#resyncs.last,
    }
  }

  #state(): RegistrationState {
    if (this.#closed) return 'closed'
    if (this.#backoff.active) return 'backing-off'
    if (this.upToDate) return this.sourceLive ? 'live' : 'stale'
    const due = this.#debt.any && this.receivers.begun && this.sourceLive
    return due || this.#inFlight.event !== undefined ? 'resyncing' : 'waiting'
  }

  #lagMs(): number {
    const open = this.#inFlight.event
    const oldest =
      open?.kind === 'resync' ? this.#resyncs.last : (open?.change ?? this.#backlog.first)
    return oldest === undefined ? 0 : Math.max(0, this.#host.io.clock.now() - oldest.at)
  }

  register(prefix: string): void {
    if (this.#routes.add(prefix)) this.#owe('prefix-changed', 'own')
  }

  unregister(prefix: string): void {
    const rest = this.#routes.remove(prefix)
    if (rest === undefined) return
    this.#backlog.keepOnly(rest)
    // What is left may be live.
    this.sourceStatus()
  }

  checkpoint(): Checkpoint | undefined {
    if (this.#closed || !this.#continuity.intact || this.#routes.changing) return undefined
    const open = this.#inFlight.event?.change
    const pending = this.#backlog.all()
    if (open !== undefined) pending.unshift(open)
    return this.#routes.checkpoint(this.#host.transportName, pending)
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    const open = this.#inFlight.close()
    this.#backoff.end()
    this.#pump.stop()
    for (const ticket of open?.takeTickets() ?? []) ticket.leave()
    this.#backlog.close()
    this.#routes.close()
    this.#host.closed(this)
    open?.end('voided')
    if (open?.kind === 'resync') this.#resyncs.end('voided')
    this.receivers.complete()
    this.#statusStream.complete()
    this.#host.gate.ended(this, 'closed')
    return Promise.resolve()
  }

  // ---- what the orchestrator sees

  get closed(): boolean {
    return this.#closed
  }

  get transportName(): string {
    return this.#host.transportName
  }

  get resyncs(): number {
    return this.#resyncs.delivered
  }

  get sourceLive(): boolean {
    return this.#routes.live
  }

  get upToDate(): boolean {
    return this.#continuity.intact && !this.#debt.any
  }

  get openForMs(): number {
    return this.#inFlight.restMs
  }

  get lastResync(): LastResync | undefined {
    return this.#resyncs.last
  }

  onWorking: (() => void) | undefined

  request(reason: ResyncReason): void {
    if (this.#closed) return
    this.#debt.add(reason)
    this.#debt.revoke()
  }

  grant(): void {
    // Never at once: a batch of changes may be on its way to us, and the view would hold it already.
    if (this.#debt.grant()) this.#pump.soon()
  }

  revoke(): boolean {
    return this.#debt.revoke()
  }

  /** A RESYNC is on its way that holds what comes: until it is delivered no CHANGE is. */
  hold(): void {
    this.#heldBefore = this.#held === 'until-resync'
    this.#held = 'until-released'
  }

  releaseAtResync(): void {
    if (this.#held === 'until-released') this.#held = 'until-resync'
  }

  release(): void {
    this.#held = this.#heldBefore ? 'until-resync' : undefined
    this.#pump.soon()
  }

  reportError(error: unknown): void {
    if (this.#closed) return
    this.#refusals.reported(error)
    this.#policy.reported()
    this.#statusStream.changed()
  }

  // ---- what the feeds say

  /** Continuity is lost: an open RESYNC is void, unless it was made without the feed. */
  resetting(feed: Feed): void {
    const open = this.#inFlight.event
    if (open?.kind !== 'resync' || !this.#routes.uses(feed)) return
    this.#inFlight.take()
    this.#backlog.leaveTickets(open.takeTickets())
    this.#endResync(open, 'voided')
    this.#pump.soon()
  }

  /** The feed holds a new state. */
  listed(feed: Feed, reason: ResyncReason): void {
    const { started, resuming } = this.#continuity
    if (started && !this.#routes.uses(feed)) return
    this.#giveUpBacklog()
    // The startup RESYNC follows when everything is live.
    if (!started && (resuming || reason === 'startup')) return
    this.resetting(feed)
    // The run that follows the list has its order (C10): nothing goes before it.
    this.#debt.revoke()
    this.#owe(reason, 'source')
  }

  /** A feed's stream became live, or was lost. */
  sourceStatus(): void {
    if (this.#closed) return
    if (this.#continuity.resuming && this.sourceLive) {
      this.#continuity.resumed()
      if (this.#routes.changing) this.#owe('prefix-changed', 'own')
    }
    this.#changeOver()
    this.#debt.oweStartup()
    if (this.#inFlight.event === undefined) this.#debt.oweVoided()
    this.#host.gate.changed(this)
    this.#statusStream.changed()
    this.#pump.soon()
  }

  /** True when a change would be answered by somebody. */
  get hasReceiver(): boolean {
    return this.receivers.any
  }

  changed(
    change: SourceChange,
    feed: Feed,
    before: Position | undefined,
    ticket: Ticket | undefined,
  ): void {
    if (!this.#continuity.queueing) {
      if (ticket !== undefined) this.#backlog.leaveTickets([ticket])
      return
    }
    this.#backlog.push(pendingChange(change, feed, before, this.#host.io.clock.now(), ticket))
    if (this.#backlog.overfull) this.#overflow()
    else if (this.#inFlight.event === undefined) this.#pump.soon()
    this.#statusStream.changed()
  }

  #overflow(): void {
    const { transportName: transport, instrumentation } = this.#host
    instrumentation.overflow?.({ transport, registration: this.name })
    this.#giveUpBacklog()
    this.#owe('overflow', 'own')
  }

  /** A RESYNC will carry what waits. */
  #giveUpBacklog(): void {
    this.#continuity.broke()
    this.#backlog.leaveToResync()
  }

  // ---- what the receiver gets

  deliverNext(): boolean {
    if (!this.receivers.begun || this.#inFlight.event !== undefined || this.#backoff.active) {
      return false
    }
    if (this.#debt.granted && this.sourceLive) {
      this.#deliverResync()
      return true
    }
    if (!this.#continuity.intact || this.#held !== undefined) return false
    const change = this.#backlog.next()
    if (change === undefined) return false
    this.#inFlight.handChange(change)
    this.#statusStream.changed()
    return true
  }

  #deliverResync(): void {
    const reason = this.#debt.pay()
    if (this.#held === 'until-resync') this.#held = undefined
    this.#heldBefore = false
    this.#giveUpBacklog()
    this.#routes.activate()
    this.#continuity.resynced()
    const views = this.#routes.views()
    const pairs = this.#routes.count(views)
    this.#resyncs.begin(reason, pairs)
    this.#host.gate.changed(this)
    this.#inFlight.handResync(reason, views, pairs, this.#backlog.takeTickets())
    this.#statusStream.changed()
  }

  /** It has a subscriber. */
  begun(): void {
    if (this.#closed) return
    this.#host.gate.changed(this)
    this.#pump.run()
  }

  // ---- what the receiver answers

  acknowledged(event: OpenEvent): void {
    this.#backoff.acknowledged()
    if (event.kind === 'change') {
      event.end('acked')
      this.#changeOver()
      return
    }
    this.#continuity.confirmed()
    this.#endResync(event, 'acked')
  }

  /** C7. */
  refused(event: OpenEvent, result: 'refused' | 'timeout', error: unknown): void {
    this.#refusals.refused(event, result, error)
    const late = result === 'timeout' ? event : undefined
    if (event.change === undefined) {
      this.#policy.resyncRefused(late)
      this.#endResync(event, result, error)
    } else {
      this.#policy.changeRefused(event.change, late)
      // Last, because the receiver hears of it: it may answer late, or close us.
      event.end(result, error)
    }
  }

  settled(): void {
    this.#pump.soon()
    this.#host.gate.changed(this)
    this.#statusStream.changed()
  }

  answeredLate(event: OpenEvent, error: unknown): void {
    if (!this.#policy.mayTakeBack(event, error)) {
      this.#refusals.ignored(event)
      return
    }
    if (event.kind === 'resync') this.#resyncs.end('acked')
    if (this.#policy.takeBack()) this.settled()
  }

  working(): void {
    this.onWorking?.()
  }

  /** Nobody is left who could answer. */
  abandoned(kind: 'resync' | 'change'): void {
    const open = this.#inFlight.event
    if (open?.kind === kind) open.done(new ClosedError(`the subscription to ${this.name}`))
  }

  backoffOver(): void {
    this.#debt.backoffOver()
    this.#host.gate.changed(this)
    this.#pump.run()
    this.#statusStream.changed()
  }

  // ---- what it owes

  #owe(reason: ResyncReason, origin: 'source' | 'own'): void {
    this.#debt.owe(reason, origin)
    this.#statusStream.changed()
    this.#pump.soon()
  }

  #endResync(
    event: OpenEvent,
    outcome: 'acked' | 'refused' | 'timeout' | 'voided',
    error?: unknown,
  ): void {
    event.end(outcome, error)
    this.#resyncs.end(outcome)
    this.#host.gate.ended(this, outcome)
    this.#statusStream.changed()
  }

  #changeOver(): void {
    const pending = !this.#backlog.empty || this.#inFlight.event !== undefined
    // Not while a list is awaited, which the other feed would not bring.
    if (!pending && this.#continuity.intact) this.#routes.changeOver()
  }
}
