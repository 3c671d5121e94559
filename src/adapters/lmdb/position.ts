import type { Position } from '../../api/transport.ts'

import type { Segment } from './history.ts'

/**
 * Where a stream stands: the store's epoch, the run that wrote the revision, the revision. The run tells a store that
 * was put back from a backup and has since come as far again.
 */
export class Positions {
  readonly #epoch: string
  readonly #segments: readonly Segment[]

  /** The segments ascend. */
  constructor(epoch: string, segments: readonly Segment[]) {
    this.#epoch = epoch
    this.#segments = segments
  }

  at(revision: number): Position {
    const segment = this.#segments.findLast((each) => each.revision <= revision)
    return `${this.#epoch}:${segment?.run ?? ''}:${revision}`
  }

  /**
   * The revision to go on behind, for a log that knows what follows `floor` up to `last`; or why a stream has to list.
   */
  resume(from: Position, floor: number, last: number): number | 'reconnected' | 'compacted' {
    const [epoch, , text] = from.split(':')
    const revision = Number(text)
    if (epoch !== this.#epoch || !Number.isSafeInteger(revision) || revision > last) {
      return 'reconnected'
    }
    const first = this.#segments[0]?.revision ?? last
    if (revision < Math.max(floor, first)) return 'compacted'
    return from === this.at(revision) ? revision : 'reconnected'
  }
}
