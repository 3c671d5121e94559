import type { Clock, Timer } from '../../api/clock.ts'
import { ClosedError, isSyncError, StoreLockedError, TimeoutError } from '../../api/errors.ts'
import type { Logger } from '../../api/logger.ts'
import type { CommitResult, Op } from '../../api/transport.ts'
import type { Applied } from '../../kit/applied.ts'
import { Deadline } from '../../kit/deadline.ts'
import { nextTurn } from '../../kit/next-task.ts'
import type { ChangeLog } from './change-log.ts'
import { commitError } from './errors.ts'
import type { ErrorPlace } from './errors.ts'
import type { History, Transaction } from './history.ts'
import type { Store } from './store.ts'
import { WriteBatch } from './write-batch.ts'
import type { Outcome } from './write-batch.ts'

export interface CommitQueueOptions {
  readonly store: Store
  readonly log: ChangeLog
  readonly history: History
  /** Whose writes these are, see {@link Ownership}. */
  readonly claim: number
  /** Marks positions of this open. */
  readonly run: string
  readonly clock: Clock
  readonly logger: Logger
  readonly place: ErrorPlace
  /** Who has the store, when it turns out not to be us. */
  readonly holder: () => string | undefined
}

interface Job {
  readonly ops: readonly Op[]
  readonly bytes: number
  readonly applied: Applied | undefined
  readonly timeoutMs: number
  readonly overAt: number
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: unknown) => void
  settled: boolean
}

/** What one batch takes at most, its first commit apart. */
const BATCH_COMMITS = 4_096
const BATCH_BYTES = 32 * 1024 * 1024
const BATCH_EXPIRIES = 1_000

/** How long an expiry may be overlooked when the wall clock jumps or the machine sleeps. */
const EXPIRY_POLL_MS = 60_000
/** After an expiry that could not be written. */
const EXPIRY_RETRY_MS = 1_000

/**
 * Writes commits in the order of their coming, one batch after the other, with what comes meanwhile in the next one:
 * a batch costs one sync of the disk. Changes reach the log when they are on disk, in order.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions
  readonly #deadline: Deadline
  /** When the first of the present commits is out of time. */
  #soonest = Infinity
  #waiting: Job[] = []
  #running: readonly Job[] = []
  #idle: Promise<void> | undefined
  #nextExpiry: number | undefined
  #expiryTimer: Timer | undefined
  #expiryDue = false
  /** Of the last batch. */
  #failure: unknown
  #lost: unknown
  #closed = false

  constructor(options: CommitQueueOptions) {
    this.#options = options
    this.#deadline = new Deadline(options.clock, () => this.#giveUp())
  }

  /** Why nothing can be written any more. */
  get lost(): unknown {
    return this.#lost
  }

  /** Deletes what ran out while nobody had the store open. @throws as {@link add} */
  async start(): Promise<void> {
    this.#nextExpiry = this.#options.store.nextDeadline()
    while (this.#isDue()) {
      this.#expiryDue = true
      // oxlint-disable-next-line no-await-in-loop -- one batch after the other
      await this.#wake()
      if (this.#failure !== undefined) throw this.#failure
    }
    this.#armExpiry()
  }

  /**
   * Resolves when the operations are on disk; `applied` has all its receipts by then. Keys and values must have been
   * checked.
   * @throws VersionConflictError, StoreLockedError, TimeoutError, ClosedError, TransportUnavailableError
   */
  add(ops: readonly Op[], timeoutMs: number, applied?: Applied): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new ClosedError(this.#options.place.name))
        return
      }
      if (this.#lost !== undefined) {
        reject(this.#lost)
        return
      }
      const overAt = this.#options.clock.now() + timeoutMs
      this.#waiting.push({
        ops,
        bytes: bytesOf(ops),
        applied,
        timeoutMs,
        overAt,
        resolve,
        reject,
        settled: false,
      })
      if (overAt < this.#soonest) {
        this.#soonest = overAt
        this.#deadline.set(timeoutMs)
      }
      void this.#wake()
    })
  }

  /** Takes no more; resolves when what was taken is done, and leaves no timer. */
  async close(): Promise<void> {
    this.#closed = true
    this.#expiryTimer?.stop()
    await this.#idle
    this.#expiryTimer?.stop()
    this.#deadline.stop()
  }

  #wake(): Promise<void> {
    this.#idle ??= this.#run()
    return this.#idle
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 || this.#expiryDue) {
      // The commits of one turn go together.
      // oxlint-disable-next-line no-await-in-loop
      await nextTurn()
      this.#running = this.#take()
      // oxlint-disable-next-line no-await-in-loop
      await this.#write(this.#running)
      this.#running = []
    }
    this.#deadline.clear()
    this.#soonest = Infinity
    // In the turn of the last look, lest a commit that comes next found us busy.
    this.#idle = undefined
  }

  async #write(jobs: readonly Job[]): Promise<void> {
    const { store, log, history, claim, run, clock } = this.#options
    const expiring = this.#expiryDue
    this.#expiryDue = false
    this.#failure = undefined
    try {
      this.#align()
      const mayExpire = this.#nextExpiry !== undefined
      const batch = new WriteBatch(store, run, clock.now(), mayExpire)
      const expired = expiring ? batch.expire(BATCH_EXPIRIES) : []
      const outcomes = jobs.map((job) => addTo(batch, job.ops))
      const transactions = [...expired, ...changesOf(outcomes)]
      const planned = history.plan(transactions)
      if (!batch.isEmpty && !(await batch.write(claim, planned))) throw this.#lose()
      history.confirm(planned, transactions)
      for (const { changes } of expired) log.append(changes, undefined)
      for (let i = 0; i < jobs.length; i++) {
        this.#settle(jobs[i] as Job, outcomes[i] as Attempt<Outcome>)
      }
      log.announce()
      if (batch.mayExpire) {
        this.#nextExpiry = store.nextDeadline()
        this.#armExpiry()
      }
    } catch (cause) {
      this.#fail(jobs, await reasonOf(cause), expiring)
    }
  }

  #settle(job: Job, outcome: Attempt<Outcome>): void {
    const { value } = outcome
    if (value === undefined) {
      finish(job, () => job.reject(outcome.error))
      return
    }
    if (value.changes.length > 0) this.#options.log.append(value.changes, job.applied)
    if (job.settled) return
    job.settled = true
    job.resolve(value.result)
  }

  #fail(jobs: readonly Job[], cause: unknown, expiring: boolean): void {
    const { logger, place } = this.#options
    const error = commitError(cause, place, this.#isUnchanged() ? 'not-applied' : 'unknown')
    logger.error({ transport: place.name, error }, 'commit failed')
    this.#failure = error
    for (const job of jobs) finish(job, () => job.reject(error))
    if (expiring) this.#armExpiry(EXPIRY_RETRY_MS)
  }

  /** After a commit that failed it is the file that says what became of it. */
  #isUnchanged(): boolean {
    const { logger, place } = this.#options
    try {
      return !this.#align()
    } catch (error) {
      logger.error({ transport: place.name, error }, 'the store cannot be read')
      return false
    }
  }

  /** When the file is not where the log is, streams have to list again; true when that was so. */
  #align(): boolean {
    const { store, log } = this.#options
    const { revision } = store.state
    if (revision === log.last) return false
    log.restart(revision)
    return true
  }

  /** Another process took the store over: it found us dead, or somebody removed our sign of life. */
  #lose(): unknown {
    const { log, place, holder } = this.#options
    this.#lost = new StoreLockedError(place.path, holder())
    for (const job of this.#waiting) finish(job, () => job.reject(this.#lost))
    this.#waiting = []
    this.#expiryTimer?.stop()
    log.close()
    return this.#lost
  }

  #take(): readonly Job[] {
    const waiting = this.#waiting.filter((job) => !job.settled)
    let count = 0
    let bytes = 0
    for (const job of waiting) {
      bytes += job.bytes
      if (count > 0 && (count >= BATCH_COMMITS || bytes > BATCH_BYTES)) break
      count++
    }
    this.#waiting = waiting.slice(count)
    return waiting.slice(0, count)
  }

  /** Tells the callers whose time is over; what is being written goes on. */
  #giveUp(): void {
    const now = this.#options.clock.now()
    this.#soonest = Infinity
    const look = (job: Job, outcome: 'not-applied' | 'unknown'): void => {
      if (job.settled) return
      if (job.overAt > now) {
        this.#soonest = Math.min(this.#soonest, job.overAt)
        return
      }
      finish(job, () => job.reject(new TimeoutError('the write', job.timeoutMs, { outcome })))
    }
    for (const job of this.#running) look(job, 'unknown')
    for (const job of this.#waiting) look(job, 'not-applied')
    if (this.#soonest < Infinity) this.#deadline.set(this.#soonest - now)
  }

  #isDue(): boolean {
    return this.#nextExpiry !== undefined && this.#nextExpiry <= this.#options.clock.now()
  }

  #armExpiry(delayMs?: number): void {
    this.#expiryTimer?.stop()
    if (this.#nextExpiry === undefined || this.#closed || this.#lost !== undefined) return
    const { clock } = this.#options
    const restMs = Math.max(0, this.#nextExpiry - clock.now())
    this.#expiryTimer = clock.after(delayMs ?? Math.min(restMs, EXPIRY_POLL_MS), () => {
      if (!this.#isDue()) {
        this.#armExpiry()
        return
      }
      this.#expiryDue = true
      void this.#wake()
    })
  }
}

type Attempt<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: unknown }

/** A condition that does not hold concerns one commit; anything else the batch. */
function addTo(batch: WriteBatch, ops: readonly Op[]): Attempt<Outcome> {
  try {
    return { value: batch.add(ops) }
  } catch (error) {
    if (isSyncError(error, 'SYNC_VERSION_CONFLICT')) return { error }
    throw error
  }
}

function changesOf(outcomes: readonly Attempt<Outcome>[]): Transaction[] {
  const transactions: Transaction[] = []
  for (const { value } of outcomes) {
    if (value !== undefined && value.changes.length > 0) transactions.push(value)
  }
  return transactions
}

function finish(job: Job, settle: () => void): void {
  if (job.settled) return
  job.settled = true
  settle()
}

/** The driver's error says only where the reason is. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (typeof error !== 'object' || error === null || !('commitError' in error)) return error
  try {
    return (await error.commitError) ?? error
  } catch (reason) {
    return reason
  }
}

function bytesOf(ops: readonly Op[]): number {
  let bytes = 0
  for (const op of ops) if (op.type === 'put') bytes += op.value.length
  return bytes
}
