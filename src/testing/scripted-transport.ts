import type {
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
  Transport,
} from '../api/transport.ts'
import { ClosedError } from '../api/errors.ts'
import { hasPrefix } from '../api/key.ts'
import { rawPair } from './script-inputs.ts'
import type { PairInput } from './script-inputs.ts'
import { ScriptedStream } from './scripted-stream.ts'

/** One call of `commit`, with what it is answered. */
export interface ScriptedCommit {
  readonly ops: readonly Op[]
  readonly options: CommitOptions
  readonly signal: AbortSignal
}

export interface ScriptedTransportOptions {
  /** `scripted`. */
  readonly name?: string
  /** Over: resumable, storeRevisions, ordered; no TTL, conditions, transactions; 64 MiB. */
  readonly capabilities?: Partial<Capabilities>
  /** 0: silence is never a lost link. */
  readonly livenessMs?: number
}

/**
 * A {@link Transport} that does what a test says, and nothing else. Streams are told by the number of their call, before
 * or after it comes:
 *
 * ```ts
 * const transport = new ScriptedTransport()
 * transport.script.stream(0).pairs([['/a', '1', 1]]).listed('p1').changes([['put', '/a', '2', 2]], { position: 'p2' })
 * ```
 */
export class ScriptedTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs: number
  readonly script: TransportScript = new TransportScript()

  constructor(options: ScriptedTransportOptions = {}) {
    this.name = options.name ?? 'scripted'
    this.livenessMs = options.livenessMs ?? 0
    this.capabilities = {
      resumable: true,
      storeRevisions: true,
      ttl: false,
      conditionalPut: false,
      transactions: false,
      prefixDelete: false,
      waitForApplied: false,
      browser: true,
      ordered: true,
      maxValueBytes: 64 * 2 ** 20,
      ...options.capabilities,
    }
  }

  async open(io: Io): Promise<void> {
    this.script.opens++
    await this.script.onOpen(io)
  }

  stream(prefixes: readonly string[], from: Position | undefined, io: Io): ScriptedStream {
    const stream = this.script.stream(this.script.streams.length)
    this.script.streams.push(stream)
    stream.open(prefixes, from, io.signal)
    return stream
  }

  async *list(prefix: string): AsyncGenerator<readonly RawPair[]> {
    yield [...this.script.store.values()].filter((pair) => hasPrefix(pair.key, prefix))
  }

  async get(keys: readonly string[]): Promise<readonly RawPair[]> {
    return keys.flatMap((key) => this.script.store.get(key) ?? [])
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const commit = { ops, options, signal: io.signal }
    this.script.commits.push(commit)
    return await this.script.onCommit(commit)
  }

  async close(): Promise<void> {
    this.script.closes++
    for (const stream of this.script.streams) stream.fail(new ClosedError(this.name))
    await this.script.onClose()
  }
}

/** The test's side of a {@link ScriptedTransport}. */
export class TransportScript {
  /** Calls of `open`. */
  opens = 0
  /** Calls of `close`. */
  closes = 0
  /** The streams that were called, in order. */
  readonly streams: ScriptedStream[] = []
  /** The calls of `commit`, in order. */
  readonly commits: ScriptedCommit[] = []
  /** What `get` and `list` answer from; streams and commits leave it alone. */
  readonly store: Map<string, RawPair> = new Map()
  /** Replace it to let `open` wait or fail. */
  onOpen: (io: Io) => unknown = () => {}
  /** Replace it to let `close` wait or fail. */
  onClose: () => unknown = () => {}
  /** Replace it to answer otherwise than with the versions `c1`, `c2`, … */
  onCommit: (commit: ScriptedCommit) => CommitResult | Promise<CommitResult> = (commit) => ({
    versions: commit.ops.map((op) => (op.type === 'put' ? `c${this.commits.length}` : undefined)),
  })
  readonly #planned: ScriptedStream[] = []

  /** The stream of call number `index` (from 0); it may be told things before it is called. */
  stream(index: number): ScriptedStream {
    for (let i = this.#planned.length; i <= index; i++) this.#planned.push(new ScriptedStream())
    return this.#planned[index] as ScriptedStream
  }

  /** Puts pairs into `store`. */
  holds(pairs: readonly PairInput[]): this {
    for (const input of pairs) {
      const pair = rawPair(input)
      this.store.set(pair.key, pair)
    }
    return this
  }
}
