import type { Batch, RawPair } from '../api/transport.ts'

/** Pairs of one page of a list. */
const PAGE = 1_000

/** A frozen view, in pages that all readers of it share, so that an encoding may be kept by them. */
export class ListView {
  readonly pages: readonly Batch[]
  /** Readers that walk it now. */
  readers = 0
  /** Somebody began to walk it since the last sweep. */
  used = true

  constructor(pairs: readonly RawPair[]) {
    const pages: Batch[] = []
    for (let i = 0; i < pairs.length; i += PAGE) {
      pages.push({ kind: 'pairs', pairs: pairs.slice(i, i + PAGE) })
    }
    this.pages = pages
  }
}
