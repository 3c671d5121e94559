import type { Timer } from '../../api/clock.ts'
import { ClosedError, VersionConflictError } from '../../api/errors.ts'
import { hasPrefix } from '../../api/key.ts'
import { checkOptions, integerBetween, isString } from '../../api/options.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawChange,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { Applied } from '../../kit/applied.ts'
import { ChangeHistory } from '../../kit/change-history.ts'
import { newEpoch } from '../../kit/epoch.ts'
import { EpochPair } from '../../kit/epoch-pair.ts'
import { nextTurn } from '../../kit/next-task.ts'
import { PrefixIndex } from '../../kit/prefix-index.ts'
import { PushQueue } from '../../kit/push-queue.ts'
import { Timeouts } from '../../kit/timeouts.ts'

export interface MemoryOptions {
  /** In events, metrics and errors; `memory`. */
  readonly name?: string
  /** The largest value in bytes; 64 MiB. */
  readonly maxValueBytes?: number
  /** Changes kept so that a checkpoint can go on without RESYNC; 1 000. */
  readonly historyLimit?: number
}

const PAGE = 1_000
/** Batches that a watcher may be behind before writers leave it a turn of the event loop. */
const CROWDED = 1_024

interface Watcher {
  readonly cover: PrefixIndex<true>
  readonly batches: PushQueue<Batch>
}

/** Keys and values in this process, gone with it; for tests, and as a part of a composite. */
export class MemoryTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs = 0
  readonly #pairs = new Map<string, RawPair>()
  readonly #timers = new Map<string, Timer>()
  readonly #watchers = new Set<Watcher>()
  readonly #history: ChangeHistory<RawChange>
  #io: Io | undefined
  #timeouts: Timeouts | undefined
  #epoch = ''
  #revision = 0
  /** Of the watcher that is furthest behind, in batches. */
  #backlog = 0
  #closed = false

  constructor(options: MemoryOptions = {}) {
    checkOptions<MemoryOptions>(options, {
      name: isString,
      maxValueBytes: integerBetween(0, Number.MAX_SAFE_INTEGER),
      historyLimit: integerBetween(0, Number.MAX_SAFE_INTEGER),
    })
    this.name = options.name ?? 'memory'
    this.capabilities = {
      resumable: true,
      storeRevisions: true,
      ttl: true,
      conditionalPut: true,
      transactions: true,
      prefixDelete: true,
      waitForApplied: true,
      browser: true,
      ordered: true,
      maxValueBytes: options.maxValueBytes ?? 64 * 1024 * 1024,
    }
    this.#history = new ChangeHistory(options.historyLimit ?? 1_000, 0)
  }

  async open(io: Io): Promise<void> {
    if (this.#closed) throw new ClosedError(this.name)
    if (this.#io !== undefined) return
    this.#io = io
    this.#epoch = newEpoch()
  }

  stream(prefixes: readonly string[], from: Position | undefined, io: Io): PushQueue<Batch> {
    const cover = new PrefixIndex<true>()
    for (const prefix of prefixes) cover.set(prefix, true)
    const watcher: Watcher = {
      cover,
      batches: new PushQueue(io.signal, () => {
        this.#watchers.delete(watcher)
        this.#disown(watcher)
      }),
    }
    if (this.#closed) watcher.batches.fail(new ClosedError(this.name))
    // Nothing can change between this registration and the copies below: both are in one turn.
    else if (!watcher.batches.ended) this.#watchers.add(watcher)
    this.#begin(watcher, from)
    return watcher.batches
  }

  async *list(prefix: string): AsyncGenerator<readonly RawPair[]> {
    this.#assertOpen()
    const pairs = [...this.#pairs.values()].filter((pair) => hasPrefix(pair.key, prefix))
    for (let i = 0; i < pairs.length; i += PAGE) yield pairs.slice(i, i + PAGE)
  }

  async get(keys: readonly string[]): Promise<readonly RawPair[]> {
    this.#assertOpen()
    return keys.flatMap((key) => this.#pairs.get(key) ?? [])
  }

  // Not async: a frame and a promise less for every write.
  commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    try {
      if (options.waitFor === 'applied') return this.#commitApplied(ops, options, io)
      const result = this.#write(ops, undefined, io)
      // Writers that never leave their turn would outrun every reader: the backlog is to stay bounded (W24).
      return this.#backlog > CROWDED ? nextTurn().then(() => result) : Promise.resolve(result)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers.values()) timer.stop()
    this.#timers.clear()
    for (const watcher of this.#watchers) {
      this.#disown(watcher)
      watcher.batches.fail(new ClosedError(this.name))
    }
  }

  #commitApplied(ops: readonly Op[], { timeoutMs }: CommitOptions, io: Io): Promise<CommitResult> {
    const applied = new Applied()
    const { versions, deleted } = this.#write(ops, applied, io)
    return applied
      .settled(timeoutMs, (this.#timeouts ??= new Timeouts(io.clock)))
      .then((receivers) => ({ versions, ...(deleted === undefined ? {} : { deleted }), receivers }))
  }

  #write(ops: readonly Op[], applied: Applied | undefined, io: Io): CommitResult {
    this.#assertOpen()
    for (const op of ops) this.#assertCondition(op)
    const revision = this.#revision + 1
    const [only] = ops
    if (ops.length === 1 && only?.type === 'put') {
      const pair = this.#put(only, revision, io)
      this.#announce(revision, [{ type: 'put', pair }], applied)
      return { versions: [pair.version], deleted: 0 }
    }
    const changes: RawChange[] = []
    const versions: (string | undefined)[] = []
    let deleted = 0
    for (const op of ops) {
      if (op.type === 'put') {
        const pair = this.#put(op, revision, io)
        changes.push({ type: 'put', pair })
        versions.push(pair.version)
        continue
      }
      versions.push(undefined)
      const keys = op.type === 'delete' ? [op.key] : this.#keysUnder(op.prefix)
      for (const key of keys) {
        if (!this.#remove(key)) continue
        deleted++
        changes.push({ type: 'delete', key, revision })
      }
    }
    if (changes.length > 0) this.#announce(revision, changes, applied)
    return { versions, deleted }
  }

  #put({ key, value, ttlMs }: Op & { type: 'put' }, revision: number, io: Io): EpochPair {
    const pair = new EpochPair(key, value, revision, this.#epoch)
    this.#pairs.set(key, pair)
    this.#expire(key, ttlMs, io)
    return pair
  }

  /** The list, or what was missed since `from`. */
  #begin({ cover, batches }: Watcher, from: Position | undefined): void {
    const position = this.#position()
    const missed = from === undefined ? undefined : this.#since(from)
    if (missed !== undefined) {
      batches.push({ kind: 'changes', changes: missed, position })
      return
    }
    if (from !== undefined) {
      const ours = from.startsWith(`${this.#epoch}:`)
      batches.push({ kind: 'reset', reason: ours ? 'compacted' : 'reconnected' })
    }
    const pairs = this.#under(cover)
    for (let i = 0; i < pairs.length; i += PAGE) {
      batches.push({ kind: 'pairs', pairs: pairs.slice(i, i + PAGE) })
    }
    batches.push({ kind: 'listed', position })
  }

  #announce(revision: number, changes: readonly RawChange[], applied: Applied | undefined): void {
    this.#revision = revision
    this.#history.add(revision, changes)
    const position = this.#position()
    // A watcher alone may as well look itself.
    const alone = this.#watchers.size === 1
    this.#backlog = 0
    for (const { cover, batches } of this.#watchers) {
      this.#backlog = Math.max(this.#backlog, batches.size)
      const seen = alone ? changes : coveredOf(changes, cover)
      // A stream that was given up routes nothing any more, though it is not yet gone.
      if (seen.length === 0 || batches.ended) continue
      batches.push(
        applied === undefined
          ? { kind: 'changes', changes: seen, position }
          : { kind: 'changes', changes: seen, position, receipt: applied.receipt() },
      )
    }
  }

  /** A stream that ends takes nobody's answer along: its batches are never routed. */
  #disown({ batches }: Watcher): void {
    for (const batch of batches.drain()) {
      if (batch.kind === 'changes') batch.receipt?.routed([])
    }
  }

  #assertCondition(op: Op): void {
    if (op.type === 'delete-prefix') return
    const ifAbsent = op.type === 'put' && op.ifAbsent === true
    if (op.ifVersion === undefined && !ifAbsent) return
    const actual = this.#pairs.get(op.key)?.version
    const broken =
      (op.ifVersion !== undefined && op.ifVersion !== actual) || (ifAbsent && actual !== undefined)
    if (broken) throw new VersionConflictError(op.key, op.ifVersion, actual)
  }

  #expire(key: string, ttlMs: number | undefined, io: Io): void {
    this.#stopTimer(key)
    if (ttlMs === undefined) return
    const expire = (): void => {
      if (!this.#remove(key)) return
      const revision = this.#revision + 1
      this.#announce(revision, [{ type: 'delete', key, revision }], undefined)
    }
    this.#timers.set(key, io.clock.after(ttlMs, expire))
  }

  #remove(key: string): boolean {
    this.#stopTimer(key)
    return this.#pairs.delete(key)
  }

  #stopTimer(key: string): void {
    if (this.#timers.size === 0) return
    this.#timers.get(key)?.stop()
    this.#timers.delete(key)
  }

  #under(cover: PrefixIndex<true>): RawPair[] {
    return [...this.#pairs.values()].filter((pair) => cover.covers(pair.key))
  }

  #keysUnder(prefix: string): string[] {
    return [...this.#pairs.keys()].filter((key) => hasPrefix(key, prefix))
  }

  #position(): Position {
    return `${this.#epoch}:${this.#revision}`
  }

  #since(from: Position): RawChange[] | undefined {
    const [epoch, revision] = from.split(':')
    if (epoch !== this.#epoch || !(Number(revision) <= this.#revision)) return undefined
    return this.#history.since(Number(revision))
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClosedError(this.name)
  }
}

/** Mostly all of them: then no copy is made. */
function coveredOf(changes: readonly RawChange[], cover: PrefixIndex<true>): readonly RawChange[] {
  for (const change of changes) {
    if (cover.covers(keyOf(change))) continue
    return changes.filter((each) => cover.covers(keyOf(each)))
  }
  return changes
}

function keyOf(change: RawChange): string {
  return change.type === 'put' ? change.pair.key : change.key
}
