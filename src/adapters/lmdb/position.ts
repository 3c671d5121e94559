import type { Position } from '../../api/transport.ts'

/**
 * Where a stream stands: the store's epoch, the run that wrote the revision, the revision. The run tells a store that
 * was put back from a backup and has since come as far again.
 */
export class Positions {
  readonly #epoch: string
  readonly #run: string
  readonly #start: { readonly revision: number; readonly run: string }

  /** `start` is the state at the open; `run` is this open's name. */
  constructor(epoch: string, run: string, start: { revision: number; run: string }) {
    this.#epoch = epoch
    this.#run = run
    this.#start = start
  }

  at(revision: number): Position {
    const run = revision > this.#start.revision ? this.#run : this.#start.run
    return `${this.#epoch}:${run}:${revision}`
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
    if (revision < floor) return 'compacted'
    return from === this.at(revision) ? revision : 'reconnected'
  }
}
