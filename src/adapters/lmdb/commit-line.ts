import type { Clock } from '../../api/clock.ts'
import { TimeoutError } from '../../api/errors.ts'
import type { CommitResult, Op } from '../../api/transport.ts'
import type { Applied } from '../../kit/applied.ts'
import { Deadline } from '../../kit/deadline.ts'

/** A commit that somebody waits for. The first answer counts. */
export interface Commit {
  readonly ops: readonly Op[]
  /** Gets a receipt per stream that carries the changes. */
  readonly applied: Applied | undefined
  resolve(result: CommitResult): void
  reject(error: unknown): void
}

/** What one batch takes at most, its first commit apart. */
const BATCH_COMMITS = 4_096
const BATCH_BYTES = 32 * 1024 * 1024

/** Commits in the order of their coming, each with its time limit; those of the batch that is being written, too. */
export class CommitLine {
  readonly #clock: Clock
  readonly #deadline: Deadline
  /** When the first of the present commits is out of time. */
  #soonest = Infinity
  #waiting: LinedUp[] = []
  #taken: readonly LinedUp[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.#deadline = new Deadline(clock, () => this.#giveUp())
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** @throws what the commit is rejected with, TimeoutError after `timeoutMs` */
  push(ops: readonly Op[], timeoutMs: number, applied: Applied | undefined): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      const overAt = this.#clock.now() + timeoutMs
      this.#waiting.push(new LinedUp(ops, applied, timeoutMs, overAt, resolve, reject))
      if (overAt >= this.#soonest) return
      this.#soonest = overAt
      this.#deadline.set(timeoutMs)
    })
  }

  /** The next batch; the one before is settled by then. */
  take(): readonly Commit[] {
    const waiting = this.#waiting.filter((commit) => !commit.isSettled)
    let count = 0
    let bytes = 0
    for (const commit of waiting) {
      bytes += commit.bytes
      if (count > 0 && (count >= BATCH_COMMITS || bytes > BATCH_BYTES)) break
      count++
    }
    this.#waiting = waiting.slice(count)
    this.#taken = waiting.slice(0, count)
    return this.#taken
  }

  /** Everything that was taken is settled. */
  rest(): void {
    this.#taken = []
    if (!this.isEmpty) return
    this.#deadline.clear()
    this.#soonest = Infinity
  }

  rejectAll(error: unknown): void {
    for (const commit of this.#waiting) commit.reject(error)
    this.#waiting = []
  }

  /** Leaves no timer. */
  stop(): void {
    this.#deadline.stop()
  }

  /** Tells the callers whose time is over; what is being written goes on. */
  #giveUp(): void {
    const now = this.#clock.now()
    this.#soonest = Infinity
    for (const commit of this.#taken) this.#look(commit, now, 'unknown')
    for (const commit of this.#waiting) this.#look(commit, now, 'not-applied')
    if (this.#soonest < Infinity) this.#deadline.set(this.#soonest - now)
  }

  #look(commit: LinedUp, now: number, outcome: 'not-applied' | 'unknown'): void {
    if (commit.isSettled) return
    if (commit.overAt > now) this.#soonest = Math.min(this.#soonest, commit.overAt)
    else commit.reject(new TimeoutError('the write', commit.timeoutMs, { outcome }))
  }
}

class LinedUp implements Commit {
  readonly ops: readonly Op[]
  readonly applied: Applied | undefined
  readonly timeoutMs: number
  readonly overAt: number
  readonly #resolve: (result: CommitResult) => void
  readonly #reject: (error: unknown) => void
  isSettled = false

  constructor(
    ops: readonly Op[],
    applied: Applied | undefined,
    timeoutMs: number,
    overAt: number,
    resolve: (result: CommitResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.ops = ops
    this.applied = applied
    this.timeoutMs = timeoutMs
    this.overAt = overAt
    this.#resolve = resolve
    this.#reject = reject
  }

  get bytes(): number {
    let bytes = 0
    for (const op of this.ops) if (op.type === 'put') bytes += op.value.length
    return bytes
  }

  resolve(result: CommitResult): void {
    if (this.isSettled) return
    this.isSettled = true
    this.#resolve(result)
  }

  reject(error: unknown): void {
    if (this.isSettled) return
    this.isSettled = true
    this.#reject(error)
  }
}
