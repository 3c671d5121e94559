import { UnsupportedOptionError } from '../../api/errors.ts'
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
import { Client } from '../../grpc-link/client.ts'
import type { Reading } from '../../grpc-link/client.ts'
import { Committer } from './commit.ts'
import { Connection } from './connection.ts'
import { translate } from './errors.ts'
import { listedPair } from './etcd-pair.ts'
import { keyText, rangeBehind } from './key-range.ts'
import { Leases } from './leases.ts'
import { listOnwards } from './list-pages.ts'
import type { Page } from './list-pages.ts'
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
  readonly #client: Client<Connection>
  readonly #memory: StreamMemory = { fragments: false }
  #committer: Committer | undefined

  constructor(settings: EtcdSettings) {
    this.#settings = settings
    this.name = settings.name
    this.livenessMs = settings.livenessMs
    this.#client = new Client({
      ...settings,
      make: (endpoint, io) => new Connection(endpoint, settings, io),
      translate: (error, outcome) => translate(settings.name, error, outcome),
    })
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
    return this.#client.open(io)
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncIterable<Batch> {
    const { dialer, signal } = this.#client.forStream(io)
    yield* new WatchStream({
      settings: this.#settings,
      prefixes,
      io: { ...io, signal },
      dialer,
      memory: this.#memory,
      skipped: () => this.#skip(),
    }).run(from)
  }

  list(prefix: string, io: Io, part?: ListPart): AsyncIterable<readonly RawPair[]> {
    return this.#client.read(io, (connection, { abortable }) =>
      this.#pages(
        listOnwards(rangeBehind(prefix, part?.after), connection, this.#settings.pageBytes),
        part?.limit,
        abortable,
      ),
    )
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    const kvs = await this.#client.ask(io, (connection) =>
      readKeys(keys, connection, this.#settings),
    )
    return this.#pairs(kvs)
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    if (options.waitFor === 'applied') {
      throw new UnsupportedOptionError(
        "waitFor: 'applied'",
        this.name,
        'other processes watch, too',
      )
    }
    if (ops.length === 0) return { versions: [], deleted: 0 }
    this.#committer ??= new Committer(this.#settings, new Leases(io.clock))
    const committer = this.#committer
    return this.#client.write(io, options.timeoutMs, (connection, progress) =>
      committer.commit(ops, connection, progress),
    )
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async *#pages(
    pages: AsyncIterator<Page, void>,
    limit: number | undefined,
    abortable: Reading['abortable'],
  ): AsyncGenerator<readonly RawPair[]> {
    for (let left = limit ?? Infinity; left > 0;) {
      const page = await abortable(pages.next())
      if (page.done === true) return
      const pairs = this.#pairs(page.value.kvs)
      yield pairs
      left -= pairs.length
    }
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
}
