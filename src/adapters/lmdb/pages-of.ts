import type { Io } from '../../api/transport.ts'
import { nextTurn } from '../../kit/next-task.ts'
import { readError } from './errors.ts'
import type { EpochPair } from '../../kit/epoch-pair.ts'
import type { LmdbSettings } from './options.ts'
import type { Snapshot } from './snapshot.ts'

/** The pages of a snapshot until `limit` pairs have come, with a turn for others after each; closes it. */
export async function* pagesOf(
  snapshot: Snapshot,
  limit: number | undefined,
  settings: LmdbSettings,
  io: Io,
): AsyncGenerator<readonly EpochPair[]> {
  try {
    let left = limit ?? Infinity
    for (let page = snapshot.page(); page !== undefined; page = snapshot.page()) {
      yield page
      left -= page.length
      if (left <= 0) return
      await nextTurn()
      if (io.signal.aborted) return
    }
  } catch (error) {
    throw readError(error, settings)
  } finally {
    snapshot.close()
  }
}
