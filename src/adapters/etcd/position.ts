import { hash } from 'node:crypto'
import type { Position } from '../../api/transport.ts'
import type { KeyRange } from './key-range.ts'

/** Where a watch can go on, and what has to be found there if the server is still the same (W6). */
export interface EtcdPosition {
  readonly clusterId: string
  /** Everything up to it was handed over. */
  readonly revision: number
  /** Which keys `count` counts. */
  readonly range: string
  /** How many keys there are in the range at the revision. */
  readonly count: number
  /** The key that changed last; empty when there was none. */
  readonly lastKey: string
  /** Its mod revision; 0 = deleted. */
  readonly lastRevision: number
}

const SHAPE =
  /^(?<cluster>[\da-f]+)\.(?<revision>\d+)\.(?<range>[\da-f]+)\.(?<count>\d+)\.(?<last>\d+)\.(?<key>.*)$/su

export function formatPosition(position: EtcdPosition): Position {
  const { clusterId, revision, range, count, lastRevision, lastKey } = position
  return `${clusterId}.${revision}.${range}.${count}.${lastRevision}.${lastKey}`
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
    lastKey: parts['key'] ?? '',
  }
}

/** A short name of a range: equal ranges have equal names. */
export function rangeName({ key, rangeEnd }: KeyRange): string {
  return hash('sha1', `${key.toString('hex')}-${rangeEnd.toString('hex')}`).slice(0, 12)
}
