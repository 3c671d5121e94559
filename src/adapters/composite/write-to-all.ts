import type { CommitOptions, CommitResult, Io, Op } from '../../api/transport.ts'
import { outcomeOf, receiversOf, unitedResults } from './part-outcomes.ts'
import { labelledVersion } from './part.ts'
import type { Part } from './part.ts'
import { changedBy } from './union-stream.ts'
import type { UnionStream } from './union-stream.ts'
import { PATIENCE_MS } from './unseen-writes.ts'
import { WriteTurns } from './write-turns.ts'

type PutOp = Extract<Op, { type: 'put' }>

/** A delete that goes from part to part. */
interface Deletion {
  /** A put has begun behind it: in the parts before it nothing is left to delete. */
  overwritten: boolean
}

/** What comes of a write behind a failed one. */
const NOT_TRIED: PromiseRejectedResult = { status: 'rejected', reason: undefined }

/** What comes of a delete where a later put stands. */
const OVERWRITTEN: PromiseFulfilledResult<CommitResult> = {
  status: 'fulfilled',
  value: { versions: [undefined], deleted: 0 },
}

/** Writes of a composite to each of its parts. */
export class WriteToAll {
  readonly #parts: readonly Part[]
  /** What is watched now. */
  readonly #streams: ReadonlySet<UnionStream>
  readonly #turns = new WriteTurns()
  /** By key: deletes that have parts before them. */
  readonly #deletes = new Map<string, Set<Deletion>>()

  constructor(parts: readonly Part[], streams: ReadonlySet<UnionStream>) {
    this.#parts = parts
    this.#streams = streams
  }

  /**
   * It begins when our watches have shown the writes of the same key that were done before: else a part whose watch lags
   * would show older values between newer ones. It does not wait for anybody's `done`.
   * @throws PartialWriteError, RefusedError, and what all parts fail with
   */
  async commit(op: Op, options: CommitOptions, io: Io): Promise<CommitResult> {
    const name = op.type === 'delete-prefix' ? op.prefix : op.key
    if (!this.#turns.waits(name) && !this.#hasUnseen(op)) return this.#write(op, options, io)
    const begun = io.clock.now()
    const rest = (): CommitOptions => within(options, begun, io)
    const withinMs = Math.min(PATIENCE_MS, options.timeoutMs)
    return this.#turns.take(
      name,
      { clock: io.clock, withinMs },
      () => Promise.all(this.#unseen(op, rest())),
      () => this.#write(op, rest(), io),
    )
  }

  #write(op: Op, options: CommitOptions, io: Io): Promise<CommitResult> {
    return op.type === 'put' ? this.#put(op, options, io) : this.#delete(op, options, io)
  }

  #hasUnseen(op: Op): boolean {
    for (const stream of this.#streams) if (stream.hasUnseen(op)) return true
    return false
  }

  /** One promise for each watch that has not shown earlier writes yet. */
  #unseen(op: Op, { timeoutMs }: CommitOptions): Promise<void>[] {
    const withinMs = Math.min(PATIENCE_MS, timeoutMs)
    return [...this.#streams].flatMap((stream) => stream.unseen(op, withinMs))
  }

  async #put(op: PutOp, options: CommitOptions, io: Io): Promise<CommitResult> {
    for (const deletion of this.#deletes.get(op.key) ?? []) deletion.overwritten = true
    const settled = await Promise.allSettled(
      this.#parts.map((_part, index) => this.#writeTo(index, op, options, io)),
    )
    const results = unitedResults(this.#parts, settled)
    const [first] = this.#parts as [Part, ...Part[]]
    const version = labelledVersion(first, results[0]?.versions[0])
    return { versions: [version], ...receiversOf(results) }
  }

  /**
   * One part after the other, each when our watches have shown the one before, lest an older value of another part be
   * seen for a moment. Nothing is deleted behind a failure; what receivers refuse is deleted all the same.
   */
  async #delete(op: Op, options: CommitOptions, io: Io): Promise<CommitResult> {
    const begun = io.clock.now()
    const settled: PromiseSettledResult<CommitResult>[] = this.#parts.map(() => NOT_TRIED)
    const deletion = this.#beginDelete(op)
    for (const index of this.#deleteOrder(op)) {
      // Whoever writes next asks what the watches have shown of the part before it.
      if (this.#hasUnseen(op)) await Promise.all(this.#unseen(op, within(options, begun, io)))
      if (deletion.overwritten) {
        settled[index] = OVERWRITTEN
        continue
      }
      const written = this.#writeTo(index, op, within(options, begun, io), io)
      const [outcome] = await Promise.allSettled([written])
      settled[index] = outcome
      if (outcome.status === 'rejected' && outcomeOf(outcome.reason) !== 'stored') break
    }
    this.#endDelete(op, deletion)
    const results = unitedResults(this.#parts, settled)
    // Several parts may hold the same keys: under a prefix their sum says nothing.
    const deleted =
      op.type === 'delete' ? Math.max(...results.map((r) => r.deleted ?? 0)) : undefined
    return {
      versions: [undefined],
      ...(deleted === undefined ? {} : { deleted }),
      ...receiversOf(results),
    }
  }

  /** Last part first; with `latest` the part that changed the key last comes last: its value is what is seen. */
  #deleteOrder(op: Op): number[] {
    const order = [...this.#parts.keys()].toReversed()
    const seen = op.type === 'delete' ? changedBy(this.#streams, op.key) : undefined
    return seen === undefined ? order : [...order.filter((index) => index !== seen), seen]
  }

  #beginDelete(op: Op): Deletion {
    const deletion = { overwritten: false }
    if (op.type !== 'delete') return deletion
    const known = this.#deletes.get(op.key)
    if (known === undefined) this.#deletes.set(op.key, new Set([deletion]))
    else known.add(deletion)
    return deletion
  }

  #endDelete(op: Op, deletion: Deletion): void {
    if (op.type !== 'delete') return
    const known = this.#deletes.get(op.key)
    known?.delete(deletion)
    if (known?.size === 0) this.#deletes.delete(op.key)
  }

  // Without conditions: no label is to be taken off.
  async #writeTo(index: number, op: Op, options: CommitOptions, io: Io): Promise<CommitResult> {
    const { transport } = this.#parts[index] as Part
    const watching = Array.from(this.#streams, (stream) => stream.writing(index, op))
    try {
      const result = await transport.commit([op], options, io)
      for (const stored of watching) stored()
      return result
    } catch (error) {
      if (outcomeOf(error) === 'stored') for (const stored of watching) stored()
      throw error
    }
  }
}

/** With what is left of its time. */
function within(options: CommitOptions, begun: number, { clock }: Io): CommitOptions {
  const timeoutMs = Math.max(1, options.timeoutMs - Math.max(0, clock.now() - begun))
  return { ...options, timeoutMs }
}
