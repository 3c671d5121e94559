import { randomUUID } from 'node:crypto'
import { ClosedError, InvalidKeyError, PayloadTooLargeError } from '../../api/errors.ts'
import { keyProblem, prefixProblem } from '../../api/key.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  ListPart,
  Op,
  Position,
  RawPair,
  Receipt,
  Transport,
} from '../../api/transport.ts'
import { Applied } from '../../kit/applied.ts'
import { nextTurn } from '../../kit/next-task.ts'
import { coverOf } from '../../kit/prefix-index.ts'
import { Timeouts } from '../../kit/timeouts.ts'
import { ChangeLog } from './change-log.ts'
import type { Cursor } from './change-log.ts'
import { CommitQueue } from './commit-queue.ts'
import { openError, readError } from './errors.ts'
import { History } from './history.ts'
import type { LmdbSettings } from './options.ts'
import { holderOf, own } from './ownership.ts'
import type { Ownership } from './ownership.ts'
import { Positions } from './position.ts'
import { pagesOf } from './pages-of.ts'
import { Store } from './store.ts'

interface Opened {
  readonly store: Store
  readonly ownership: Ownership
  readonly log: ChangeLog
  readonly queue: CommitQueue
  readonly positions: Positions
  readonly timeouts: Timeouts
}

/** An embedded store in a folder of this machine, held by one process. */
export class LmdbTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs = 0
  readonly #settings: LmdbSettings
  #opening: Promise<Opened> | undefined
  #opened: Opened | undefined
  #closing: Promise<void> | undefined

  constructor(settings: LmdbSettings) {
    this.#settings = settings
    this.name = settings.name
    this.capabilities = {
      resumable: true,
      storeRevisions: true,
      ttl: true,
      conditionalPut: true,
      transactions: true,
      prefixDelete: true,
      waitForApplied: true,
      browser: false,
      ordered: true,
      maxValueBytes: settings.maxValueBytes,
    }
  }

  async open(io: Io): Promise<void> {
    if (this.#closing !== undefined) throw new ClosedError(this.name)
    const opening = (this.#opening ??= this.#open(io))
    try {
      this.#opened = await opening
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      throw openError(error, this.#settings)
    }
    if (this.#closing !== undefined) throw new ClosedError(this.name)
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    const { log, queue, positions } = this.#held()
    const cover = coverOf(prefixes)
    const cursor = log.open(cover, log.last)
    // A stream that was given up routes nothing any more, though its reader may not yet have let go of it.
    const giveUp = (): void => cursor.close()
    io.signal.addEventListener('abort', giveUp, { once: true })
    let receipt: Receipt | undefined
    try {
      let behind = from === undefined ? undefined : positions.resume(from, log.floor, log.last)
      if (typeof behind === 'number') {
        cursor.seek(behind)
        yield { kind: 'progress', position: positions.at(behind) }
      } else {
        if (behind !== undefined) yield { kind: 'reset', reason: behind }
        yield* this.#list(cover, cursor, io)
      }
      while (!io.signal.aborted) {
        if (queue.lost !== undefined) throw queue.lost
        this.#held()
        const piece = cursor.take()
        if (piece === undefined) {
          await cursor.changed()
        } else if (piece === 'lost') {
          yield { kind: 'reset', reason: 'compacted' }
          yield* this.#list(cover, cursor, io)
        } else {
          const position = positions.at(piece.revision)
          receipt = piece.receipt
          if (piece.changes.length === 0) yield { kind: 'progress', position }
          else
            yield { kind: 'changes', changes: piece.changes, position, ...(receipt && { receipt }) }
        }
      }
    } finally {
      io.signal.removeEventListener('abort', giveUp)
      // Whoever took it and did not pass it on will not any more; otherwise this does nothing.
      receipt?.routed([])
      cursor.close()
    }
  }

  async *list(prefix: string, io: Io, part?: ListPart): AsyncGenerator<readonly RawPair[]> {
    const snapshot = this.#held().store.snapshot([prefix], { after: part?.after })
    yield* pagesOf(snapshot, part?.limit, this.#settings, io)
  }

  async get(keys: readonly string[]): Promise<readonly RawPair[]> {
    const { store } = this.#held()
    try {
      return keys.flatMap((key) => store.get(key) ?? [])
    } catch (error) {
      throw readError(error, this.#settings)
    }
  }

  // Not async: a promise less for every write.
  commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    try {
      const opened = this.#held()
      for (const op of ops) this.#check(op)
      if (options.waitFor === 'applied') return commitApplied(opened, ops, options.timeoutMs, io)
      return opened.queue.add(ops, options.timeoutMs)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #open(io: Io): Promise<Opened> {
    const { path, mapSize, historyLimit } = this.#settings
    const { clock, logger, random } = io
    const ownership = await own({ path, mapSize, logger, random })
    const { database, epoch, claim } = ownership
    const store = new Store(database, epoch)
    try {
      const { revision } = store.state
      const run = randomUUID().slice(0, 8)
      const { history, transactions, segments } = History.load(store, historyLimit, run)
      const log = new ChangeLog(historyLimit, revision, transactions)
      const queue = new CommitQueue({
        store,
        log,
        history,
        claim,
        run,
        clock,
        logger,
        place: this.#settings,
        holder: () => holderOf(database),
      })
      await queue.start()
      const positions = new Positions(epoch, [...segments, { revision: revision + 1, run }])
      return { store, ownership, log, queue, positions, timeouts: new Timeouts(clock) }
    } catch (error) {
      await ownership.release()
      await store.close()
      throw error
    }
  }

  async #close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined)
    if (opened === undefined) return
    const { store, ownership, log, queue } = opened
    await queue.close()
    log.close()
    try {
      await ownership.release()
    } finally {
      await store.close()
    }
  }

  /** A consistent list; what is committed meanwhile follows it. */
  async *#list(cover: readonly string[], cursor: Cursor, io: Io): AsyncGenerator<Batch> {
    const { store, positions } = this.#held()
    const snapshot = store.snapshot(cover)
    const { revision } = snapshot.state
    cursor.seek(revision)
    try {
      for (let pairs = snapshot.page(); pairs !== undefined; pairs = snapshot.page()) {
        yield { kind: 'pairs', pairs }
        await nextTurn()
        if (io.signal.aborted) return
      }
    } catch (error) {
      throw readError(error, this.#settings)
    } finally {
      snapshot.close()
    }
    yield { kind: 'listed', position: positions.at(revision) }
  }

  #held(): Opened {
    if (this.#opened === undefined || this.#closing !== undefined) throw new ClosedError(this.name)
    return this.#opened
  }

  #check(op: Op): void {
    if (op.type === 'delete-prefix') {
      const problem = prefixProblem(op.prefix)
      if (problem !== undefined) throw new InvalidKeyError(op.prefix, problem)
      return
    }
    const problem = keyProblem(op.key)
    if (problem !== undefined) throw new InvalidKeyError(op.key, problem)
    if (op.type === 'put' && op.value.length > this.#settings.maxValueBytes) {
      const what = `the value of ${op.key}`
      throw new PayloadTooLargeError(what, op.value.length, this.#settings.maxValueBytes)
    }
  }
}

async function commitApplied(
  { queue, timeouts }: Opened,
  ops: readonly Op[],
  timeoutMs: number,
  { clock }: Io,
): Promise<CommitResult> {
  const overAt = clock.now() + timeoutMs
  const applied = new Applied()
  const result = await queue.add(ops, timeoutMs, applied)
  const restMs = Math.max(0, overAt - clock.now())
  return { ...result, receivers: await applied.settled(restMs, timeouts) }
}
