import { VersionConflictError } from '../../api/errors.ts'
import { hasPrefix } from '../../api/key.ts'
import type { CommitResult, Op, RawChange } from '../../api/transport.ts'
import type { HistoryWrite, Transaction } from './history.ts'
import type { StoreState } from './layout.ts'
import { EpochPair, versionOf } from '../../kit/epoch-pair.ts'
import type { KeyWrite, Store } from './store.ts'

/** What one commit came to. */
export interface Outcome {
  readonly result: CommitResult
  /** Of the changes. */
  readonly revision: number
  /** Each key once; none when nothing was there to delete. */
  readonly changes: readonly RawChange[]
}

/**
 * Commits that are written together, worked out before: each sees what those before it in the batch did. Nobody else
 * writes between, so conditions that hold here hold in the file.
 */
export class WriteBatch {
  readonly #store: Store
  readonly #run: string
  readonly #now: number
  readonly #writes = new Map<string, KeyWrite>()
  /** False spares a look-up per key as long as nothing expires. */
  #mayExpire: boolean
  #revision: number

  constructor(store: Store, run: string, now: number, mayExpire: boolean) {
    this.#store = store
    this.#run = run
    this.#now = now
    this.#mayExpire = mayExpire
    this.#revision = store.state.revision
  }

  get isEmpty(): boolean {
    return this.#writes.size === 0
  }

  /** True when a key expires after this batch, or did before. */
  get mayExpire(): boolean {
    return this.#mayExpire
  }

  /** Takes one commit in. @throws VersionConflictError, leaving the batch as it was */
  add(ops: readonly Op[]): Outcome {
    for (const op of ops) this.#assertCondition(op)
    const [only] = ops
    if (ops.length === 1 && only?.type === 'put') return this.#addPut(only)
    const revision = this.#revision + 1
    const versions: (string | undefined)[] = []
    const changes: RawChange[] = []
    let deleted = 0
    for (const op of ops) {
      if (op.type === 'put') {
        const pair = this.#put(op.key, op.value, op.ttlMs, revision)
        changes.push({ type: 'put', pair })
        versions.push(pair.version)
        continue
      }
      const keys = op.type === 'delete' ? [op.key] : this.#keysUnder(op.prefix)
      for (const key of keys) {
        if (!this.#delete(key, revision)) continue
        deleted++
        changes.push({ type: 'delete', key, revision })
      }
      versions.push(undefined)
    }
    if (changes.length > 0) this.#revision = revision
    return {
      result: { versions, deleted },
      revision,
      changes: ops.length > 1 ? lastOfEach(changes) : changes,
    }
  }

  /** The commit that is by far the most frequent, with less to throw away. */
  #addPut({ key, value, ttlMs }: Op & { type: 'put' }): Outcome {
    const revision = ++this.#revision
    const pair = this.#put(key, value, ttlMs, revision)
    return {
      result: { versions: [pair.version], deleted: 0 },
      revision,
      changes: [{ type: 'put', pair }],
    }
  }

  /** Takes overdue keys out, each with a revision of its own. Before any commit. */
  expire(limit: number): Transaction[] {
    return this.#store.due(this.#now, limit).map((key) => {
      const revision = ++this.#revision
      this.#delete(key, revision)
      return { revision, changes: [{ type: 'delete', key, revision }] }
    })
  }

  /** Resolves when it is on disk; false: the store has another owner. */
  write(claim: number, history: HistoryWrite): Promise<boolean> {
    const state: StoreState = { revision: this.#revision, run: this.#run }
    return this.#store.write(claim, { state, writes: this.#writes, history })
  }

  #assertCondition(op: Op): void {
    if (op.type === 'delete-prefix') return
    const ifAbsent = op.type === 'put' && op.ifAbsent === true
    if (op.ifVersion === undefined && !ifAbsent) return
    const revision = this.#revisionOf(op.key)
    const actual = revision === undefined ? undefined : versionOf(this.#store.epoch, revision)
    const holds = ifAbsent ? actual === undefined : actual === op.ifVersion
    if (!holds) throw new VersionConflictError(op.key, op.ifVersion, actual)
  }

  #put(key: string, value: Uint8Array, ttlMs: number | undefined, revision: number): EpochPair {
    if (ttlMs !== undefined) this.#mayExpire = true
    const deadline = ttlMs === undefined ? undefined : this.#now + ttlMs
    const storedDeadline = this.#storedDeadline(key)
    this.#writes.set(key, { value, revision, deadline, storedDeadline })
    return new EpochPair(key, value, revision, this.#store.epoch)
  }

  #delete(key: string, revision: number): boolean {
    if (this.#revisionOf(key) === undefined) return false
    const storedDeadline = this.#storedDeadline(key)
    this.#writes.set(key, { value: undefined, revision, deadline: undefined, storedDeadline })
    return true
  }

  #revisionOf(key: string): number | undefined {
    const write = this.#writes.get(key)
    if (write === undefined) return this.#store.revisionOf(key)
    return write.value === undefined ? undefined : write.revision
  }

  #storedDeadline(key: string): number | undefined {
    if (!this.#mayExpire) return undefined
    const write = this.#writes.get(key)
    return write === undefined ? this.#store.deadlineOf(key) : write.storedDeadline
  }

  #keysUnder(prefix: string): Set<string> {
    const keys = new Set(this.#store.keysUnder(prefix))
    for (const key of this.#writes.keys()) if (hasPrefix(key, prefix)) keys.add(key)
    return keys
  }
}

/** A key that a prefix delete and a put of one commit both touched changed once. */
function lastOfEach(changes: readonly RawChange[]): readonly RawChange[] {
  const last = new Map<string, RawChange>()
  for (const change of changes) {
    const key = change.type === 'put' ? change.pair.key : change.key
    last.delete(key)
    last.set(key, change)
  }
  return last.size === changes.length ? changes : [...last.values()]
}
