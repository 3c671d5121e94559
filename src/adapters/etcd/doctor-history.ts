import type { Finding } from '../../api/finding.ts'
import type { Connection } from './connection.ts'
import { answerOf } from './errors.ts'
import { rangeOf } from './key-range.ts'
import { numberOf, rangeMethod } from './schema.ts'
import type { RangeResponse } from './schema.ts'

/** More than this is a sign that nothing ever compacts the history. */
const MANY = 1_000_000
/** With fewer, short interruptions already lead to a list. */
const FEW = 1_000

/** How far back a watch can go on: the history behind the last compaction. */
export async function* diagnoseHistory(
  connection: Connection,
  prefixes: readonly string[],
): AsyncGenerator<Finding> {
  const { key } = rangeOf(prefixes[0] ?? '')
  const read = (revision: number): Promise<RangeResponse> =>
    connection.call(rangeMethod, { key, revision, keysOnly: true })
  const check = 'history'
  try {
    const newest = numberOf((await read(0)).header.revision)
    const oldest = await oldestRevision(newest, read)
    const kept = newest - oldest
    const detail = `revision ${newest}, ${kept} behind it can be gone on from`
    if (kept > MANY) {
      yield {
        level: 'warn',
        check,
        detail: `${detail}; it seems that nothing compacts the history`,
        fix: 'start the server with --auto-compaction-mode=periodic --auto-compaction-retention=1h',
      }
    } else if (oldest > 1 && kept < FEW && newest > FEW) {
      yield {
        level: 'warn',
        check,
        detail: `${detail}; reconnects may have to list again`,
        fix: 'compact later: --auto-compaction-retention is the longest interruption to go on after',
      }
    } else yield { level: 'ok', check, detail }
  } catch (error) {
    if (answerOf(error) !== 'denied') throw error
    yield { level: 'warn', check, detail: 'the user may not read there', fix: 'name a prefix' }
  }
}

/** By halving: the first revision that can be read. */
async function oldestRevision(
  newest: number,
  read: (revision: number) => Promise<RangeResponse>,
): Promise<number> {
  let low = 1
  let high = newest
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    try {
      await read(middle)
      high = middle
    } catch (error) {
      if (answerOf(error) !== 'compacted') throw error
      low = middle + 1
    }
  }
  return high
}
