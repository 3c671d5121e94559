import { TransportUnavailableError } from '../../api/errors.ts'
import type { Timer } from '../../api/clock.ts'
import type { Batch, Io, Position, RawChange, RawPair } from '../../api/transport.ts'
import { onAbort } from '../../kit/abortable.ts'
import { coverOf, PrefixIndex } from '../../kit/prefix-index.ts'
import { newClient } from './client.ts'
import type { Client } from './client.ts'
import { isOutOfRange, translate } from './errors.ts'
import type { KafkaRecord } from './kafka-record.ts'
import { LiveTable } from './live-table.ts'
import type { KafkaSettings } from './options.ts'
import { partitionerOf } from './partitioner.ts'
import type { Partitioner } from './partitioner.ts'
import { decodePosition } from './position.ts'
import type { TopicPosition } from './position.ts'
import type { RecordPage } from './records.ts'
import { StreamPosition } from './stream-position.ts'
import { newTable } from './table.ts'
import type { Table } from './table.ts'
import { isProved, loadTopic, readOffsets } from './topic-offsets.ts'
import type { Offsets } from './topic-offsets.ts'
import { TopicReader } from './topic-reader.ts'
import type { Answer } from './topic-reader.ts'
import { DEFAULT_DELETE_RETENTION_MS } from './topic-settings.ts'
import type { TopicSettings } from './topic-settings.ts'

/** Pairs and changes per batch. */
const BATCH = 2_000
/** After a list, until the table is put in order for point reads. */
const SETTLE_MS = 1_000
/** How often the topic is looked at for new partitions, at most. */
const LOOK_MS = 5_000

/** A table that a stream left behind, and what its consumer knows of it. */
export interface ParkedTable {
  readonly table: Table
  readonly position: Position
}

export interface WatchStreamOptions {
  readonly settings: KafkaSettings
  readonly prefixes: readonly string[]
  readonly from: Position | undefined
  readonly io: Io
  /** What the topic is set to; `fresh`: asked now. @throws InvalidOptionError when it is no table */
  readonly settingsOf: (client: Client, fresh: boolean) => Promise<TopicSettings>
  readonly skipped: () => void
  readonly stranded: (key: string) => void
  readonly partitions: (count: number) => void
  /** The table of an earlier stream at that position, if it is kept. */
  readonly unpark: (position: Position) => Table | undefined
  readonly park: (parked: ParkedTable) => void
  readonly goesLive: (table: LiveTable) => void
  readonly goesOff: (table: LiveTable) => void
}

/** Continuity cannot be proved, or is lost: a new list is due. */
class Discontinuity extends Error {
  readonly reason: 'reconnected' | 'compacted'
  constructor(reason: 'reconnected' | 'compacted') {
    super(reason)
    this.reason = reason
  }
}

/** One stream: every partition from its beginning to the end that it had at the start, or on from a position; then live. */
export class WatchStream {
  readonly #options: WatchStreamOptions
  readonly #wanted: PrefixIndex<true> = new PrefixIndex()
  #table: Table | undefined
  #partitioner: Partitioner = () => 0
  #view: LiveTable | undefined
  #settling: Timer | undefined
  #position: StreamPosition | undefined
  #handedOver: Position | undefined
  #retentionMs = DEFAULT_DELETE_RETENTION_MS
  /** Of the topic, when this list or resume began. */
  #partitions = 0
  /** It has another number now. */
  #grown = false

  constructor(options: WatchStreamOptions) {
    this.#options = options
    for (const prefix of coverOf(options.prefixes)) this.#wanted.set(prefix, true)
  }

  /** Ends by throwing, or with the signal. */
  async *run(): AsyncGenerator<Batch, void, undefined> {
    const { settings, io, park } = this.#options
    let client: Client | undefined
    try {
      client = await newClient(settings, io, settings.livenessMs)
      yield* this.#read(client, this.#options.from)
    } catch (error) {
      if (!io.signal.aborted) throw translate(settings.name, error)
    } finally {
      this.#goOff()
      if (this.#table !== undefined && this.#handedOver !== undefined) {
        park({ table: this.#table, position: this.#handedOver })
      }
      await client?.end(new Error('the stream is over'))
    }
  }

  async *#read(client: Client, from: Position | undefined): AsyncGenerator<Batch> {
    const { io } = this.#options
    const forget = onAbort(io.signal, () => void client.end(new Error('the stream is over')))
    const looking = this.#lookOut(client)
    try {
      let position = from
      for (let again = false; ; again = true) {
        try {
          // Whatever broke continuity may have moved the partitions, too.
          if (again) await client.cluster.refreshMetadata()
          yield* this.#once(client, position, (reader) => {
            looking.reader = reader
          })
          return
        } catch (error) {
          const reason = reasonOf(error)
          if (reason === undefined || io.signal.aborted) throw error
          this.#goOff()
          this.#table = undefined
          position = undefined
          yield { kind: 'reset', reason }
        }
      }
    } finally {
      looking.stop()
      forget()
    }
  }

  /** Until it is over or continuity is lost. @throws Discontinuity, errors of kafkajs */
  async *#once(
    client: Client,
    from: Position | undefined,
    reads: (reader: TopicReader) => void,
  ): AsyncGenerator<Batch> {
    const { settings, io } = this.#options
    const { cluster } = client
    const { topic } = settings
    const begunAt = io.clock.now()
    this.#grown = false
    const partitions = await loadTopic(cluster, topic)
    this.#partitions = partitions
    this.#options.partitions(partitions)
    this.#partitioner = partitionerOf(topic, partitions)
    const of = await this.#options.settingsOf(client, from === undefined)
    this.#retentionMs = of.deleteRetentionMs ?? DEFAULT_DELETE_RETENTION_MS
    const [begins, ends] = await Promise.all([
      readOffsets(cluster, topic, 'beginning'),
      readOffsets(cluster, topic, 'end'),
    ])
    const resumed = from === undefined ? undefined : this.#resume(from, partitions, begins, ends)
    if (resumed !== undefined) await this.#prove(client, resumed.evidence)
    const place = resumed ?? new StreamPosition(topic, begins, begunAt)
    this.#position = place
    const reader = new TopicReader({
      cluster,
      topic,
      from: place.next,
      filter: { covers: (key) => this.#wanted.covers(key), skipped: this.#options.skipped },
      fetchBytes: settings.fetchBytes,
      maxWaitMs: Math.max(1, Math.min(5_000, Math.floor(settings.livenessMs / 4))),
      recheck: (of) => this.#prove(client, place.evidenceOf(of)),
    })
    reads(reader)
    if (resumed === undefined) yield* this.#list(reader, place, ends, begunAt)
    else yield { kind: 'progress', position: this.#handOver() }
    this.#goLive(place.next)
    yield* this.#live(reader, place)
  }

  /** Reads every partition to the end that it had at the start; what comes meanwhile may be in it, too. */
  async *#list(
    reader: TopicReader,
    place: StreamPosition,
    ends: Offsets,
    begunAt: number,
  ): AsyncGenerator<Batch> {
    const { io, settings } = this.#options
    const table = newTable(ends.size, this.#options.stranded, this.#partitioner)
    this.#table = table
    const left = new Map(
      [...ends].filter(([partition, end]) => (place.next.get(partition) ?? 0) < end),
    )
    let saidAt = performance.now()
    while (left.size > 0) {
      const answer = await reader.next()
      if (io.signal.aborted) return
      this.#assertSame()
      for (const page of answer?.pages ?? []) {
        for (const record of page.records) table.load(record)
        place.advance(page)
        if (page.next >= (left.get(page.partition) ?? Infinity)) left.delete(page.partition)
      }
      if (answer !== undefined) this.#caughtUp(answer, place)
      if (io.clock.now() - begunAt > this.#patienceMs) {
        throw new TransportUnavailableError(
          settings.name,
          'the list took longer than half of delete.retention.ms: deletes may be lost',
        )
      }
      // A sign of life: the consumer waits for pairs, which come when all is read.
      if (performance.now() - saidAt > settings.livenessMs / 4) {
        saidAt = performance.now()
        yield { kind: 'progress' }
      }
    }
    let pairs: RawPair[] = []
    for (const pair of table.listed()) {
      pairs.push(pair)
      if (pairs.length < BATCH) continue
      yield { kind: 'pairs', pairs }
      pairs = []
    }
    if (pairs.length > 0) yield { kind: 'pairs', pairs }
    yield { kind: 'listed', position: this.#handOver() }
  }

  async *#live(reader: TopicReader, place: StreamPosition): AsyncGenerator<Batch> {
    const { io } = this.#options
    const alive = new Set<string>()
    for (;;) {
      const answer = await reader.next()
      if (io.signal.aborted) return
      this.#assertSame()
      if (answer === undefined) continue
      for (const page of answer.pages) yield* this.#page(page, place)
      this.#caughtUp(answer, place)
      if (io.clock.now() - place.known > this.#patienceMs) throw new Discontinuity('compacted')
      alive.add(answer.nodeId)
      // Only all brokers together prove that nothing is missed.
      if (alive.size < reader.nodes) continue
      alive.clear()
      yield { kind: 'progress', position: this.#handOver() }
    }
  }

  *#page(page: RecordPage, place: StreamPosition): Generator<Batch> {
    const changes: RawChange[] = []
    for (const record of page.records) {
      const change = this.#table === undefined ? this.#bare(record) : this.#table.apply(record)
      if (change !== undefined) changes.push(change)
    }
    let from = 0
    for (; changes.length - from > BATCH; from += BATCH) {
      yield { kind: 'changes', changes: changes.slice(from, from + BATCH) }
    }
    // W3: the position moves with the last of what it covers.
    place.advance(page)
    const rest = from === 0 ? changes : changes.slice(from)
    if (rest.length > 0) yield { kind: 'changes', changes: rest, position: this.#handOver() }
    this.#view?.advance(page.partition, page.next)
  }

  /** Without a table, after a restart: only the key's own partition tells which of two records is newer. */
  #bare(record: KafkaRecord): RawChange {
    const { key, offset } = record
    if (this.#partitioner(Buffer.from(key)) !== record.partition) {
      throw new Discontinuity('reconnected')
    }
    return record.deletes
      ? { type: 'delete', key, revision: offset }
      : { type: 'put', pair: record }
  }

  /** @throws Discontinuity when the topic cannot be read on from there */
  #resume(from: Position, partitions: number, begins: Offsets, ends: Offsets): StreamPosition {
    const { settings, io, unpark } = this.#options
    const position = decodePosition(from)
    if (position === undefined || position.topic !== settings.topic) {
      throw new Discontinuity('reconnected')
    }
    if (position.partitions.length !== partitions) throw new Discontinuity('reconnected')
    const away = io.clock.now() - position.known
    if (away > this.#retentionMs / 2) throw new Discontinuity('compacted')
    assertWithin(position, begins, ends)
    this.#table = unpark(from)
    if (this.#table === undefined && position.stranded) throw new Discontinuity('reconnected')
    return StreamPosition.of(position)
  }

  /** @throws Discontinuity when a record is not where it was */
  async #prove(client: Client, evidence: ReturnType<StreamPosition['evidenceOf']>): Promise<void> {
    if (evidence.size === 0) return
    const proved = await isProved(client.cluster, this.#options.settings.topic, evidence)
    if (!proved) throw new Discontinuity('reconnected')
  }

  /** How far behind one may be: tombstones live for so long at least, and compaction takes its time. */
  get #patienceMs(): number {
    return Math.max(this.#retentionMs / 2, 2 * this.#options.settings.livenessMs)
  }

  #caughtUp(answer: Answer, place: StreamPosition): void {
    const at = this.#options.io.clock.now() - (performance.now() - answer.askedAt)
    for (const partition of answer.caughtUp) place.caughtUp(partition, at)
  }

  #handOver(): Position {
    const position = (this.#position as StreamPosition).encode(this.#table?.stranded === true)
    this.#handedOver = position
    return position
  }

  #assertSame(): void {
    if (this.#grown) throw new Discontinuity('reconnected')
  }

  /** Looks for new partitions now and then. */
  #lookOut(client: Client): { reader: TopicReader | undefined; stop(): void } {
    const { io, settings } = this.#options
    let timer: Timer | undefined
    let stopped = false
    const looking = {
      reader: undefined as TopicReader | undefined,
      stop: (): void => {
        stopped = true
        timer?.stop()
      },
    }
    const look = async (): Promise<void> => {
      const { cluster } = client
      const { reader } = looking
      await cluster.refreshMetadata()
      if (reader !== looking.reader) return
      // The driver looks by itself, too: what it knew just before says nothing.
      const now = cluster.findTopicPartitionMetadata(settings.topic).length
      this.#grown ||= now !== this.#partitions
      if (this.#grown) looking.reader?.wake()
    }
    const arm = (): void => {
      timer = io.clock.after(Math.min(LOOK_MS, settings.livenessMs / 2), () => {
        // What hinders it hinders the fetches, too, which end the stream.
        const busy = looking.reader === undefined ? Promise.resolve() : look().catch(() => {})
        void busy.then(() => {
          if (!stopped) arm()
        })
      })
    }
    arm()
    return looking
  }

  #goLive(next: Offsets): void {
    if (this.#table === undefined) return
    const table = this.#table
    // The receivers have their RESYNC first.
    this.#settling = this.#options.io.clock.after(SETTLE_MS, () => void table.settled())
    this.#view = new LiveTable([...this.#options.prefixes], this.#table, next)
    this.#options.goesLive(this.#view)
  }

  #goOff(): void {
    this.#settling?.stop()
    if (this.#view === undefined) return
    this.#view.end()
    this.#options.goesOff(this.#view)
    this.#view = undefined
  }
}

function reasonOf(error: unknown): 'reconnected' | 'compacted' | undefined {
  if (error instanceof Discontinuity) return error.reason
  return isOutOfRange(error) ? 'compacted' : undefined
}

/** @throws Discontinuity */
function assertWithin({ partitions }: TopicPosition, begins: Offsets, ends: Offsets): void {
  for (const [partition, { next, evidence }] of partitions.entries()) {
    const begin = begins.get(partition) ?? 0
    const end = ends.get(partition) ?? 0
    if (next < begin) throw new Discontinuity('compacted')
    if (next > end) throw new Discontinuity('reconnected')
    // Nothing is left of what was read: it may have been another topic.
    if (evidence === undefined && next > 0) throw new Discontinuity('reconnected')
  }
}
