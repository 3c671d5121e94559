import { TransportUnavailableError } from '../../api/errors.ts'
import type { RawPair } from '../../api/transport.ts'
import { onAbort } from '../../kit/abortable.ts'
import type { Cancellation } from '../../kit/call.ts'
import type { Commands, Primaries } from './commands.ts'
import { detached } from './node-reads.ts'
import type { RedisSettings } from './options.ts'
import { RedisPair } from './redis-pair.ts'
import { StreamReads } from './stream-reads.ts'
import { Wakeup } from '../../kit/wakeup.ts'

/** How often a cluster is walked whose nodes come and go. */
const MAX_WALKS = 5

/**
 * The pairs under a prefix, each key once (SCAN may name it twice), apart from any stream. When slots of a cluster move
 * meanwhile it is walked twice: only a key that moves twice can be missed.
 * @throws TransportUnavailableError; AccessDeniedError; why the call was ended
 */
export async function* listPairs(
  prefix: string,
  commands: Commands,
  settings: RedisSettings,
  call: Cancellation,
  skipped: (what: 'key' | 'value') => void,
): AsyncGenerator<readonly RawPair[], void, undefined> {
  const seen = new Set<string>()
  const fresh = (pairs: readonly RawPair[]): RawPair[] => {
    const unseen: RawPair[] = []
    for (const pair of pairs) {
      if (seen.has(pair.key)) continue
      seen.add(pair.key)
      unseen.push(pair)
    }
    return unseen
  }
  for (let walk = 1; walk <= MAX_WALKS; walk++) {
    const before = await commands.primaries(call.signal)
    const strayed: string[] = []
    for await (const page of walkOnce(prefix, before, settings, call, skipped, strayed)) {
      const pairs = fresh(page)
      if (pairs.length > 0) yield pairs
    }
    if (before.slots === undefined) return
    if (strayed.length > 0) yield fresh(await readPairs(strayed, commands, call))
    const { slots } = await commands.primaries(call.signal)
    if (slots?.digest === before.slots.digest && !slots.moving) return
    const samePrimaries = [...(slots?.primaries.keys() ?? [])].every((id) =>
      before.connections.has(id),
    )
    if (walk > 1 && samePrimaries) return
  }
  throw new TransportUnavailableError(settings.name, 'the primaries of the cluster keep changing')
}

/** The pairs of those keys that hold strings. */
export async function readPairs(
  keys: readonly string[],
  commands: Commands,
  call: Cancellation,
): Promise<RawPair[]> {
  const values = await commands.get(keys, call)
  return keys.flatMap((key, i) => {
    const value = values[i]
    return value === null || value === undefined ? [] : [new RedisPair(key, detached(value))]
  })
}

/** Keys that had moved when they were read are put into `strayed`. */
async function* walkOnce(
  prefix: string,
  { connections, slots, read }: Primaries,
  settings: RedisSettings,
  call: Cancellation,
  skipped: (what: 'key' | 'value') => void,
  strayed: string[],
): AsyncGenerator<readonly RawPair[], void, undefined> {
  const news = new Wakeup()
  const forget = onAbort(call.signal, () => news.notify())
  try {
    const reads = new StreamReads({
      prefixes: [prefix],
      connections,
      slots,
      read,
      scanCount: settings.scanCount,
      moved: (keys) => strayed.push(...keys),
      skipped,
      wake: () => news.notify(),
    })
    reads.list()
    for (;;) {
      call.throwIfAborted()
      reads.send(false)
      const landed = reads.take()
      // What was taken makes room; the next reads are under way while the consumer works.
      reads.send(false)
      if (landed?.kind === 'pairs') yield landed.pairs
      else if (reads.listing) await news.wait()
      else return
    }
  } finally {
    forget()
  }
}
