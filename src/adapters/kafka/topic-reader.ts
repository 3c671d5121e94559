import type { Broker, Cluster } from 'kafkajs'
import { Wakeup } from '../../kit/wakeup.ts'
import { watchExtents } from './batch-extents.ts'
import type { Extents } from './batch-extents.ts'
import { readRecords } from './records.ts'
import type { FetchedPartition, RecordFilter, RecordPage } from './records.ts'

/** Of one broker's answers, in bytes, when only the end of a gap is looked for: more than any batch has. */
const GAP_BYTES = 64 * 2 ** 20
/** After so many empty answers before its end a partition is asked alone: others may have filled the answers. */
const EMPTY_ANSWERS = 2

export interface TopicReaderOptions {
  readonly cluster: Cluster
  readonly topic: string
  /** Where to begin, by partition. */
  readonly from: ReadonlyMap<number, number>
  readonly filter: RecordFilter
  /** How much a broker sends at a time. */
  readonly fetchBytes: number
  /** How long a broker waits for news before it answers with none. */
  readonly maxWaitMs: number
  /** Called before a fetch that comes late: what was there may have been replaced. @throws to end the reading */
  readonly recheck?: (partitions: readonly number[]) => Promise<void>
  /** What is late for {@link recheck}; 200 ms. */
  readonly gapMs?: number
}

/** One broker's answer: a page per partition that had something, none when it only says that it lives. */
export interface Answer {
  readonly nodeId: string
  readonly pages: readonly RecordPage[]
  /** When it was asked, by `performance.now()`. */
  readonly askedAt: number
  /** The partitions that had nothing more to show then. */
  readonly caughtUp: readonly number[]
}

/** The partitions that one broker leads. */
interface Node {
  readonly id: string
  readonly partitions: readonly number[]
  /** Read and not yet taken. */
  ready: Answer | undefined
  busy: boolean
  answeredAt: number | undefined
  /** How often in a row a partition showed nothing before its end. */
  readonly empty: Map<number, number>
}

/**
 * Reads partitions from given offsets on, with one request per leading broker under way while the answer before it is
 * worked on: nothing is asked for that nobody takes (W24). It never repeats a request: any failure ends it.
 */
export class TopicReader {
  readonly #options: TopicReaderOptions
  readonly #next: Map<number, number>
  readonly #nodes: readonly Node[]
  readonly #news: Wakeup = new Wakeup()
  #failed: { readonly error: unknown } | undefined
  #turn = 0

  /** The cluster's metadata of the topic must be loaded. @throws errors of kafkajs when a partition has no leader */
  constructor(options: TopicReaderOptions) {
    this.#options = options
    this.#next = new Map(options.from)
    const leaders = options.cluster.findLeaderForPartitions(options.topic, [...options.from.keys()])
    this.#nodes = Object.entries(leaders).map(([id, partitions]) => ({
      id,
      partitions,
      ready: undefined,
      busy: false,
      answeredAt: undefined,
      empty: new Map(),
    }))
  }

  /** The brokers that are read. */
  get nodes(): number {
    return this.#nodes.length
  }

  /** Wakes `next`, to look at the world again; it returns undefined. */
  wake(): void {
    this.#news.notify()
  }

  /** The next answer of any broker; undefined after `wake`. @throws errors of kafkajs, and what `recheck` throws */
  async next(): Promise<Answer | undefined> {
    const taken = this.#take()
    if (taken !== undefined) return taken
    await this.#news.wait()
    return this.#take()
  }

  #take(): Answer | undefined {
    if (this.#failed !== undefined) throw this.#failed.error
    let taken: Answer | undefined
    // In turn, so that a busy broker does not silence another.
    for (let i = 0; i < this.#nodes.length; i++) {
      const node = this.#nodes[(this.#turn + i) % this.#nodes.length] as Node
      if (taken === undefined && node.ready !== undefined) {
        taken = node.ready
        node.ready = undefined
        this.#turn = (this.#turn + i + 1) % this.#nodes.length
      }
      if (!node.busy && node.ready === undefined) this.#fetch(node)
    }
    return taken
  }

  #fetch(node: Node): void {
    node.busy = true
    this.#ask(node).then(
      (answer) => {
        node.busy = false
        node.ready = answer
        this.#news.notify()
      },
      (error: unknown) => {
        this.#failed ??= { error }
        this.#news.notify()
      },
    )
  }

  async #ask(node: Node): Promise<Answer> {
    const { cluster, topic, fetchBytes, maxWaitMs, filter, recheck, gapMs = 200 } = this.#options
    const late = node.answeredAt !== undefined && performance.now() - node.answeredAt > gapMs
    if (late && recheck !== undefined) await recheck(node.partitions)
    const alone = [...node.empty].find(([, times]) => times >= EMPTY_ANSWERS)?.[0]
    const broker = await cluster.findBroker({ nodeId: node.id })
    const askedAt = performance.now()
    const asked = alone === undefined ? node.partitions : [alone]
    const fetched = await fetchPartitions(broker, topic, {
      offsets: new Map(asked.map((partition) => [partition, this.#next.get(partition) ?? 0])),
      maxBytes: alone === undefined ? fetchBytes : GAP_BYTES,
      maxWaitMs,
    })
    node.answeredAt = performance.now()
    const pages: RecordPage[] = []
    const caughtUp: number[] = []
    for (const part of fetched) {
      const { partition } = part
      const from = this.#next.get(partition) ?? 0
      const page = readRecords(part, from, filter)
      const isGap = alone !== undefined && (part.extent?.bytes ?? 0) === 0
      const read = isGap ? behindGap(page, from) : page
      if (read.next > from) {
        this.#next.set(partition, read.next)
        pages.push(read)
      }
      if (read.next >= read.end) caughtUp.push(partition)
      if (read.next > from || read.next >= read.end) node.empty.delete(partition)
      else node.empty.set(partition, (node.empty.get(partition) ?? 0) + 1)
    }
    return { nodeId: node.id, pages, askedAt, caughtUp }
  }
}

/** Asked for alone and with room for any batch, a partition that has no batch before its end has nothing there. */
function behindGap(page: RecordPage, from: number): RecordPage {
  return page.next > from ? page : { ...page, next: Math.max(from, page.end) }
}

export interface FetchOptions {
  readonly offsets: ReadonlyMap<number, number>
  readonly maxBytes: number
  readonly maxWaitMs: number
}

/** One request to one broker. @throws errors of kafkajs, also when one of the partitions cannot be read */
export async function fetchPartitions(
  broker: Broker,
  topic: string,
  { offsets, maxBytes, maxWaitMs }: FetchOptions,
): Promise<readonly FetchedPartition[]> {
  let extents: Extents = new Map()
  const watched = watchExtents(broker, (seen) => {
    extents = seen
  })
  const answer = (await watched.fetch({
    isolationLevel: 1,
    maxWaitTime: maxWaitMs,
    minBytes: 1,
    maxBytes,
    topics: [
      {
        topic,
        partitions: [...offsets].map(([partition, offset]) => ({
          partition,
          fetchOffset: String(offset),
          maxBytes,
        })),
      },
    ],
  })) as { responses: readonly { partitions: readonly FetchedPartition[] }[] }
  return answer.responses.flatMap(({ partitions }) =>
    partitions.map((part) => ({ ...part, extent: extents.get(part.partition) })),
  )
}
