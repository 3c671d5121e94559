import type { KeyVal } from '../../api/change-event.ts'
import { compareKeys } from '../../api/key.ts'
import { nextTurn } from '../../kit/next-task.ts'

/** Then timers and sockets get a turn. */
const KEYS_PER_TURN = 2_048

/** What has to be written to one key of the target. */
export interface Write {
  readonly key: string
  /** Undefined: it goes. */
  readonly value: Uint8Array | undefined
}

/** What a comparison has met. */
export interface Tally {
  /** Keys of either side. */
  compared: number
  unchanged: number
}

/**
 * The writes that make the target's pairs equal to the source's, in the order of the keys. Both sides are walked once,
 * side by side; they are ascending, and the mapping keeps the order.
 */
export async function* differences(
  source: Iterable<KeyVal>,
  target: AsyncIterable<KeyVal>,
  toTarget: (key: string) => string,
  tally: Tally,
): AsyncGenerator<Write> {
  const wanted = source[Symbol.iterator]()
  const held = target[Symbol.asyncIterator]()
  try {
    let want = wanted.next()
    let have = await held.next()
    while (want.done !== true || have.done !== true) {
      tally.compared++
      if (tally.compared % KEYS_PER_TURN === 0) await nextTurn()
      const key = want.done === true ? undefined : toTarget(want.value.key)
      const order = orderOf(key, have.done === true ? undefined : have.value.key)
      if (order > 0) yield { key: (have.value as KeyVal).key, value: undefined }
      else {
        const { bytes } = want.value as KeyVal
        if (order === 0 && sameBytes(bytes, (have.value as KeyVal).bytes)) tally.unchanged++
        else yield { key: key as string, value: bytes }
        want = wanted.next()
      }
      if (order >= 0) have = await held.next()
    }
  } finally {
    wanted.return?.()
    await held.return?.()
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** Negative: only the source has it; positive: only the target. One of them is a key. */
function orderOf(wanted: string | undefined, held: string | undefined): number {
  if (wanted === undefined) return 1
  return held === undefined ? -1 : compareKeys(wanted, held)
}
