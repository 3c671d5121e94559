import { TransportUnavailableError } from '../../api/errors.ts'
import type { Io, RawPair } from '../../api/transport.ts'
import { backoffMs } from '../../kit/backoff.ts'
import { onAbort } from './abortable.ts'
import type { Commands, Primaries } from './commands.ts'
import type { RedisSettings } from './options.ts'
import { pause } from './pause.ts'
import { StreamReads } from './stream-reads.ts'

/** How often a cluster is walked while its slots move. */
const MAX_WALKS = 8
const AGAIN_BACKOFF = { baseMs: 50, capMs: 2_000 } as const

/**
 * The pairs under a prefix, each key once (SCAN may name it twice), apart from any stream.
 * @throws TransportUnavailableError when a cluster's slots do not come to rest; AccessDeniedError
 */
export async function* listPairs(
  prefix: string,
  commands: Commands,
  settings: RedisSettings,
  io: Io,
  skipped: (what: 'key' | 'value') => void,
): AsyncGenerator<readonly RawPair[], void, undefined> {
  const seen = new Set<string>()
  for (let walk = 1; ; walk++) {
    const primaries = await commands.primaries(io.signal)
    let strayed = false
    const pages = walkOnce(prefix, primaries, settings, io, skipped, () => {
      strayed = true
    })
    for await (const page of pages) {
      const pairs = page.filter(({ key }) => !seen.has(key))
      for (const { key } of pairs) seen.add(key)
      if (pairs.length > 0) yield pairs
      if (strayed) break
    }
    if (primaries.slots === undefined) return
    const after = (await commands.primaries(io.signal)).slots
    const still = !strayed && after?.digest === primaries.slots.digest
    // A key on its way may have been on neither node when its turn came; the second walk meets it.
    if (still && (!primaries.slots.moving || walk > 1)) return
    if (walk === MAX_WALKS) {
      throw new TransportUnavailableError(settings.name, 'the slots of the cluster keep moving')
    }
    await pause(backoffMs(walk, io.random, AGAIN_BACKOFF), io.clock, io.signal)
  }
}

async function* walkOnce(
  prefix: string,
  { connections, slots, read }: Primaries,
  settings: RedisSettings,
  io: Io,
  skipped: (what: 'key' | 'value') => void,
  moved: () => void,
): AsyncGenerator<readonly RawPair[], void, undefined> {
  let wake = (): void => {}
  const forget = onAbort(io.signal, () => wake())
  try {
    const reads = new StreamReads({
      prefixes: [prefix],
      connections,
      slots,
      read,
      scanCount: settings.scanCount,
      moved,
      skipped,
      wake: () => wake(),
    })
    reads.list()
    for (;;) {
      io.signal.throwIfAborted()
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      reads.send(false)
      const landed = reads.take()
      // What was taken makes room; the next reads are under way while the consumer works.
      reads.send(false)
      if (landed?.kind === 'pairs') yield landed.pairs
      else if (reads.listing) await woken
      else return
    }
  } finally {
    forget()
  }
}
