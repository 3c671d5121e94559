import {
  ClosedError,
  isSyncError,
  TimeoutError,
  TransportUnavailableError,
  UnsupportedOptionError,
} from '../../api/errors.ts'
import { MAX_KEY_BYTES } from '../../api/key.ts'
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
import { Calls } from '../../kit/call.ts'
import type { Call } from '../../kit/call.ts'
import type { Ambient, Client } from './client.ts'
import { newClient } from './client.ts'
import { commitOps } from './commit.ts'
import { Control } from './control.ts'
import { translate } from './errors.ts'
import type { LiveTable } from './live-table.ts'
import type { KafkaSettings } from './options.ts'
import { pagesOf, readTopic, targetsOf } from './point-read.ts'
import type { Table } from './table.ts'
import { assertCompacted, prepareTopic, readTopicSettings } from './topic-settings.ts'
import type { TopicSettings } from './topic-settings.ts'
import { Transactions } from './transactions.ts'
import { WatchStream } from './watch-stream.ts'
import type { ParkedTable } from './watch-stream.ts'
import { WriteQueue } from './write-queue.ts'

/** Pairs per page of a list. */
const PAGE = 2_000
/** How long a read waits for a stream, whose consumer may take nothing, before it reads the topic itself; ms. */
const REACH_MS = 1_000
/** Tables of ended streams that are kept for those that go on. */
const PARKED = 4

/** What was met and left out, since the transport was made. */
export interface SkippedRecords {
  /** Records whose keys are none of ours (datasync.md §1): none, empty, not UTF-8, or longer than 1 024 bytes. */
  readonly keys: number
  /** Keys that were seen in several partitions; the newest timestamp won. */
  readonly stranded: number
}

/** A compacted topic, as the engine sees it. */
export interface KafkaTransport extends Transport {
  readonly skipped: SkippedRecords
}

export class DefaultKafkaTransport implements KafkaTransport {
  readonly name: string
  readonly livenessMs: number
  readonly skipped: { keys: number; stranded: number } = { keys: 0, stranded: 0 }
  readonly #settings: KafkaSettings
  readonly #calls: Calls = new Calls()
  readonly #views = new Set<LiveTable>()
  readonly #streams = new Set<Call>()
  #parked: ParkedTable[] = []
  #partitions: number | undefined
  #topicSettings: TopicSettings | undefined
  #prepared = false
  #working: Working | undefined
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(settings: KafkaSettings) {
    this.#settings = settings
    this.name = settings.name
    this.livenessMs = settings.livenessMs
  }

  /** `ordered` is true once the topic is known to have one partition only: between partitions there is no order. */
  get capabilities(): Capabilities {
    return {
      resumable: true,
      storeRevisions: true,
      ttl: false,
      conditionalPut: false,
      transactions: true,
      prefixDelete: false,
      waitForApplied: false,
      browser: false,
      ordered: this.#partitions === 1,
      maxValueBytes: this.#settings.maxValueBytes,
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
    this.#work(io)
    const call = this.#calls.begin(io.signal)
    this.#streams.add(call)
    const warned = { stranded: false }
    try {
      yield* new WatchStream({
        settings: this.#settings,
        prefixes,
        from,
        io: { ...io, signal: call.signal },
        settingsOf: (client, fresh) => this.#settingsOf(client, fresh, io),
        skipped: () => this.#skip(),
        stranded: (key) => this.#strand(key, warned, io),
        partitions: (count) => {
          this.#partitions = count
        },
        unpark: (position) => this.#unpark(position),
        park: (parked) => {
          this.#parked = [...this.#parked, parked].slice(-PARKED)
        },
        goesLive: (table) => this.#views.add(table),
        goesOff: (table) => this.#views.delete(table),
      }).run()
    } finally {
      this.#streams.delete(call)
      this.#calls.release(call, io.signal)
    }
  }

  async *list(prefix: string, io: Io): AsyncIterable<readonly RawPair[]> {
    const view = await this.#within(io, (call) => this.#reached([prefix], call, io))
    if (view !== undefined) {
      yield* pagesOf(view.under(prefix), prefix, PAGE)
      return
    }
    const table = await this.#within(io, (call) =>
      this.#readTopic((key) => key.startsWith(prefix), call),
    )
    yield* pagesOf([...table.pairs.values()], prefix, PAGE)
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    return this.#within(io, async (call) => {
      const view = await this.#reached(keys, call, io)
      if (view !== undefined) return present(keys.map((key) => view.get(key)))
      const wanted = new Set(keys)
      const table = await this.#readTopic((key) => wanted.has(key), call)
      return present(keys.map((key) => table.pairs.get(key)))
    })
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const { writes, transactions } = this.#work(io)
    if (options.waitFor === 'applied') {
      throw new UnsupportedOptionError(
        "waitFor: 'applied'",
        this.name,
        'other processes watch, too',
      )
    }
    const call = this.#calls.begin(io.signal)
    const progress = commitOps(ops, {
      settings: this.#settings,
      writes,
      transactions,
      control: this.#work(io).control,
      listKeys: (prefix) => this.#listKeys(prefix, io),
    })
    let late = false
    const timer = io.clock.after(options.timeoutMs, () => {
      late = true
      call.abort(undefined)
    })
    try {
      return await call.race(progress.result)
    } catch (error) {
      const outcome = progress.sent() ? 'unknown' : 'not-applied'
      if (late || io.signal.aborted) {
        progress.cancel()
        if (late) throw new TimeoutError('the write', options.timeoutMs, { outcome, cause: error })
        if (outcome === 'not-applied') throw error
        throw new TransportUnavailableError(this.name, 'the write was given up', { outcome })
      }
      throw translate(this.name, error)
    } finally {
      timer.stop()
      this.#calls.release(call, io.signal)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#parked = []
    for (const stream of this.#streams) stream.abort(new ClosedError(this.name))
    const working = this.#working
    this.#working = undefined
    await Promise.all([working?.transactions.close(), working?.control.close()])
  }

  /** What waiting cannot mend is found out here; the rest shows in the streams. */
  async #check(io: Io): Promise<void> {
    this.#work(io)
    const call = this.#calls.begin(io.signal)
    let client: Client | undefined
    try {
      client = await newClient(this.#settings, io, this.#settings.commandTimeoutMs)
      await call.race(this.#prepare(client, io))
    } catch (error) {
      const failure = this.#explain(error, io)
      if (failure instanceof TransportUnavailableError && failure.retryable) {
        io.logger.warn({ transport: this.name, err: failure }, 'not reachable yet')
        return
      }
      // A transport that did not open holds nothing.
      await this.#end()
      throw failure
    } finally {
      this.#calls.release(call, io.signal)
      await client?.end(new Error('the check is over'))
    }
  }

  async #prepare(client: Client, io: Io): Promise<TopicSettings> {
    const { topic } = this.#settings
    const settings = await prepareTopic(client, this.#settings, io)
    await client.cluster.connect()
    await client.cluster.addTargetTopic(topic)
    this.#partitions = client.cluster.findTopicPartitionMetadata(topic).length
    this.#prepared = true
    return this.#learn(settings)
  }

  #learn(settings: TopicSettings): TopicSettings {
    this.#topicSettings = settings
    if (this.#working !== undefined) {
      this.#working.writes.maxMessageBytes = settings.maxMessageBytes
    }
    return settings
  }

  async #settingsOf(client: Client, fresh: boolean, io: Io): Promise<TopicSettings> {
    // It was not reachable at `open`: what is due then is due now.
    if (!this.#prepared) return this.#prepare(client, io)
    if (!fresh && this.#topicSettings !== undefined) return this.#topicSettings
    const admin = client.kafka.admin()
    try {
      await admin.connect()
      const settings = await readTopicSettings(admin, this.#settings.topic)
      assertCompacted(this.#settings.topic, settings)
      return this.#learn(settings)
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }

  #work(io: Io): Working {
    if (this.#closing !== undefined) throw new ClosedError(this.name)
    if (this.#working !== undefined) return this.#working
    const ambient: Ambient = { clock: io.clock, logger: io.logger, random: io.random }
    const control = new Control(this.#settings, ambient)
    const writes = new WriteQueue(this.#settings, control, io.clock)
    const transactions = new Transactions(this.#settings, ambient)
    this.#working = { control, writes, transactions }
    return this.#working
  }

  /** A live table that has all that is stored now under these prefixes or keys; undefined when there is none. */
  async #reached(prefixes: readonly string[], call: Call, io: Io): Promise<LiveTable | undefined> {
    const { control, writes } = this.#working as Working
    const view = [...this.#views].find((one) => prefixes.every((prefix) => one.covers(prefix)))
    if (view === undefined) return undefined
    const targets = await control.use((connected) =>
      targetsOf(connected, this.#settings.topic, writes.written),
    )
    call.throwIfAborted()
    const reached = await new Promise<boolean>((resolve, reject) => {
      const timer = io.clock.after(REACH_MS, () => resolve(false), { keepAlive: true })
      view
        .reach(targets)
        .then(resolve, reject)
        .finally(() => timer.stop())
    })
    return reached ? view : undefined
  }

  #readTopic(wanted: (key: string) => boolean, call: Call): Promise<Table> {
    const { control, writes } = this.#working as Working
    return control.use(async (connected) => {
      const targets = await targetsOf(connected, this.#settings.topic, writes.written)
      return readTopic(connected, this.#settings, wanted, targets, () => {}, call.signal)
    })
  }

  async #listKeys(prefix: string, io: Io): Promise<readonly string[]> {
    const keys: string[] = []
    for await (const page of this.list(prefix, io)) for (const { key } of page) keys.push(key)
    return keys
  }

  async #within<T>(io: Io, read: (call: Call) => Promise<T>): Promise<T> {
    this.#work(io)
    const call = this.#calls.begin(io.signal)
    try {
      return await call.race(read(call))
    } catch (error) {
      throw this.#explain(error, io)
    } finally {
      this.#calls.release(call, io.signal)
    }
  }

  #unpark(position: Position): Table | undefined {
    const found = this.#parked.find((parked) => parked.position === position)
    this.#parked = this.#parked.filter((parked) => parked !== found)
    return found?.table
  }

  #skip(): void {
    this.skipped.keys++
  }

  #strand(key: string, warned: { stranded: boolean }, io: Io): void {
    this.skipped.stranded++
    if (warned.stranded) return
    warned.stranded = true
    io.logger.warn(
      { transport: this.name, topic: this.#settings.topic, key: key.slice(0, MAX_KEY_BYTES) },
      'keys lie in several partitions (has the topic grown?): the newest timestamp wins',
    )
  }

  #explain(error: unknown, io: Io): unknown {
    if (io.signal.aborted && !isSyncError(error)) return error
    return translate(this.name, error)
  }
}

/** What exists once the transport is used. */
interface Working {
  readonly control: Control
  readonly writes: WriteQueue
  readonly transactions: Transactions
}

function present<T>(found: readonly (T | undefined)[]): T[] {
  return found.filter((pair): pair is T => pair !== undefined)
}
