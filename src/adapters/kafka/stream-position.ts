import type { Position } from '../../api/transport.ts'
import { encodePosition } from './position.ts'
import type { TopicPosition } from './position.ts'
import type { Evidence, RecordPage } from './records.ts'
import type { Offsets } from './topic-offsets.ts'

/** Where a stream is in each partition. */
export class StreamPosition {
  readonly next: Map<number, number>
  /** By partition: the last record read. */
  readonly evidence: Map<number, Evidence>
  readonly #topic: string
  readonly #known: Map<number, number>

  constructor(topic: string, next: Offsets, known: number) {
    this.#topic = topic
    this.next = new Map(next)
    this.evidence = new Map()
    this.#known = new Map([...next.keys()].map((partition) => [partition, known]))
  }

  static of(position: TopicPosition): StreamPosition {
    const entries = [...position.partitions.entries()]
    const next = new Map(entries.map(([partition, part]) => [partition, part.next]))
    const place = new StreamPosition(position.topic, next, position.known)
    for (const [partition, { evidence }] of entries) {
      if (evidence !== undefined) place.evidence.set(partition, evidence)
    }
    return place
  }

  /** When the partition that lags most was known to its end; ms since the epoch. */
  get known(): number {
    return Math.min(...this.#known.values())
  }

  advance({ partition, next, last }: RecordPage): void {
    this.next.set(partition, next)
    if (last !== undefined) this.evidence.set(partition, last)
  }

  caughtUp(partition: number, at: number): void {
    this.#known.set(partition, at)
  }

  evidenceOf(partitions: readonly number[]): ReadonlyMap<number, Evidence> {
    return new Map([...this.evidence].filter(([partition]) => partitions.includes(partition)))
  }

  encode(stranded: boolean): Position {
    return encodePosition({
      topic: this.#topic,
      known: Math.round(this.known),
      stranded,
      partitions: Array.from({ length: this.next.size }, (_, partition) => ({
        next: this.next.get(partition) ?? 0,
        evidence: this.evidence.get(partition),
      })),
    })
  }
}
