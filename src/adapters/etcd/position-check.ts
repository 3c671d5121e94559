import type { Connection } from './connection.ts'
import { answerOf } from './errors.ts'
import type { KeyRange } from './key-range.ts'
import { digestOf, formatRange, parseRange } from './position.ts'
import type { EtcdPosition } from './position.ts'
import { idOf, numberOf, rangeMethod } from './schema.ts'
import type { RangeRequest, RangeResponse } from './schema.ts'

export type Verdict =
  | { readonly lost: 'compacted' | 'reconnected' }
  | {
      /** What was handed over is what the server has at that revision. */
      readonly lost: undefined
      /** The same, with the number of keys in the range that was asked about. */
      readonly position: EtcdPosition
      /** The server's newest revision. */
      readonly revision: number
    }

/**
 * Reads the last key handed over and the number of keys at the position's revision (W6): a server that was wiped or
 * restored has the same cluster id, and its revision may be ahead of ours again. That the revision can be read also
 * proves that nothing behind it was compacted away, not even a delete at the border (W5). A position of a watch on
 * other prefixes is held against the keys of these.
 * @throws ServiceError of gRPC
 */
export async function checkPosition(
  position: EtcdPosition,
  range: KeyRange,
  connection: Connection,
): Promise<Verdict> {
  const { revision } = position
  const own = formatRange(range) === position.range
  const read = (request: RangeRequest): Promise<RangeResponse> =>
    connection.call(rangeMethod, request)
  const count = (keys: KeyRange): Promise<RangeResponse> =>
    read({ ...keys, revision, countOnly: true })
  try {
    const [counted, wanted, lastIsSame] = await Promise.all([
      count(parseRange(position.range)),
      own ? undefined : count(range),
      isLastSame(position, read),
    ])
    const { header } = counted
    const same =
      idOf(header.clusterId) === position.clusterId &&
      numberOf(counted.count) === position.count &&
      lastIsSame
    if (!same) return { lost: 'reconnected' }
    return {
      lost: undefined,
      position:
        wanted === undefined
          ? position
          : { ...position, range: formatRange(range), count: numberOf(wanted.count) },
      revision: numberOf(header.revision),
    }
  } catch (error) {
    const answer = answerOf(error)
    if (answer === 'compacted') return { lost: 'compacted' }
    if (answer === 'future-revision') return { lost: 'reconnected' }
    // The other prefixes are not this user's to read: nothing can be compared.
    if (answer === 'denied' && !own) return { lost: 'reconnected' }
    throw error
  }
}

async function isLastSame(
  { revision, lastKey, lastRevision, lastDigest }: EtcdPosition,
  read: (request: RangeRequest) => Promise<RangeResponse>,
): Promise<boolean> {
  if (lastKey === '') return true
  const key = Buffer.from(lastKey)
  const [[last], existed] = await Promise.all([
    read({ key, revision }).then(({ kvs }) => kvs),
    // A key that is absent on any server says little: the deleted one was there just before.
    lastDigest === '' ? existedBefore(lastRevision, key, read) : true,
  ])
  if (lastDigest === '') return last === undefined && existed
  return (
    last !== undefined &&
    numberOf(last.modRevision) === lastRevision &&
    digestOf(last.value) === lastDigest
  )
}

async function existedBefore(
  revision: number,
  key: Buffer,
  read: (request: RangeRequest) => Promise<RangeResponse>,
): Promise<boolean> {
  try {
    const { kvs } = await read({ key, revision: revision - 1, keysOnly: true })
    return kvs.length > 0
  } catch (error) {
    // Compacted up to the delete itself: what comes next is still there.
    if (answerOf(error) === 'compacted') return true
    throw error
  }
}
