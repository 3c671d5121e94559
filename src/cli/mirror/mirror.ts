import type { Agent } from '../../agent/agent.ts'
import type { ChangeEvent } from '../../api/change-event.ts'
import { isSyncError } from '../../api/errors.ts'
import type { ResyncEvent } from '../../api/resync-event.ts'
import type { Publication } from '../../api/writer.ts'
import { coverOf } from '../../kit/prefix-index.ts'
import { differences } from './differences.ts'
import type { Tally, Write } from './differences.ts'
import type { KeyMapping } from './key-mapping.ts'

/** Changes that wait while as many are being written; then the source is made to wait. */
const BATCH = 1_000
/** The same in bytes of values. */
const BATCH_BYTES = 8 * 1024 * 1024

/** An event that is answered when there is room. */
interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What has been done to the target. */
export interface MirrorCounts extends Tally {
  put: number
  deleted: number
}

export interface MirrorOptions {
  readonly target: Agent
  /** Of the source. */
  readonly prefixes: readonly string[]
  readonly keys: KeyMapping
  /** Resolves when the target can be written, as far as is known, or with the signal. */
  readonly ready: (signal: AbortSignal) => Promise<unknown>
  /** Told before each write. */
  readonly writing: (write: Write) => void
  /** Instead of writing. */
  readonly dryRun: ((write: Write) => void) | undefined
  /** Writes failed that the source believes to be done: it has to tell its state again. */
  readonly lost: (error: unknown) => void
}

/**
 * Carries one registration's events over to the target. A RESYNC is compared with what the target holds, by whomever
 * it was written; a CHANGE is acknowledged when it is taken into the next batch. When a batch fails, the event that
 * waits is refused, or `lost` is called: either way everything is compared again, so no write is lost.
 */
export class Mirror {
  readonly #options: MirrorOptions
  readonly #cover: readonly string[]
  #pending = new Map<string, Write>()
  #pendingBytes = 0
  #waiting: Waiting[] = []
  #flushing: Promise<void> | undefined
  #comparing: Promise<unknown> = Promise.resolve()
  /** Comparisons begun and not ended. */
  #comparisons = 0
  /** Since the start. */
  readonly total: MirrorCounts = { compared: 0, unchanged: 0, put: 0, deleted: 0 }

  constructor(options: MirrorOptions) {
    this.#options = options
    this.#cover = coverOf(options.prefixes)
  }

  /** Something is being written or compared. */
  get busy(): boolean {
    return this.#comparisons > 0 || this.#flushing !== undefined
  }

  get comparing(): boolean {
    return this.#comparisons > 0
  }

  /**
   * Makes the target equal to the event's state; resolves with what that took.
   * @throws the first error of reading or writing the target
   */
  resync(event: ResyncEvent): Promise<MirrorCounts> {
    this.#comparisons++
    // Part of the event's state; what is under way must have landed before the target is read.
    this.#forget()
    const before = this.#comparing
    const comparison = Promise.allSettled([before, this.#flushing])
      .then(() => this.#compare(event))
      .finally(() => {
        this.#comparisons--
      })
    this.#comparing = comparison.catch(() => {})
    return comparison
  }

  /** Undefined, or a promise while the target is slower than the source. */
  change(event: ChangeEvent): Promise<void> | undefined {
    const value = event.changeType === 'put' ? event.bytes : undefined
    const key = this.#options.keys.toTarget(event.key)
    this.#pending.set(key, { key, value })
    this.#pendingBytes += value?.length ?? 0
    this.#flushing ??= this.#flush()
    if (this.#pending.size < BATCH && this.#pendingBytes < BATCH_BYTES) return undefined
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Resolves when what was taken is written, or has failed. No event may come any more. */
  async finish(): Promise<void> {
    await this.#comparing
    await this.#flushing
  }

  async #compare(event: ResyncEvent): Promise<MirrorCounts> {
    const { keys, target, dryRun } = this.#options
    const counts: MirrorCounts = { compared: 0, unchanged: 0, put: 0, deleted: 0 }
    const failures: unknown[] = []
    await this.#options.ready(event.signal)
    for (const prefix of this.#cover) {
      const writes = differences(
        event.values.get(prefix) ?? [],
        target.list(keys.toTarget(prefix)),
        (key) => keys.toTarget(key),
        counts,
      )
      const going = alive(event, writes, failures)
      if (dryRun === undefined) await this.#write(going, counts, failures)
      else for await (const write of going) count(counts, write, dryRun)
    }
    for (const name of ['compared', 'unchanged'] as const) this.total[name] += counts[name]
    event.signal.throwIfAborted()
    if (failures.length > 0) throw failures[0]
    return counts
  }

  /** As long as there is something; what comes meanwhile makes the next batch. */
  async #flush(): Promise<void> {
    // Changes of the same turn belong together.
    await Promise.resolve()
    while (this.#pending.size > 0) {
      const failures: unknown[] = []
      await this.#write(asynchronous(this.#take()), undefined, failures)
      if (failures.length > 0) this.#failed(failures[0])
    }
    // In the turn of the last look: what comes after it begins anew.
    this.#flushing = undefined
  }

  #take(): Iterable<Write> {
    const writes = this.#pending.values()
    this.#pending = new Map()
    this.#pendingBytes = 0
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    return writes
  }

  #forget(): void {
    this.#take()
  }

  #failed(error: unknown): void {
    this.#pending = new Map()
    this.#pendingBytes = 0
    const waiting = this.#waiting.splice(0)
    for (const { reject } of waiting) reject(error)
    if (waiting.length === 0 && this.#comparisons === 0) this.#options.lost(error)
  }

  /** Never rejects; a failed write is counted as a failure. */
  async #write(
    writes: AsyncIterable<Write>,
    counts: MirrorCounts | undefined,
    failures: unknown[],
  ): Promise<void> {
    const { writing, target } = this.#options
    const kinds: boolean[] = []
    async function* publications(): AsyncGenerator<Publication> {
      for await (const write of writes) {
        writing(write)
        kinds.push(write.value !== undefined)
        yield publicationOf(write)
      }
    }
    try {
      // Results come in the order of the writes.
      await target.publish(publications()).forEach((result) => {
        const name = kinds.shift() === true ? 'put' : 'deleted'
        if (!result.ok) {
          failures.push(result.error)
          return
        }
        this.total[name]++
        if (counts !== undefined) counts[name]++
      })
    } catch (error) {
      failures.push(error)
    }
  }
}

/** Ends with the event, and at a failure that the next write would share. */
async function* alive(
  event: ResyncEvent,
  writes: AsyncIterable<Write>,
  failures: readonly unknown[],
): AsyncGenerator<Write> {
  for await (const write of writes) {
    if (event.signal.aborted || failures.some((error) => !isOfOneKey(error))) return
    event.working()
    yield write
  }
}

function isOfOneKey(error: unknown): boolean {
  return isSyncError(error, 'SYNC_PAYLOAD_TOO_LARGE') || isSyncError(error, 'SYNC_INVALID_KEY')
}

function count(counts: MirrorCounts, write: Write, tell: (write: Write) => void): void {
  counts[write.value === undefined ? 'deleted' : 'put']++
  tell(write)
}

function publicationOf({ key, value }: Write): Publication {
  return value === undefined
    ? { key, delete: true }
    : { key, message: { serializeBinary: () => value } }
}

async function* asynchronous<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values
}
