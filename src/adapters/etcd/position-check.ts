import type { Connection } from './connection.ts'
import { answerOf } from './errors.ts'
import { isInRange } from './key-range.ts'
import type { KeyRange } from './key-range.ts'
import { rangeName } from './position.ts'
import type { EtcdPosition } from './position.ts'
import { idOf, numberOf, rangeMethod } from './schema.ts'
import type { RangeRequest, RangeResponse } from './schema.ts'

export interface Verdict {
  /** Undefined: what was handed over is what the server has at that revision. */
  readonly lost: 'compacted' | 'reconnected' | undefined
  /** The server's newest revision; 0 where it was not told. */
  readonly revision: number
}

/**
 * Reads the last key handed over and the number of keys at the position's revision (W6): a server that was wiped or
 * restored has the same cluster id, and its revision may be ahead of ours again. That the revision can be read also
 * proves that nothing behind it was compacted away, not even a delete at the border (W5).
 * @throws ServiceError of gRPC
 */
export async function checkPosition(
  position: EtcdPosition,
  range: KeyRange,
  connection: Connection,
): Promise<Verdict> {
  const { revision } = position
  const lastKey = Buffer.from(position.lastKey)
  const counted = position.range === rangeName(range)
  const named = lastKey.length > 0 && isInRange(lastKey, range)
  // Nothing that could be compared.
  if (!counted && !named) return { lost: 'reconnected', revision: 0 }
  const read = (request: RangeRequest): Promise<RangeResponse> =>
    connection.call(rangeMethod, request)
  try {
    const [count, last] = await Promise.all([
      counted ? read({ ...range, revision, countOnly: true }) : undefined,
      named ? read({ key: lastKey, revision, keysOnly: true }) : undefined,
    ])
    const header = (count ?? last)?.header
    const newest = header === undefined ? 0 : numberOf(header.revision)
    const found = numberOf(last?.kvs[0]?.modRevision ?? 0)
    const same =
      header !== undefined &&
      idOf(header.clusterId) === position.clusterId &&
      (count === undefined || numberOf(count.count) === position.count) &&
      (last === undefined || found === position.lastRevision)
    return { lost: same ? undefined : 'reconnected', revision: newest }
  } catch (error) {
    const answer = answerOf(error)
    if (answer === 'compacted') return { lost: 'compacted', revision: 0 }
    if (answer === 'future-revision') return { lost: 'reconnected', revision: 0 }
    throw error
  }
}
