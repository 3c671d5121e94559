import type { Connection } from './connection.ts'
import { answerOf, isTooLarge } from './errors.ts'
import { after } from './key-range.ts'
import type { KeyRange } from './key-range.ts'
import { numberOf, rangeMethod } from './schema.ts'
import type { KeyValue, RangeResponse } from './schema.ts'

/** Asked for at first, when it is not known how large the pairs are. */
const FIRST_PAGE = 256
/** A page is at most so many times the one before. */
const GROWTH = 16
const MAX_PAGE = 100_000

export interface Page {
  readonly kvs: readonly KeyValue[]
  /** At which all pages are read. */
  readonly revision: number
  readonly clusterId: RangeResponse['header']['clusterId']
}

export interface PageOptions {
  /** Read at; the present one where it is undefined. */
  readonly revision: number | undefined
  /** Wanted per page. */
  readonly pageBytes: number
}

/**
 * A range's keys in ascending order, all at one revision, the next page under way while one is handled.
 * @throws ServiceError of gRPC; with the answer `compacted` when the revision is gone meanwhile
 */
export async function* listPages(
  range: KeyRange,
  connection: Connection,
  { revision: at, pageBytes }: PageOptions,
): AsyncGenerator<Page> {
  let revision = at
  let limit = FIRST_PAGE
  let { key } = range
  const read = async (): Promise<RangeResponse> => {
    for (;;) {
      const request = { key, rangeEnd: range.rangeEnd, limit, revision: revision ?? 0 }
      try {
        return await connection.call(rangeMethod, request)
      } catch (error) {
        // Each time fewer keys are asked for; one pair is below the limit.
        if (!isTooLarge(error) || limit === 1) throw error
        limit = Math.ceil(limit / 8)
      }
    }
  }
  let next: Promise<RangeResponse> | undefined = read()
  try {
    while (next !== undefined) {
      const { header, kvs, more } = await next
      revision ??= numberOf(header.revision)
      const last = kvs.at(-1)
      next = undefined
      if (more && last !== undefined) {
        key = after(last.key)
        limit = nextLimit(limit, kvs, pageBytes)
        next = read()
        // Whoever stops listening here is not to crash for it.
        next.catch(() => {})
      }
      yield { kvs, revision, clusterId: header.clusterId }
    }
  } finally {
    next?.catch(() => {})
  }
}

/**
 * A range's keys in ascending order, each once, whatever is compacted: what is left then is read at the present revision.
 * @throws ServiceError of gRPC
 */
export async function* listOnwards(
  range: KeyRange,
  connection: Connection,
  pageBytes: number,
): AsyncGenerator<Page> {
  let { key } = range
  for (;;) {
    const rest = { key, rangeEnd: range.rangeEnd }
    try {
      for await (const page of listPages(rest, connection, { revision: undefined, pageBytes })) {
        yield page
        const last = page.kvs.at(-1)
        if (last !== undefined) key = after(last.key)
      }
      return
    } catch (error) {
      // The first page of each attempt is never refused for this (W16).
      if (answerOf(error) !== 'compacted') throw error
    }
  }
}

function nextLimit(limit: number, kvs: readonly KeyValue[], pageBytes: number): number {
  let bytes = 0
  for (const { key, value } of kvs) bytes += key.length + value.length + 32
  const fitting = Math.floor((kvs.length * pageBytes) / bytes)
  return Math.max(1, Math.min(fitting, limit * GROWTH, MAX_PAGE))
}
