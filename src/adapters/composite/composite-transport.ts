import {
  ClosedError,
  InvalidOptionError,
  isSyncError,
  PartialWriteError,
  RefusedError,
  TimeoutError,
  TransportUnavailableError,
  UnsupportedOptionError,
  VersionConflictError,
} from '../../api/errors.ts'
import type { PartOutcome, WriteOutcome } from '../../api/errors.ts'
import { checkOptions, isString, isTransport, oneOf } from '../../api/options.ts'
import type { TransportStatus } from '../../api/status.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { listOf } from '../../kit/list-of.ts'
import { commonPrefixes } from '../../kit/prefix-index.ts'
import { RevisionCounter } from '../../source/watch-loop.ts'
import { UnionStream } from './union-stream.ts'
import { PATIENCE_MS } from './unseen-writes.ts'
import { UnionPair, versionOf } from './union-view.ts'
import type { Conflict } from './union-view.ts'
import { WriteTurns } from './write-turns.ts'

export interface CompositeOptions {
  /** In events, metrics and errors; `composite`. */
  readonly name?: string
  /** For a key that several parts hold: the first in order (default), or the part that changed it last. */
  readonly conflict?: Conflict
  /** A lost part's last known pairs stay (`keep`, default) or are taken out (`drop`). */
  readonly onPartLost?: 'keep' | 'drop'
  /** Writes go to every part (`all`, default) or to the first one; conditions and `txn` need `first`. */
  readonly write?: 'all' | 'first'
}

interface Part {
  readonly label: string
  readonly transport: Transport
  /** Times that a stream of it had to be opened again. */
  reconnects: number
  lastError: unknown
}

type PutOp = Extract<Op, { type: 'put' }>

/** A delete that goes from part to part. */
interface Deletion {
  /** A put has begun behind it: in the parts before it nothing is left to delete. */
  overwritten: boolean
}

const PAGE = 1_000

/** What comes of a write behind a failed one. */
const NOT_TRIED: PromiseRejectedResult = { status: 'rejected', reason: undefined }

/** What comes of a delete where a later put stands. */
const OVERWRITTEN: PromiseFulfilledResult<CommitResult> = {
  status: 'fulfilled',
  value: { versions: [undefined], deleted: 0 },
}

/** Several transports as one: the union of their pairs (datasync.md §6). */
export class CompositeTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  /** Each part keeps its own link alive. */
  readonly livenessMs = 0
  readonly #parts: readonly Part[]
  readonly #conflict: Conflict
  readonly #onPartLost: 'keep' | 'drop'
  readonly #write: 'all' | 'first'
  readonly #revisions = new RevisionCounter()
  readonly #streams = new Set<UnionStream>()
  readonly #turns = new WriteTurns()
  /** By key: deletes that have parts before them. */
  readonly #deletes = new Map<string, Set<Deletion>>()
  #closed = false

  constructor(transports: readonly Transport[], options: CompositeOptions = {}) {
    checkOptions<CompositeOptions>(options, {
      name: isString,
      conflict: oneOf('first', 'latest'),
      onPartLost: oneOf('keep', 'drop'),
      write: oneOf('all', 'first'),
    })
    if (!Array.isArray(transports)) throw new InvalidOptionError('parts', 'must be an array')
    if (transports.length === 0) throw new InvalidOptionError('parts', 'is empty')
    for (const [i, transport] of transports.entries()) {
      const problem = isTransport(transport)
      if (problem !== undefined) throw new InvalidOptionError(`parts[${i}]`, problem)
    }
    this.name = options.name ?? 'composite'
    this.#conflict = options.conflict ?? 'first'
    this.#onPartLost = options.onPartLost ?? 'keep'
    this.#write = options.write ?? 'all'
    this.#parts = labelled(transports)
    this.capabilities = unitedCapabilities(transports, this.#write)
  }

  /** As far as its streams have seen: a part that is away stops no other, so that nothing else tells of it. */
  get parts(): readonly TransportStatus[] {
    return this.#parts.map(({ label, transport, reconnects, lastError }, index) => {
      const whole = transport.parts?.every((inner) => inner.state === 'live') ?? true
      const live = whole && ![...this.#streams].some((stream) => stream.awaits(index))
      return { name: label, state: live ? 'live' : 'stale', reconnects, lastError }
    })
  }

  async open(io: Io): Promise<void> {
    if (this.#closed) throw new ClosedError(this.name)
    await Promise.all(this.#parts.map(({ transport }) => transport.open(io)))
  }

  stream(prefixes: readonly string[], _from: Position | undefined, io: Io): AsyncIterable<Batch> {
    const stream = new UnionStream({
      parts: this.#parts,
      prefixes,
      conflict: this.#conflict,
      onPartLost: this.#onPartLost,
      nextRevision: () => this.#revisions.next(),
      io,
      onLost: (index, error) => {
        const part = this.#parts[index] as Part
        part.reconnects++
        part.lastError = error
      },
      onEnd: (ended) => this.#streams.delete(ended),
    })
    if (!io.signal.aborted) this.#streams.add(stream)
    return stream.batches()
  }

  async *list(prefix: string, io: Io): AsyncGenerator<readonly RawPair[]> {
    const found: (readonly RawPair[])[] = []
    for (const part of this.#parts) found.push(await this.#listPart(part, prefix, io))
    const pairs = this.#united(found)
    for (let i = 0; i < pairs.length; i += PAGE) yield pairs.slice(i, i + PAGE)
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    return this.#united(
      await Promise.all(
        this.#parts.map((part) => this.#reading(() => part.transport.get(keys, io))),
      ),
    )
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const [first] = this.#parts as [Part, ...Part[]]
    if (this.#write === 'first' || this.#parts.length === 1) {
      return this.#commitTo(first, ops, options, io)
    }
    const [op] = ops
    if (op === undefined) return { versions: [] }
    if (ops.length > 1)
      throw new UnsupportedOptionError('txn', this.name, "it needs write: 'first'")
    return this.#inTurn(op, options, io, (rest) =>
      op.type === 'put' ? this.#putEverywhere(op, rest, io) : this.#deleteEverywhere(op, rest, io),
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#parts.map(({ transport }) => transport.close()))
  }

  async #listPart(part: Part, prefix: string, io: Io): Promise<RawPair[]> {
    return this.#reading(async () => {
      const pairs: RawPair[] = []
      for await (const page of listOf(part.transport, prefix, io)) pairs.push(...page)
      return pairs
    })
  }

  /** What is seen of the pairs that every part holds: as its watchers see it, where there are any. */
  #united(found: readonly (readonly RawPair[])[]): RawPair[] {
    const union = new Map<string, RawPair>()
    for (const [index, pairs] of found.entries()) {
      for (const pair of pairs) {
        if (union.has(pair.key) && this.#changedBy(pair.key) !== index) continue
        union.set(pair.key, this.#shown(index, pair))
      }
    }
    return [...union.values()]
  }

  /** With `latest`: the part that changed the key last, as far as a stream has seen. */
  #changedBy(key: string): number | undefined {
    for (const stream of this.#streams) {
      const part = stream.changedBy(key)
      if (part !== undefined) return part
    }
    return undefined
  }

  /** With `drop`, a part that is out of reach counts for nothing. */
  async #reading<T extends readonly RawPair[]>(read: () => Promise<T>): Promise<T | never[]> {
    try {
      return await read()
    } catch (error) {
      if (this.#onPartLost === 'drop' && error instanceof TransportUnavailableError) return []
      throw error
    }
  }

  #shown(index: number, pair: RawPair): RawPair {
    const { label } = this.#parts[index] as Part
    return new UnionPair(index, label, pair, this.#revisions.last)
  }

  async #commitTo(
    part: Part,
    ops: readonly Op[],
    options: CommitOptions,
    io: Io,
  ): Promise<CommitResult> {
    const inner = ops.map((op) => withoutLabel(op, part.label))
    try {
      const result = await part.transport.commit(inner, options, io)
      return {
        ...result,
        versions: result.versions.map((version) => labelledVersion(part, version)),
      }
    } catch (error) {
      if (!(error instanceof VersionConflictError)) throw error
      const { key, actual } = error
      // As it was given: it may be the version of another part.
      const op = ops.find((one) => one.type !== 'delete-prefix' && one.key === key)
      const expected = op?.type === 'delete-prefix' ? undefined : op?.ifVersion
      throw new VersionConflictError(key, expected, labelledVersion(part, actual))
    }
  }

  /**
   * A write to all parts begins when our watches have shown the writes of the same key that were done before: else a
   * part whose watch lags would show older values between newer ones. It does not wait for anybody's `done`.
   */
  async #inTurn<T>(
    op: Op,
    options: CommitOptions,
    io: Io,
    write: (rest: CommitOptions) => Promise<T>,
  ): Promise<T> {
    const name = op.type === 'delete-prefix' ? op.prefix : op.key
    if (!this.#turns.waits(name) && !this.#hasUnseen(op)) return write(options)
    const begun = io.clock.now()
    const rest = (): CommitOptions => within(options, begun, io)
    const withinMs = Math.min(PATIENCE_MS, options.timeoutMs)
    return this.#turns.take(
      name,
      { clock: io.clock, withinMs },
      () => Promise.all(this.#unseen(op, rest())),
      () => write(rest()),
    )
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

  async #putEverywhere(op: PutOp, options: CommitOptions, io: Io): Promise<CommitResult> {
    for (const deletion of this.#deletes.get(op.key) ?? []) deletion.overwritten = true
    const settled = await Promise.allSettled(
      this.#parts.map((_part, index) => this.#writeTo(index, op, options, io)),
    )
    const results = this.#complete(settled)
    const [first] = this.#parts as [Part, ...Part[]]
    const version = labelledVersion(first, results[0]?.versions[0])
    return { versions: [version], ...receiversOf(results) }
  }

  /**
   * One part after the other, each when our watches have shown the one before, lest an older value of another part be
   * seen for a moment. Nothing is deleted behind a failure; what receivers refuse is deleted all the same.
   */
  async #deleteEverywhere(op: Op, options: CommitOptions, io: Io): Promise<CommitResult> {
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
    const results = this.#complete(settled)
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
    const seen = op.type === 'delete' ? this.#changedBy(op.key) : undefined
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
    const before = Array.from(this.#streams, (stream) => [stream, stream.held(index, op)] as const)
    const stored = (): void => {
      for (const [stream, pairs] of before) stream.wrote(index, op, pairs)
    }
    try {
      const result = await transport.commit([op], options, io)
      stored()
      return result
    } catch (error) {
      if (outcomeOf(error) === 'stored') stored()
      throw error
    }
  }

  #complete(settled: readonly PromiseSettledResult<CommitResult>[]): CommitResult[] {
    const failures = settled.filter((result) => result.status === 'rejected')
    if (failures.length === 0) {
      return settled.map((r) => (r as PromiseFulfilledResult<CommitResult>).value)
    }
    const parts = settled.map((result, index): PartOutcome => ({
      part: (this.#parts[index] as Part).label,
      outcome: result.status === 'fulfilled' ? 'stored' : outcomeOf(result.reason),
      ...(result.status === 'rejected' && result.reason !== undefined
        ? { error: result.reason as unknown }
        : {}),
    }))
    const untouched = parts.every((part) => part.outcome === 'not-applied')
    if (untouched) throw failures.find((failure) => failure.reason !== undefined)?.reason
    if (parts.every((part) => part.outcome === 'stored')) throw unitedRefusal(failures)
    throw new PartialWriteError(parts)
  }
}

/** With what is left of its time. */
function within(options: CommitOptions, begun: number, { clock }: Io): CommitOptions {
  const timeoutMs = Math.max(1, options.timeoutMs - Math.max(0, clock.now() - begun))
  return { ...options, timeoutMs }
}

function outcomeOf(error: unknown): WriteOutcome {
  if (error instanceof TransportUnavailableError || error instanceof TimeoutError) {
    return error.outcome
  }
  if (isSyncError(error, 'SYNC_REFUSED')) return 'stored'
  // Of a part that is made of parts.
  if (isSyncError(error, 'SYNC_PARTIAL_WRITE')) return 'unknown'
  // Not tried, or refused at the door.
  return error === undefined || isSyncError(error) ? 'not-applied' : 'unknown'
}

function receiversOf(results: readonly CommitResult[]): { receivers?: number } {
  const receivers = results.map((result) => result.receivers).filter((n) => n !== undefined)
  return receivers.length === 0 ? {} : { receivers: receivers.reduce((a, b) => a + b) }
}

/** Every part has stored it, but not every receiver took it, or said so in time. */
function unitedRefusal(failures: readonly PromiseRejectedResult[]): unknown {
  const refusals = failures.flatMap(({ reason }) =>
    reason instanceof RefusedError ? reason.refusals : [],
  )
  return refusals.length > 0 ? new RefusedError(refusals) : failures[0]?.reason
}

function labelledVersion(part: Part, version: string | undefined): string | undefined {
  return version === undefined ? undefined : versionOf(part.label, version)
}

/** A version of another part can never be the first one's: it stays as it is and conflicts. */
function withoutLabel(op: Op, label: string): Op {
  if (op.type === 'delete-prefix' || op.ifVersion === undefined) return op
  const mark = versionOf(label, '')
  if (!op.ifVersion.startsWith(mark)) return op
  return { ...op, ifVersion: op.ifVersion.slice(mark.length) }
}

/** Parts of the same name are told apart by their place. */
function labelled(transports: readonly Transport[]): Part[] {
  const names = transports.map((transport) => transport.name)
  return transports.map((transport, i) => {
    const unique = names.indexOf(transport.name) === names.lastIndexOf(transport.name)
    const label = unique ? transport.name : `${transport.name}-${i + 1}`
    return { label, transport, reconnects: 0, lastError: undefined }
  })
}

function unitedCapabilities(
  transports: readonly Transport[],
  write: 'all' | 'first',
): Capabilities {
  const all = transports.map((transport) => transport.capabilities)
  const [first] = all as [Capabilities, ...Capabilities[]]
  const single = write === 'first' || all.length === 1
  const every = (flag: 'ttl' | 'waitForApplied' | 'browser' | 'prefixDelete'): boolean =>
    all.every((capabilities) => capabilities[flag])
  const keyLimits = all
    .map((capabilities) => capabilities.maxKeyBytes)
    .filter((n) => n !== undefined)
  // Every part is watched.
  const watched = all.flatMap(({ watchablePrefixes: prefixes }) =>
    prefixes === undefined ? [] : [prefixes],
  )
  return {
    resumable: false,
    storeRevisions: true,
    ttl: single ? first.ttl : every('ttl'),
    conditionalPut: single && first.conditionalPut,
    transactions: single && first.transactions,
    prefixDelete: single && first.prefixDelete,
    waitForApplied: single ? first.waitForApplied : every('waitForApplied'),
    browser: every('browser'),
    ordered: false,
    maxValueBytes: Math.min(
      ...(single ? [first] : all).map(({ maxValueBytes = Infinity }) => maxValueBytes),
    ),
    ...(all.some((capabilities) => capabilities.watchable === false) ? { watchable: false } : {}),
    ...(watched.length === 0 ? {} : { watchablePrefixes: watched.reduce(commonPrefixes) }),
    ...(keyLimits.length === 0 ? {} : { maxKeyBytes: Math.min(...keyLimits) }),
  }
}
