import type { Clock } from '../../api/clock.ts'
import { ClosedError, isSyncError, StoreLockedError } from '../../api/errors.ts'
import type { Logger } from '../../api/logger.ts'
import type { CommitResult, Op } from '../../api/transport.ts'
import type { Applied } from '../../kit/applied.ts'
import { nextTurn } from '../../kit/next-task.ts'
import type { ChangeLog } from './change-log.ts'
import { CommitLine } from './commit-line.ts'
import type { Commit } from './commit-line.ts'
import { commitError } from './errors.ts'
import type { ErrorPlace } from './errors.ts'
import { ExpiryTimer } from './expiry-timer.ts'
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

/** Keys that a batch deletes because their time is over. */
const BATCH_EXPIRIES = 1_000

/**
 * Writes commits in the order of their coming, one batch after the other, with what comes meanwhile in the next one:
 * a batch costs one sync of the disk. Changes reach the log when they are on disk, in order.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions
  readonly #line: CommitLine
  readonly #expiry: ExpiryTimer
  #expiryDue = false
  #running: Promise<void> | undefined
  /** Of the last batch. */
  #failure: unknown
  #lost: unknown
  #closed = false

  constructor(options: CommitQueueOptions) {
    this.#options = options
    this.#line = new CommitLine(options.clock)
    this.#expiry = new ExpiryTimer(options.clock, () => void this.#expire())
  }

  /** Why nothing can be written any more. */
  get lost(): unknown {
    return this.#lost
  }

  /** Deletes what ran out while nobody had the store open. @throws as {@link add} */
  async start(): Promise<void> {
    this.#expiry.set(this.#options.store.nextDeadline())
    while (this.#expiry.isDue) {
      // oxlint-disable-next-line no-await-in-loop -- one batch after the other
      await this.#expire()
      if (this.#failure !== undefined) throw this.#failure
    }
  }

  /**
   * Resolves when the operations are on disk; `applied` has all its receipts by then. Keys and values must have been
   * checked.
   * @throws VersionConflictError, StoreLockedError, TimeoutError, ClosedError, TransportUnavailableError
   */
  add(ops: readonly Op[], timeoutMs: number, applied?: Applied): Promise<CommitResult> {
    if (this.#closed) return Promise.reject(new ClosedError(this.#options.place.name))
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    const stored = this.#line.push(ops, timeoutMs, applied)
    void this.#wake()
    return stored
  }

  /** Takes no more; resolves when what was taken is done, and leaves no timer. */
  async close(): Promise<void> {
    this.#closed = true
    this.#expiry.stop()
    await this.#running
    this.#line.stop()
  }

  #expire(): Promise<void> {
    this.#expiryDue = true
    return this.#wake()
  }

  #wake(): Promise<void> {
    this.#running ??= this.#run()
    return this.#running
  }

  async #run(): Promise<void> {
    while (!this.#line.isEmpty || this.#expiryDue) {
      // The commits of one turn go together.
      // oxlint-disable-next-line no-await-in-loop
      await nextTurn()
      // oxlint-disable-next-line no-await-in-loop
      await this.#write(this.#line.take())
      this.#line.rest()
    }
    // In the turn of the last look, lest a commit that comes next found us busy.
    this.#running = undefined
  }

  async #write(commits: readonly Commit[]): Promise<void> {
    const { store, log, history, claim, run, clock } = this.#options
    const expiring = this.#expiryDue
    this.#expiryDue = false
    this.#failure = undefined
    try {
      this.#align()
      const batch = new WriteBatch(store, run, clock.now(), this.#expiry.isSet)
      const expired = expiring ? batch.expire(BATCH_EXPIRIES) : []
      const outcomes = commits.map((commit) => addTo(batch, commit.ops))
      const transactions = [...expired, ...changesOf(outcomes)]
      const planned = history.plan(transactions)
      if (!batch.isEmpty && !(await batch.write(claim, planned))) throw this.#lose()
      history.confirm(planned, transactions)
      for (const { changes } of expired) log.append(changes, undefined)
      for (let i = 0; i < commits.length; i++) {
        this.#settle(commits[i] as Commit, outcomes[i] as Attempt)
      }
      log.announce()
      if (batch.mayExpire) this.#expiry.set(store.nextDeadline())
    } catch (cause) {
      this.#fail(commits, await reasonOf(cause))
      if (expiring) this.#expiry.retry()
    }
  }

  #settle(commit: Commit, { outcome, conflict }: Attempt): void {
    if (outcome === undefined) {
      commit.reject(conflict)
      return
    }
    if (outcome.changes.length > 0) this.#options.log.append(outcome.changes, commit.applied)
    commit.resolve(outcome.result)
  }

  #fail(commits: readonly Commit[], cause: unknown): void {
    const { logger, place } = this.#options
    const error = commitError(cause, place, this.#isUnchanged() ? 'not-applied' : 'unknown')
    logger.error({ transport: place.name, error }, 'commit failed')
    this.#failure = error
    for (const commit of commits) commit.reject(error)
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
    this.#line.rejectAll(this.#lost)
    this.#expiry.stop()
    log.close()
    return this.#lost
  }
}

/** What became of one commit of a batch. */
interface Attempt {
  readonly outcome?: Outcome
  readonly conflict?: unknown
}

/** A condition that does not hold concerns one commit; anything else the batch. */
function addTo(batch: WriteBatch, ops: readonly Op[]): Attempt {
  try {
    return { outcome: batch.add(ops) }
  } catch (error) {
    if (isSyncError(error, 'SYNC_VERSION_CONFLICT')) return { conflict: error }
    throw error
  }
}

function changesOf(attempts: readonly Attempt[]): Transaction[] {
  const transactions: Transaction[] = []
  for (const { outcome } of attempts) {
    if (outcome !== undefined && outcome.changes.length > 0) transactions.push(outcome)
  }
  return transactions
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
