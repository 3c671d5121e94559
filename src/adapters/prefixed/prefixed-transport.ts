import { InvalidKeyError, InvalidOptionError, VersionConflictError } from '../../api/errors.ts'
import { assertPrefix, hasPrefix, MAX_KEY_BYTES, utf8Length } from '../../api/key.ts'
import { isTransport } from '../../api/options.ts'
import type { TransportStatus } from '../../api/status.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  ListPart,
  Op,
  Position,
  RawChange,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { listOf } from '../../kit/list-of.ts'
import { commonPrefixes } from '../../kit/prefix-index.ts'

/** Puts a prefix before every key on the way in and takes it off on the way out, also in errors. */
export class PrefixedTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs: number
  readonly #inner: Transport
  readonly #prefix: string

  constructor(inner: Transport, prefix: string) {
    assertPrefix(prefix)
    const problem = isTransport(inner)
    if (problem !== undefined) throw new InvalidOptionError('transport', problem)
    this.#inner = inner
    this.#prefix = prefix
    this.name = inner.name
    this.livenessMs = inner.livenessMs ?? 0
    const longest = inner.capabilities.maxKeyBytes ?? MAX_KEY_BYTES
    const { watchablePrefixes } = inner.capabilities
    this.capabilities = {
      ...inner.capabilities,
      maxKeyBytes: longest - utf8Length(prefix),
      ...(watchablePrefixes === undefined
        ? {}
        : { watchablePrefixes: prefixesOut(watchablePrefixes, prefix) }),
    }
  }

  get parts(): readonly TransportStatus[] | undefined {
    return this.#inner.parts
  }

  open(io: Io): Promise<void> {
    return this.#inner.open(io)
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    const inner = prefixes.map((prefix) => this.#prefix + prefix)
    try {
      for await (const batch of this.#inner.stream(inner, from, io)) yield this.#batchOut(batch)
    } catch (error) {
      throw this.#errorOut(error)
    }
  }

  async *list(prefix: string, io: Io, part?: ListPart): AsyncGenerator<readonly RawPair[]> {
    const { after } = part ?? {}
    const inner = part && (after === undefined ? part : { ...part, after: this.#prefix + after })
    try {
      for await (const pairs of listOf(this.#inner, this.#prefix + prefix, io, inner)) {
        yield this.#pairsOut(pairs)
      }
    } catch (error) {
      throw this.#errorOut(error)
    }
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    try {
      const inner = keys.map((key) => this.#prefix + key)
      return this.#pairsOut(await this.#inner.get(inner, io))
    } catch (error) {
      throw this.#errorOut(error)
    }
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const inner = ops.map((op) =>
      op.type === 'delete-prefix'
        ? { ...op, prefix: this.#prefix + op.prefix }
        : { ...op, key: this.#prefix + op.key },
    )
    try {
      return await this.#inner.commit(inner, options, io)
    } catch (error) {
      throw this.#errorOut(error)
    }
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #batchOut(batch: Batch): Batch {
    switch (batch.kind) {
      case 'pairs':
        return { kind: 'pairs', pairs: this.#pairsOut(batch.pairs) }
      case 'changes':
        return { ...batch, changes: batch.changes.flatMap((change) => this.#changeOut(change)) }
      case 'listed':
      case 'progress':
      case 'reset':
        return batch
    }
  }

  #changeOut(change: RawChange): RawChange[] {
    if (change.type === 'put') {
      return this.#pairsOut([change.pair]).map((pair) => ({ type: 'put', pair }))
    }
    const key = this.#keyOut(change.key)
    return key === undefined ? [] : [{ ...change, key }]
  }

  #pairsOut(pairs: readonly RawPair[]): RawPair[] {
    const out: RawPair[] = []
    for (const pair of pairs) {
      const key = this.#keyOut(pair.key)
      if (key !== undefined) out.push(new RenamedPair(pair, key))
    }
    return out
  }

  /** A transport may tell of keys beyond what was asked for; one that is the prefix itself has no name left. */
  #keyOut(key: string): string | undefined {
    if (key.length <= this.#prefix.length || !hasPrefix(key, this.#prefix)) return undefined
    return key.slice(this.#prefix.length)
  }

  #errorOut(error: unknown): unknown {
    if (error instanceof VersionConflictError) {
      const key = this.#keyOut(error.key) ?? error.key
      return new VersionConflictError(key, error.expected, error.actual)
    }
    if (error instanceof InvalidKeyError) {
      return new InvalidKeyError(this.#keyOut(error.key) ?? error.key, 'the store refuses it')
    }
    return error
  }
}

/** What of the inner prefixes is behind the added one. */
function prefixesOut(inner: readonly string[], added: string): string[] {
  return commonPrefixes(inner, [added]).map((prefix) => prefix.slice(added.length))
}

/** The inner pair under its outer key; the version stays lazy. */
class RenamedPair implements RawPair {
  readonly key: string
  readonly #inner: RawPair
  revision: number

  constructor(inner: RawPair, key: string) {
    this.#inner = inner
    this.key = key
    this.revision = inner.revision
  }

  get value(): Uint8Array {
    return this.#inner.value
  }

  get version(): string {
    return this.#inner.version
  }
}
