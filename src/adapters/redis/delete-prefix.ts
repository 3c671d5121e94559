import { TransportUnavailableError } from '../../api/errors.ts'
import type { CommitResult } from '../../api/transport.ts'
import type { Cancellation } from '../../kit/call.ts'
import type { Commands, WriteProgress } from './commands.ts'
import type { CommandLine, Connection } from './connection.ts'
import { replyCode, translate } from './errors.ts'
import { prefixPattern } from './glob.ts'
import { decodeKey } from './key-names.ts'
import { scanPage } from './key-reader.ts'
import type { RedisSettings } from './options.ts'

/** How often a cluster is walked while its slots move. */
const MAX_WALKS = 5

/**
 * Deletes the strings under a prefix, page by page: not one step, and what others write meanwhile may stay.
 * @throws TransportUnavailableError with outcome `unknown` when some are deleted and the rest is not
 */
export async function deletePrefix(
  prefix: string,
  commands: Commands,
  settings: RedisSettings,
  call: Cancellation,
  progress: WriteProgress,
): Promise<CommitResult> {
  let deleted = 0
  try {
    for (let walk = 1; walk <= MAX_WALKS; walk++) {
      const { connections, slots } = await commands.primaries(call.signal)
      for (const connection of connections.values()) {
        for await (const keys of scanStrings(connection, prefix, settings.scanCount, call)) {
          deleted += await unlink(keys, connection, commands, settings, call, progress)
        }
      }
      if (slots === undefined) break
      const after = (await commands.primaries(call.signal)).slots
      // Keys that moved to a node that had been walked already were missed.
      if (after?.digest === slots.digest && (!slots.moving || walk > 1)) break
    }
  } catch (error) {
    const failure = translate(settings.name, error)
    if (deleted === 0 || !(failure instanceof TransportUnavailableError)) throw failure
    throw new TransportUnavailableError(
      settings.name,
      `${deleted} keys under ${JSON.stringify(prefix)} are deleted, others may not be`,
      { cause: failure, outcome: 'unknown' },
    )
  }
  return { versions: [undefined], deleted }
}

async function* scanStrings(
  connection: Connection,
  prefix: string,
  count: number,
  call: Cancellation,
): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    call.throwIfAborted()
    const page = await scanPage(connection, cursor, prefixPattern(prefix), count, 'string')
    const keys = page.keys.map((bytes) => decodeKey(bytes)).filter((key) => key !== undefined)
    if (keys.length > 0) yield keys
    cursor = page.cursor
  } while (cursor !== '0')
}

async function unlink(
  keys: readonly string[],
  connection: Connection,
  commands: Commands,
  settings: RedisSettings,
  call: Cancellation,
  progress: WriteProgress,
): Promise<number> {
  progress.sent = true
  if (!settings.cluster) return Number(await connection.send(['UNLINK', ...keys]))
  const lines = keys.map((key): CommandLine => ['UNLINK', key])
  const counts = await Promise.all(
    (await connection.pipeline(lines)).map(async (reply, i) => {
      if (!(reply instanceof Error)) return reply
      const code = replyCode(reply)
      if (code !== 'MOVED' && code !== 'ASK' && code !== 'TRYAGAIN') throw reply
      // The key is on its way to another node, or there.
      return commands.send([keys[i] as string], lines[i] as CommandLine, call)
    }),
  )
  return counts.reduce<number>((sum, count) => sum + Number(count), 0)
}
