import { Subject } from 'rxjs'
import type { Observable } from 'rxjs'
import type { Clock } from '../api/clock.ts'
import {
  AlreadyRegisteredError,
  ClosedError,
  InvalidOptionError,
  NotRegisteredError,
} from '../api/errors.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { RunReport, TurnReport } from '../api/run-report.ts'
import type { ResyncGate, ResyncOutcome, ResyncTarget } from '../engine/resync-gate.ts'
import { ResyncRun } from './resync-run.ts'

export interface OrchestratorOptions {
  readonly clock: Clock
  readonly acceptTimeoutMs: number
  readonly ackTimeoutMs: number
}

/** The run that comes next: requests and resets meanwhile unite in it. */
interface NextRun {
  readonly reason: ResyncReason
  readonly targets: Map<ResyncTarget, ResyncReason>
  /** Those whose source was listed anew: no earlier run serves them. */
  readonly reset: Set<ResyncTarget>
  readonly report: Promise<RunReport>
  resolve(report: RunReport): void
  reject(error: unknown): void
}

/**
 * Decides in which order RESYNCs are delivered (datasync.md §7, C10). One run at a time; a registration's own RESYNC is
 * delivered at once, or during a run in its turn or after it.
 */
export class ResyncOrchestrator implements ResyncGate {
  readonly #options: OrchestratorOptions
  /** In registration order. */
  readonly #targets = new Map<string, ResyncTarget | undefined>()
  readonly #runs$ = new Subject<RunReport>()
  #started = false
  #closed = false
  #run: ResyncRun | undefined
  #next: NextRun | undefined
  /** Own RESYNCs that became due during the run. */
  #afterRun = new Set<ResyncTarget>()
  #sourcesLive: (() => void) | undefined

  constructor(options: OrchestratorOptions) {
    this.#options = options
  }

  /** Every run when it has ended. Multicast; completes at close. */
  get runs$(): Observable<RunReport> {
    return this.#runs$.asObservable()
  }

  get started(): boolean {
    return this.#started
  }

  get names(): readonly string[] {
    return [...this.#targets.keys()]
  }

  /** Registrations whose source is not live yet. */
  get missing(): readonly string[] {
    return this.#all()
      .filter((target) => !target.sourceLive)
      .map((target) => `${target.name} (${target.transportName})`)
  }

  /** Takes a name, which fixes the place in the order. @throws AlreadyRegisteredError, InvalidOptionError */
  claim(name: string): void {
    if (this.#closed) throw new ClosedError('the agent')
    if (typeof name !== 'string' || name === '') {
      throw new InvalidOptionError('resyncName', 'must be a non-empty string')
    }
    if (this.#targets.has(name)) throw new AlreadyRegisteredError(name)
    this.#targets.set(name, undefined)
  }

  add(target: ResyncTarget): void {
    this.#targets.set(target.name, target)
  }

  /** The startup run: waits until every source is live, then serves all. Until then no RESYNC is delivered. */
  async start(): Promise<RunReport> {
    await new Promise<void>((resolve) => {
      this.#sourcesLive = () => {
        if (this.#all().some((target) => !target.sourceLive) && !this.#closed) return
        this.#sourcesLive = undefined
        resolve()
      }
      this.#sourcesLive()
    })
    if (this.#closed) throw new ClosedError('the agent')
    this.#started = true
    for (const target of this.#all()) this.#enlist(target, 'startup')
    const next = this.#enlisted('startup')
    // What was requested before joins it.
    this.#next = { ...next, reason: 'startup' }
    this.#begin()
    return next.report
  }

  /**
   * RESYNCs these registrations, or all, in registration order; resolves with the report. Requests during a run unite
   * into the next. @throws NotRegisteredError (`SYNC_NOT_REGISTERED`), InvalidOptionError, ClosedError
   */
  async resync(names?: readonly string[]): Promise<RunReport> {
    if (this.#closed) throw new ClosedError('the agent')
    if (names !== undefined && !Array.isArray(names)) {
      throw new InvalidOptionError('names', 'must be an array')
    }
    const targets = names === undefined ? this.#all() : names.map((name) => this.#target(name))
    for (const target of targets) this.#enlist(target, 'requested')
    const next = this.#enlisted('requested')
    this.#beginSoon()
    return next.report
  }

  /** A receiver's data is not right any more: RESYNC after a back-off. @throws NotRegisteredError */
  reportError(name: string, error: unknown): void {
    this.#target(name).reportError(error)
  }

  close(): void {
    this.#closed = true
    this.#sourcesLive?.()
    this.#next?.reject(new ClosedError('the agent'))
    this.#next = undefined
    this.#runs$.complete()
  }

  // ---- ResyncGate

  due(target: ResyncTarget, reason: ResyncReason, origin: 'source' | 'own'): void {
    if (!this.#started || this.#closed) return // the startup run serves it
    if (origin === 'source' && reason !== 'startup') {
      this.#enlist(target, reason)
      this.#enlisted(reason).reset.add(target)
      this.#beginSoon()
    } else if (this.#run === undefined) {
      target.grant()
    } else if (!this.#run.awaits(target)) {
      this.#afterRun.add(target)
    }
  }

  ended(target: ResyncTarget, outcome: ResyncOutcome): void {
    this.#run?.ended(target, outcome)
    if (outcome === 'closed') {
      this.#targets.delete(target.name)
      this.#afterRun.delete(target)
      this.#sourcesLive?.()
    }
  }

  changed(target: ResyncTarget): void {
    this.#run?.poke(target)
    this.#sourcesLive?.()
  }

  // ---- runs

  #enlist(target: ResyncTarget, reason: ResyncReason): void {
    const { targets } = this.#enlisted(reason)
    if (!targets.has(target)) targets.set(target, reason)
  }

  #enlisted(reason: ResyncReason): NextRun {
    if (this.#next === undefined) {
      const { promise, resolve, reject } = withResolvers<RunReport>()
      promise.catch(() => {}) // a reset's run has nobody who waits for it
      this.#next = {
        reason,
        targets: new Map(),
        reset: new Set(),
        report: promise,
        resolve,
        reject,
      }
    }
    return this.#next
  }

  /** In a later microtask, so that everything that one list touched is in one run. */
  #beginSoon(): void {
    if (this.#run === undefined && this.#started) queueMicrotask(() => this.#begin())
  }

  #begin(): void {
    const next = this.#next
    if (next === undefined || this.#run !== undefined || this.#closed) return
    this.#next = undefined
    const entries = this.#all().flatMap((target) => {
      const reason = next.targets.get(target)
      return reason === undefined ? [] : [{ target, reason }]
    })
    const run = new ResyncRun(next.reason, entries, this.#options, (target) =>
      this.#touched(target),
    )
    this.#run = run
    // What is alone and could not be delivered yet has its turn, or comes after the run.
    for (const target of this.#all()) {
      if (target.revoke() && !next.targets.has(target)) this.#afterRun.add(target)
    }
    run.execute().then(
      (report) => this.#finish(next, report),
      (error: unknown) => next.reject(error),
    )
  }

  #finish(next: NextRun, report: RunReport): void {
    this.#run = undefined
    this.#serveLate(report.turns, next.targets)
    next.resolve(report)
    if (this.#closed) return
    this.#runs$.next(report)
    this.#beginSoon()
  }

  /** Who was passed over, or came due during the run, is served by itself, as soon as it can be. */
  #serveLate(turns: readonly TurnReport[], reasons: ReadonlyMap<ResyncTarget, ResyncReason>): void {
    const own = this.#afterRun
    this.#afterRun = new Set()
    for (const { name, outcome } of turns) {
      const target = this.#targets.get(name)
      if (target === undefined || outcome !== 'passed-over' || this.#touched(target)) continue
      target.request(reasons.get(target) ?? 'requested')
      own.add(target)
    }
    for (const target of own) if (!this.#touched(target)) target.grant()
  }

  /** A reset has put it into the next run. */
  #touched(target: ResyncTarget): boolean {
    return this.#next?.reset.has(target) ?? false
  }

  #all(): ResyncTarget[] {
    return [...this.#targets.values()].filter((target) => target !== undefined)
  }

  #target(name: string): ResyncTarget {
    const target = this.#targets.get(name)
    if (target === undefined) throw new NotRegisteredError(name, this.names)
    return target
  }
}

function withResolvers<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: unknown) => void
} {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
