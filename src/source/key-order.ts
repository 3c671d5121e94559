import { compareKeys } from '../api/key.ts'

/** Characters looked at in one go. */
const COLUMNS = 8
/** Up to so many keys comparing costs less than counting. */
const FEW = 64
/** Keys whose common beginning is taken for that of all, until one differs. */
const SAMPLES = 16
/** A character is stored as its code and one; 0 = the key is over. */
const CODES = 130
/** Stands for a character that is not ASCII, and for all that follow it. */
const BEYOND_ASCII = CODES - 1

/**
 * The indexes of `keys` in ascending order by UTF-8 bytes. Sorting strings compares each some twenty times, far apart in
 * memory; here each is looked at once: the first characters that differ are copied into a row, and the rows are sorted
 * column by column, the last one first. What is equal that far is looked at again from there on.
 */
export function orderOf(keys: readonly string[]): Uint32Array {
  const order = new Uint32Array(keys.length)
  for (let i = 0; i < order.length; i++) order[i] = i
  if (keys.length <= FEW) {
    sortByComparing(keys, order, 0)
    return order
  }
  const spare = new Uint32Array(keys.length)
  sortRange(keys, order, new Rows(keys.length), spare, 0)
  return order
}

/** Sorts the indexes in `order`, whose keys are the same up to `skip`. `spare` holds at least as many. */
function sortRange(
  keys: readonly string[],
  order: Uint32Array,
  rows: Rows,
  spare: Uint32Array,
  skip: number,
): void {
  const from = rows.fill(keys, order, skip)
  rows.sort(order, spare)
  // The rows are overwritten by what follows.
  for (const { start, end, ascii } of rows.ties(order)) {
    const tied = order.subarray(start, end)
    if (!ascii || tied.length <= FEW) sortByComparing(keys, tied, ascii ? from + COLUMNS : from)
    else sortRange(keys, tied, rows, spare, from + COLUMNS)
  }
}

interface Tie {
  readonly start: number
  readonly end: number
  /** All that the rows hold of it is ASCII. */
  readonly ascii: boolean
}

/** Some characters of each key, by the key's index. */
class Rows {
  readonly #cells: Uint8Array
  /** Rows that have a code in a column. */
  readonly #counts = new Uint32Array(COLUMNS * CODES)

  constructor(keys: number) {
    this.#cells = new Uint8Array(keys * COLUMNS)
  }

  /** Copies the characters behind what all keys have in common, and says where that is. */
  fill(keys: readonly string[], order: Uint32Array, skip: number): number {
    const guess = commonLength(keys, order, skip, Math.ceil(order.length / SAMPLES))
    if (this.#fillFrom(keys, order, skip, guess)) return guess
    const common = commonLength(keys, order, skip, 1)
    this.#fillFrom(keys, order, skip, common)
    return common
  }

  /** False: some key has less than `common` in common with the first. */
  #fillFrom(keys: readonly string[], order: Uint32Array, skip: number, common: number): boolean {
    const cells = this.#cells
    const counts = this.#counts.fill(0)
    const first = keys[order[0] as number] as string
    for (const index of order) {
      const key = keys[index] as string
      for (let at = skip; at < common; at++) {
        if (key.charCodeAt(at) !== first.charCodeAt(at)) return false
      }
      const row = index * COLUMNS
      let beyond = false
      for (let column = 0; column < COLUMNS; column++) {
        const at = common + column
        let code = 0
        if (!beyond && at < key.length) {
          const unit = key.charCodeAt(at)
          beyond = unit >= 0x80
          code = beyond ? BEYOND_ASCII : unit + 1
        }
        cells[row + column] = code
        ;(counts[column * CODES + code] as number)++
      }
    }
    return true
  }

  /** By counting, stable, so that the first column decides. */
  sort(order: Uint32Array, spare: Uint32Array): void {
    const cells = this.#cells
    let from = order
    let to = spare.subarray(0, order.length)
    for (let column = COLUMNS - 1; column >= 0; column--) {
      const places = this.#placesIn(column, order.length)
      if (places === undefined) continue
      for (const index of from) {
        const code = cells[index * COLUMNS + column] as number
        const place = places[code] as number
        places[code] = place + 1
        to[place] = index
      }
      const sorted = to
      to = from
      from = sorted
    }
    if (from !== order) order.set(from)
  }

  /** Where the rows of each code begin; undefined when all have the same. */
  #placesIn(column: number, rows: number): Uint32Array | undefined {
    const counts = this.#counts.subarray(column * CODES, (column + 1) * CODES)
    let place = 0
    for (let code = 0; code < CODES; code++) {
      const count = counts[code] as number
      if (count === rows) return undefined
      counts[code] = place
      place += count
    }
    return counts
  }

  /** Neighbours in `order` whose rows are the same. */
  ties(order: Uint32Array): Tie[] {
    const ties: Tie[] = []
    let start = 0
    for (let i = 1; i <= order.length; i++) {
      if (i < order.length && this.#same(order[start] as number, order[i] as number)) continue
      if (i - start > 1) {
        const ascii = !this.#hasBeyond(order[start] as number)
        ties.push({ start, end: i, ascii })
      }
      start = i
    }
    return ties
  }

  #same(a: number, b: number): boolean {
    for (let column = 0; column < COLUMNS; column++) {
      if (this.#cells[a * COLUMNS + column] !== this.#cells[b * COLUMNS + column]) return false
    }
    return true
  }

  #hasBeyond(index: number): boolean {
    const row = index * COLUMNS
    return this.#cells.subarray(row, row + COLUMNS).includes(BEYOND_ASCII)
  }
}

/** How many characters every `step`th key shares with the first, of which `known` are known. */
function commonLength(
  keys: readonly string[],
  order: Uint32Array,
  known: number,
  step: number,
): number {
  const first = keys[order[0] as number] as string
  let common = first.length
  for (let i = 0; i < order.length; i += step) {
    const key = keys[order[i] as number] as string
    let at = known
    while (at < common && key.charCodeAt(at) === first.charCodeAt(at)) at++
    common = at
  }
  return common
}

function sortByComparing(keys: readonly string[], order: Uint32Array, skip: number): void {
  order.sort((a, b) => compareKeys(keys[a] as string, keys[b] as string, skip))
}
