import { compareKeys } from '../api/key.ts'

/** Characters looked at in one go; with an index of 24 bits they fill a 64-bit word. */
const CHARS = 5
const MAX_KEYS = 2 ** 24
/** Up to so many keys comparing costs less than packing. */
const FEW = 16
/** Stands for a character that is not ASCII, and for all that follow it. */
const BEYOND_ASCII = 0x80

/**
 * The indexes of `keys` in ascending order by UTF-8 bytes. Sorting strings compares each some twenty times, far apart in
 * memory; here the first characters that differ are packed into words with the index, and sorted as numbers. What is
 * equal that far is looked at again from there on.
 */
export function orderOf(keys: readonly string[]): Uint32Array {
  const order = new Uint32Array(keys.length)
  for (let i = 0; i < order.length; i++) order[i] = i
  if (keys.length > MAX_KEYS) sortMany(keys, order)
  else sortRange(keys, order, new BigUint64Array(keys.length), 0)
  return order
}

/** Sorts the indexes in `order`, whose keys are the same up to `skip`. `scratch` holds at least as many words. */
function sortRange(
  keys: readonly string[],
  order: Uint32Array,
  scratch: BigUint64Array,
  skip: number,
): void {
  if (order.length <= FEW) {
    sortFew(keys, order, skip)
    return
  }
  const from = commonLength(keys, order, skip)
  const words = scratch.subarray(0, order.length)
  const halves = new Uint32Array(words.buffer, words.byteOffset, words.length * 2)
  for (let i = 0; i < order.length; i++)
    packInto(halves, i, keys[order[i] as number] as string, from)
  words.sort()
  const before = order.slice()
  for (let i = 0; i < order.length; i++) {
    order[i] = before[(halves[2 * i] as number) & 0xff_ffff] as number
  }
  // The words are overwritten by what follows.
  for (const { start, end, ascii } of tiesOf(halves)) {
    const tied = order.subarray(start, end)
    if (ascii) sortRange(keys, tied, scratch, from + CHARS)
    else sortMany(keys, tied)
  }
}

/** How many characters all keys share, of which `known` are known. */
function commonLength(keys: readonly string[], order: Uint32Array, known: number): number {
  const first = keys[order[0] as number] as string
  let common = first.length
  for (const index of order) {
    const key = keys[index] as string
    let at = known
    while (at < common && key.charCodeAt(at) === first.charCodeAt(at)) at++
    common = at
    if (common === known) break
  }
  return common
}

/** Little-endian word: index in the lowest 24 bits, characters above, the first one highest; 0 = the key is over. */
function packInto(halves: Uint32Array, index: number, key: string, from: number): void {
  let high = 0
  let last = 0
  for (let i = 0; i < CHARS; i++) {
    const at = from + i
    if (at >= key.length) break
    const unit = key.charCodeAt(at)
    const packed = unit < 0x7f ? unit + 1 : BEYOND_ASCII
    if (i === CHARS - 1) last = packed
    else high |= packed << (24 - 8 * i)
    if (packed === BEYOND_ASCII) break
  }
  halves[2 * index] = ((last << 24) | index) >>> 0
  halves[2 * index + 1] = high >>> 0
}

interface Tie {
  readonly start: number
  readonly end: number
  /** All that was packed of it is ASCII. */
  readonly ascii: boolean
}

function tiesOf(halves: Uint32Array): Tie[] {
  const ties: Tie[] = []
  const count = halves.length / 2
  let start = 0
  for (let i = 1; i <= count; i++) {
    const high = halves[2 * start + 1] as number
    const last = (halves[2 * start] as number) >>> 24
    if (i < count && halves[2 * i + 1] === high && (halves[2 * i] as number) >>> 24 === last)
      continue
    if (i - start > 1) {
      ties.push({ start, end: i, ascii: ((high & 0x8080_8080) | (last & 0x80)) === 0 })
    }
    start = i
  }
  return ties
}

/** By insertion. */
function sortFew(keys: readonly string[], order: Uint32Array, skip: number): void {
  for (let i = 1; i < order.length; i++) {
    const index = order[i] as number
    const key = keys[index] as string
    let place = i
    while (place > 0 && compareKeys(keys[order[place - 1] as number] as string, key, skip) > 0) {
      order[place] = order[place - 1] as number
      place--
    }
    order[place] = index
  }
}

function sortMany(keys: readonly string[], order: Uint32Array): void {
  order.sort((a, b) => compareKeys(keys[a] as string, keys[b] as string))
}
