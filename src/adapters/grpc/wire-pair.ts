import type { RawChange, RawPair } from '../../api/transport.ts'
import { numberOf } from './int64.ts'
import type { WireChange, WirePair } from './watch-schema.ts'

/** Values of at least half of it may as well share a message's memory. */
const SHARED_BYTES = 4_096
const EMPTY = new Uint8Array()

/** Of a list: all values of a message are kept together, so that they may share its memory. */
export function listedPair({ key, value, revision, version }: WirePair): RawPair {
  return {
    key,
    // An empty one that was decoded is no Uint8Array.
    value: value.length === 0 ? EMPTY : value,
    revision: numberOf(revision),
    version,
  }
}

/** Of an event: values live for different times. */
export function changeOf({ put, deletedKey = '', revision = 0 }: WireChange): RawChange {
  if (!put) return { type: 'delete', key: deletedKey, revision: numberOf(revision) }
  const pair = listedPair(put)
  const { value } = pair
  const own =
    value.buffer.byteLength > SHARED_BYTES && value.length < SHARED_BYTES / 2
      ? new Uint8Array(value)
      : value
  return { type: 'put', pair: { ...pair, value: own } }
}
