import {
  ClosedError,
  isSyncError,
  TimeoutError,
  TransportUnavailableError,
  UnsupportedOptionError,
} from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import type { Endpoint } from '../../kit/server-url.ts'
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
  Transport,
} from '../../api/transport.ts'
import { Cancellations } from '../../kit/cancellations.ts'
import { Committer } from './commit.ts'
import type { WriteProgress } from './commit.ts'
import { CommandConnection } from '../../grpc-link/command-connection.ts'
import { Dialer } from '../../grpc-link/dialer.ts'
import { Connection } from './connection.ts'
import type { Ambient } from './connection.ts'
import { isCutOff, translate } from './errors.ts'
import { listedPair } from './etcd-pair.ts'
import { keyText, rangeBehind } from './key-range.ts'
import { Leases } from './leases.ts'
import { listOnwards } from './list-pages.ts'
import { REQUEST_OVERHEAD_BYTES } from './options.ts'
import type { EtcdSettings } from './options.ts'
import { readKeys } from './read-keys.ts'
import type { KeyValue } from './schema.ts'
import { WatchStream } from './watch-stream.ts'
import type { StreamMemory } from './watch-stream.ts'

/** What was met and left out, since the transport was made. */
export interface SkippedKeys {
  /** Names that are no keys of ours (datasync.md §1): not UTF-8, or longer than 1 024 bytes. */
  readonly keys: number
}

/** An etcd, or a cluster of them, as the engine sees it. */
export interface EtcdTransport extends Transport {
  readonly skipped: SkippedKeys
}

export class DefaultEtcdTransport implements EtcdTransport {
  readonly name: string
  readonly livenessMs: number
  readonly capabilities: Capabilities
  readonly skipped: { keys: number } = { keys: 0 }
  readonly #settings: EtcdSettings
  readonly #cancellations = new Cancellations()
  readonly #memory: StreamMemory = { fragments: false }
  readonly #closed = new AbortController()
  #working: Working | undefined
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(settings: EtcdSettings) {
    this.#settings = settings
    this.name = settings.name
    this.livenessMs = settings.livenessMs
    this.capabilities = {
      resumable: true,
      storeRevisions: true,
      ttl: true,
      conditionalPut: true,
      transactions: true,
      prefixDelete: true,
      waitForApplied: false,
      browser: false,
      ordered: true,
      maxValueBytes: settings.maxRequestBytes - REQUEST_OVERHEAD_BYTES,
    }
  }

  open(io: Io): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError(this.name))
    this.#opening ??= this.#check(io).catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncIterable<Batch> {
    const { dialer } = this.#work(io)
    const signal = AbortSignal.any([io.signal, this.#closed.signal])
    yield* new WatchStream({
      settings: this.#settings,
      prefixes,
      io: { ...io, signal },
      dialer,
      memory: this.#memory,
      skipped: () => this.#skip(),
    }).run(from)
  }

  async *list(prefix: string, io: Io, part?: ListPart): AsyncIterable<readonly RawPair[]> {
    const connection = await this.#connection(io)
    try {
      const { pageBytes } = this.#settings
      const pages = listOnwards(rangeBehind(prefix, part?.after), connection, pageBytes)
      for (let left = part?.limit ?? Infinity; left > 0;) {
        const page = await this.#abortable(pages.next(), io)
        if (page.done === true) return
        const pairs = this.#pairs(page.value.kvs)
        yield pairs
        left -= pairs.length
      }
    } catch (error) {
      this.#working?.commands.failed(error, connection)
      throw this.#explain(error, io)
    }
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    const connection = await this.#connection(io)
    try {
      const kvs = await this.#abortable(readKeys(keys, connection, this.#settings), io)
      return this.#pairs(kvs)
    } catch (error) {
      this.#working?.commands.failed(error, connection)
      throw this.#explain(error, io)
    }
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const { committer, commands } = this.#work(io)
    if (options.waitFor === 'applied') {
      throw new UnsupportedOptionError(
        "waitFor: 'applied'",
        this.name,
        'other processes watch, too',
      )
    }
    if (ops.length === 0) return { versions: [], deleted: 0 }
    const progress: WriteProgress = { sent: false, cancel: undefined }
    let late = false
    let giveUp = (): void => {}
    const givenUp = new Promise<never>((_resolve, reject) => {
      giveUp = () => {
        reject(new TransportUnavailableError(this.name, 'the write was given up'))
        progress.cancel?.()
      }
    })
    givenUp.catch(() => {})
    const timer = io.clock.after(options.timeoutMs, () => {
      late = true
      giveUp()
    })
    const forget = this.#cancellations.on(io.signal, giveUp)
    let connection: Connection | undefined
    try {
      connection = commands.present ?? (await Promise.race([commands.get(), givenUp]))
      io.signal.throwIfAborted()
      const result = await Promise.race([committer.commit(ops, connection, progress), givenUp])
      commands.answered()
      return result
    } catch (error) {
      if (connection !== undefined) commands.failed(error, connection)
      throw this.#explainWrite(error, progress, late ? options.timeoutMs : undefined, io)
    } finally {
      timer.stop()
      forget()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#closed.abort(new ClosedError(this.name))
    await this.#working?.commands.close()
  }

  /** What waiting cannot mend is found out here; the rest shows in the streams. */
  async #check(io: Io): Promise<void> {
    try {
      await this.#connection(io)
    } catch (error) {
      const failure = this.#explain(error, io)
      if (failure instanceof TransportUnavailableError && failure.retryable) {
        io.logger.warn({ transport: this.name, err: failure }, 'not reachable yet')
        return
      }
      // A transport that did not open holds nothing.
      await this.#working?.commands.close()
      this.#working = undefined
      throw failure
    }
  }

  #work(io: Io): Working {
    if (this.#closing !== undefined) throw new ClosedError(this.name)
    if (this.#working !== undefined) return this.#working
    const ambient: Ambient = { clock: io.clock, logger: io.logger, random: io.random }
    const { name, endpoints, connectTimeoutMs } = this.#settings
    const explain = (error: unknown): SyncError => translate(name, error)
    const make = (endpoint: Endpoint): Connection =>
      new Connection(endpoint, this.#settings, ambient)
    const dialer = new Dialer(
      { name, endpoints, connectTimeoutMs, make, translate: explain },
      ambient,
    )
    this.#working = {
      dialer,
      commands: new CommandConnection({ name, dialer, translate: explain, isCutOff }, ambient),
      committer: new Committer(this.#settings, new Leases(io.clock)),
    }
    return this.#working
  }

  async #connection(io: Io): Promise<Connection> {
    const { commands } = this.#work(io)
    io.signal.throwIfAborted()
    return commands.present ?? (await this.#abortable(commands.get(), io))
  }

  /** The promise's end, or the signal's reason when it aborts first. */
  #abortable<T>(promise: Promise<T>, io: Io): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const forget = this.#cancellations.on(io.signal, () => reject(io.signal.reason))
      promise.then(resolve, reject).finally(forget)
    })
  }

  #pairs(kvs: readonly KeyValue[]): RawPair[] {
    const pairs: RawPair[] = []
    for (const kv of kvs) {
      const key = keyText(kv.key)
      if (key === undefined) this.#skip()
      else pairs.push(listedPair(key, kv))
    }
    return pairs
  }

  #skip(): void {
    this.skipped.keys++
  }

  #explain(error: unknown, io: Io): unknown {
    if (io.signal.aborted && !isSyncError(error)) return error
    return translate(this.name, error)
  }

  #explainWrite(
    error: unknown,
    { sent }: WriteProgress,
    lateMs: number | undefined,
    io: Io,
  ): unknown {
    const outcome = sent ? 'unknown' : 'not-applied'
    if (lateMs !== undefined) return new TimeoutError('the write', lateMs, { outcome })
    if (!sent) return this.#explain(error, io)
    if (isSyncError(error, 'SYNC_UNAVAILABLE') || isSyncError(error, 'SYNC_CLOSED')) {
      // Whatever ended it, it was on its way.
      return new TransportUnavailableError(this.name, error.message, { cause: error, outcome })
    }
    return translate(this.name, error, outcome)
  }
}

/** What exists once the transport is used. */
interface Working {
  readonly dialer: Dialer<Connection>
  readonly commands: CommandConnection<Connection>
  readonly committer: Committer
}
