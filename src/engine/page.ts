import { compareKeys, hasPrefix } from '../api/key.ts'
import type { Page, PageOptions } from '../api/served.ts'
import type { RawPair } from '../api/transport.ts'
import { nextTurn } from '../kit/next-task.ts'

/** Pairs looked at in one turn of the event loop. */
const PER_TURN = 10_000

/**
 * The lowest keys of a list that comes in any order, in memory for two pages; a huge list does not hold up the event
 * loop.
 */
export async function pageOf(
  list: AsyncIterable<readonly RawPair[]>,
  prefix: string,
  { after, limit }: PageOptions,
): Promise<Page> {
  // One more tells whether there is another page.
  const keep = limit + 1
  let lowest: RawPair[] = []
  /** Keys behind it are not among the lowest. */
  let last: string | undefined
  const shorten = (): void => {
    lowest = inOrder(lowest).slice(0, keep)
    if (lowest.length === keep) last = lowest.at(-1)?.key
  }
  let seen = 0
  for await (const pairs of list) {
    for (const pair of pairs) {
      if (!hasPrefix(pair.key, prefix)) continue
      if (after !== undefined && compareKeys(pair.key, after) <= 0) continue
      if (last !== undefined && compareKeys(pair.key, last) > 0) continue
      lowest.push(pair)
      if (lowest.length >= keep * 2) shorten()
    }
    seen += pairs.length
    if (seen >= PER_TURN) {
      seen = 0
      await nextTurn()
    }
  }
  shorten()
  return { pairs: lowest.slice(0, limit), more: lowest.length > limit }
}

/** Keys ascending; of a key that came twice the later pair. */
function inOrder(pairs: readonly RawPair[]): RawPair[] {
  const byKey = new Map(pairs.map((pair) => [pair.key, pair]))
  return [...byKey.values()].sort((a, b) => compareKeys(a.key, b.key))
}
