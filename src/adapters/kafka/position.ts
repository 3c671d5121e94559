import type { Position } from '../../api/transport.ts'
import type { Evidence } from './records.ts'

/** Where one partition is to be read on. */
export interface PartitionPosition {
  readonly next: number
  /** Undefined when nothing was ever read. */
  readonly evidence: Evidence | undefined
}

/** What a position says. */
export interface TopicPosition {
  readonly topic: string
  /** Ms since the epoch when everything up to here was known: deletes that are older than the rest of their lives are lost. */
  readonly known: number
  /** Some keys lie in several partitions: only who has the table can go on. */
  readonly stranded: boolean
  /** By partition number. */
  readonly partitions: readonly PartitionPosition[]
}

const FORMAT = 1

type Encoded = readonly [
  format: number,
  topic: string,
  known: number,
  stranded: 0 | 1,
  partitions: readonly (readonly [next: number, offset?: number, digest?: string])[],
]

export function encodePosition(position: TopicPosition): Position {
  const encoded: Encoded = [
    FORMAT,
    position.topic,
    position.known,
    position.stranded ? 1 : 0,
    position.partitions.map(({ next, evidence }) =>
      evidence === undefined ? [next] : [next, evidence.offset, evidence.digest],
    ),
  ]
  return JSON.stringify(encoded)
}

/** Undefined for what is none of ours. */
export function decodePosition(position: Position): TopicPosition | undefined {
  let decoded: unknown
  try {
    decoded = JSON.parse(position)
  } catch {
    return undefined
  }
  if (!Array.isArray(decoded) || decoded[0] !== FORMAT || !Array.isArray(decoded[4])) {
    return undefined
  }
  const [, topic, known, stranded, partitions] = decoded as unknown as Encoded
  if (typeof topic !== 'string' || typeof known !== 'number') return undefined
  return {
    topic,
    known,
    stranded: stranded === 1,
    partitions: partitions.map(([next, offset, digest]) => ({
      next,
      evidence: offset === undefined || digest === undefined ? undefined : { offset, digest },
    })),
  }
}
