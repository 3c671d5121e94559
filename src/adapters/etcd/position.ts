import { hash } from 'node:crypto'
import type { Position } from '../../api/transport.ts'
import type { KeyRange } from './key-range.ts'

/** Where a watch can go on, and what has to be found there if the server is still the same (W6). */
export interface EtcdPosition {
  readonly clusterId: string
  /** Everything up to it was handed over. */
  readonly revision: number
  /** Whose keys `count` counts; see {@link formatRange}. */
  readonly range: string
  /** How many keys there are in the range at the revision. */
  readonly count: number
  /** The key that changed last; empty when there was none. */
  readonly lastKey: string
  /** At which revision it did. */
  readonly lastRevision: number
  /** What it was set to, as {@link digestOf}; empty = it was deleted. */
  readonly lastDigest: string
}

const SHAPE =
  /^(?<cluster>[\da-f]+)\.(?<revision>\d+)\.(?<range>[\da-f]*-[\da-f]*)\.(?<count>\d+)\.(?<last>\d+)\.(?<digest>[\da-f]*)\.(?<key>.*)$/su

/** More of a value is not looked at: it may have a mebibyte, and there is a digest per message. */
const DIGEST_BYTES = 4_096

export function formatPosition(position: EtcdPosition): Position {
  const { clusterId, revision, range, count, lastRevision, lastDigest, lastKey } = position
  return `${clusterId}.${revision}.${range}.${count}.${lastRevision}.${lastDigest}.${lastKey}`
}

/** Undefined for what is no position of ours. */
export function parsePosition(text: Position): EtcdPosition | undefined {
  const parts = SHAPE.exec(text)?.groups
  if (parts === undefined) return undefined
  return {
    clusterId: parts['cluster'] ?? '',
    revision: Number(parts['revision']),
    range: parts['range'] ?? '',
    count: Number(parts['count']),
    lastRevision: Number(parts['last']),
    lastDigest: parts['digest'] ?? '',
    lastKey: parts['key'] ?? '',
  }
}

/** A range as it stands in a position: equal ranges have equal texts. */
export function formatRange({ key, rangeEnd }: KeyRange): string {
  return `${key.toString('hex')}-${rangeEnd.toString('hex')}`
}

/** The range of {@link formatRange}. */
export function parseRange(text: string): KeyRange {
  const [key = '', rangeEnd = ''] = text.split('-')
  return { key: Buffer.from(key, 'hex'), rangeEnd: Buffer.from(rangeEnd, 'hex') }
}

/** A short name of a value, never empty: two that differ at their beginning or in length have different ones. */
export function digestOf(value: Uint8Array): string {
  // An empty one that was decoded is no Uint8Array.
  if (value.length === 0) return '0'
  const beginning = hash('sha1', value.subarray(0, DIGEST_BYTES)).slice(0, 8)
  return `${beginning}${value.length.toString(16)}`
}
