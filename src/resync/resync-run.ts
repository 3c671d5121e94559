import type { Clock } from '../api/clock.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { RunReport, TurnOutcome, TurnReport } from '../api/run-report.ts'
import type { ResyncOutcome, ResyncTarget } from '../engine/resync-gate.ts'

export interface RunOptions {
  readonly clock: Clock
  /** For a receiver to become ready, in ms. */
  readonly acceptTimeoutMs: number
  /** For `done`, in ms, restarted by `working()`; the event keeps its own timeout. */
  readonly ackTimeoutMs: number
}

/** One target and why it gets a RESYNC. */
export interface RunEntry {
  readonly target: ResyncTarget
  readonly reason: ResyncReason
}

/** One run: RESYNCs strictly one after the other, in registration order (C10). */
export class ResyncRun {
  readonly reason: ResyncReason
  readonly #entries: readonly RunEntry[]
  readonly #options: RunOptions
  /** Touched by a reset meanwhile: served by the run that follows. */
  readonly #postponed: (target: ResyncTarget) => boolean
  #turn = -1
  /** RESYNCs that the target had got before its turn. */
  #before = 0
  #outcome: ResyncOutcome | undefined
  #wake: (() => void) | undefined

  constructor(
    reason: ResyncReason,
    entries: readonly RunEntry[],
    options: RunOptions,
    postponed: (target: ResyncTarget) => boolean,
  ) {
    this.reason = reason
    this.#entries = entries
    this.#options = options
    this.#postponed = postponed
  }

  /** True while the target's turn has not come. */
  awaits(target: ResyncTarget): boolean {
    return this.#entries.findIndex((entry) => entry.target === target) > this.#turn
  }

  /** Something about a target changed. */
  poke(target: ResyncTarget): void {
    if (this.#entries[this.#turn]?.target === target) this.#wake?.()
  }

  ended(target: ResyncTarget, outcome: ResyncOutcome): void {
    if (this.#entries[this.#turn]?.target !== target) return
    // One that was open before its turn is not this run's.
    if (target.resyncs === this.#before && outcome !== 'closed') return
    this.#outcome = outcome
    this.#wake?.()
  }

  async execute(): Promise<RunReport> {
    const startedAt = this.#options.clock.now()
    const turns: TurnReport[] = []
    for (const [index, entry] of this.#entries.entries()) {
      this.#turn = index
      turns.push(await this.#serve(entry))
    }
    this.#turn = this.#entries.length
    const durationMs = this.#options.clock.now() - startedAt
    return { reason: this.reason, startedAt, durationMs, turns }
  }

  async #serve({ target, reason }: RunEntry): Promise<TurnReport> {
    const { clock } = this.#options
    const startedAt = clock.now()
    const report = (outcome: TurnOutcome, pairs = 0): TurnReport => ({
      name: target.name,
      outcome,
      pairs,
      durationMs: clock.now() - startedAt,
    })
    if (target.closed) return report('closed')
    if (reason === 'startup' && target.upToDate) return report('resumed')
    if (!(await this.#accepts(target, reason))) {
      target.revoke()
      return report(target.closed ? 'closed' : 'passed-over')
    }
    const outcome = await this.#acknowledges(target)
    return report(outcome, target.lastResync?.pairs)
  }

  /** Offers the RESYNC; it is next once the open event has ended. */
  async #accepts(target: ResyncTarget, reason: ResyncReason): Promise<boolean> {
    const possible = (): boolean => !target.closed && target.sourceLive && !this.#postponed(target)
    if (!possible()) return false
    this.#outcome = undefined
    this.#before = target.resyncs
    const delivered = (): boolean => target.resyncs > this.#before
    target.request(reason)
    target.grant()
    const patienceMs = Math.max(this.#options.acceptTimeoutMs, target.openForMs)
    await this.#until(() => delivered() || !possible(), patienceMs)
    return delivered()
  }

  async #acknowledges(target: ResyncTarget): Promise<ResyncOutcome> {
    const { ackTimeoutMs } = this.#options
    let worked = true
    target.onWorking = () => {
      worked = true
      this.#wake?.()
    }
    try {
      while (worked && this.#outcome === undefined) {
        worked = false
        await this.#until(() => worked || this.#outcome !== undefined, ackTimeoutMs)
      }
    } finally {
      target.onWorking = undefined
    }
    return this.#outcome ?? 'timeout'
  }

  /** Waits until the condition holds, at most `timeoutMs`; looked at whenever the target changes. */
  async #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        timer.stop()
        this.#wake = undefined
        resolve()
      }
      const timer = this.#options.clock.after(timeoutMs, finish, { keepAlive: true })
      this.#wake = () => {
        if (condition()) finish()
      }
    })
  }
}
