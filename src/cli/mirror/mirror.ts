import type { Agent } from '../../agent/agent.ts'
import type { ChangeEvent } from '../../api/change-event.ts'
import type { ResyncEvent } from '../../api/resync-event.ts'
import { coverOf } from '../../kit/prefix-index.ts'
import { differences } from './differences.ts'
import type { Tally, Write } from './differences.ts'
import type { KeyMapping } from './key-mapping.ts'
import { isOfOneKey, TargetWriter } from './target-writer.ts'

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
  readonly #writer: TargetWriter
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
    this.#writer = new TargetWriter(options.target)
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
      await this.#write(this.#take(), undefined, failures)
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

  /** Never rejects; what fails is added to the failures. */
  async #write(
    writes: AsyncIterable<Write> | Iterable<Write>,
    counts: MirrorCounts | undefined,
    failures: unknown[],
  ): Promise<void> {
    const { writing } = this.#options
    const count = (name: 'put' | 'deleted', written: number): void => {
      this.total[name] += written
      if (counts !== undefined) counts[name] += written
    }
    await this.#writer.write(told(writes, writing), {
      put: (written) => count('put', written),
      deleted: (written) => count('deleted', written),
      failed: (error) => void failures.push(error),
    })
  }
}

async function* told(
  writes: AsyncIterable<Write> | Iterable<Write>,
  tell: (write: Write) => void,
): AsyncGenerator<Write> {
  for await (const write of writes) {
    tell(write)
    yield write
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

function count(counts: MirrorCounts, write: Write, tell: (write: Write) => void): void {
  counts[write.value === undefined ? 'deleted' : 'put']++
  tell(write)
}
