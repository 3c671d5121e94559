import {
  ClosedError,
  InvalidOptionError,
  TransportUnavailableError,
  UnsupportedOptionError,
  VersionConflictError,
} from '../../api/errors.ts'
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
import { RevisionCounter } from '../../source/watch-loop.ts'
import { unitedCapabilities } from './capabilities.ts'
import { labelled, labelledVersion } from './part.ts'
import type { Part } from './part.ts'
import { changedBy, UnionStream } from './union-stream.ts'
import { UnionPair, versionOf } from './union-view.ts'
import type { Conflict } from './union-view.ts'
import { WriteToAll } from './write-to-all.ts'

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

const PAGE = 1_000

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
  readonly #toAll: WriteToAll
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
    this.#toAll = new WriteToAll(this.#parts, this.#streams)
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
    return this.#toAll.commit(op, options, io)
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
        if (union.has(pair.key) && changedBy(this.#streams, pair.key) !== index) continue
        union.set(pair.key, this.#shown(index, pair))
      }
    }
    return [...union.values()]
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
}

/** A version of another part can never be the first one's: it stays as it is and conflicts. */
function withoutLabel(op: Op, label: string): Op {
  if (op.type === 'delete-prefix' || op.ifVersion === undefined) return op
  const mark = versionOf(label, '')
  if (!op.ifVersion.startsWith(mark)) return op
  return { ...op, ifVersion: op.ifVersion.slice(mark.length) }
}
