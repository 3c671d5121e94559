import type { Finding } from '../../api/finding.ts'
import type { Connection, Reply } from './connection.ts'
import type { RedisSettings } from './options.ts'
import { parseInfo, text } from './server-identity.ts'

const MIB = 1024 * 1024
/** What Redis comes with for `pubsub`: at once, and for a minute. */
const DEFAULT_HARD = 32 * MIB
const DEFAULT_SOFT = 8 * MIB
/** Memory beyond this share of maxmemory is worth a word. */
const FULL = 0.9

/** Settings of a server that work, but may surprise. Those that cannot be read are left out. */
export async function* diagnoseSettings(
  connection: Connection,
  settings: RedisSettings,
): AsyncGenerator<Finding> {
  const [memory, buffers, bulk] = await connection.pipeline([
    ['INFO', 'memory'],
    ['CONFIG', 'GET', 'client-output-buffer-limit'],
    ['CONFIG', 'GET', 'proto-max-bulk-len'],
  ])
  if (memory !== undefined && !(memory instanceof Error)) yield* eviction(parseInfo(text(memory)))
  const limits = valueOf(buffers)
  if (limits !== undefined) yield* bufferLimit(limits)
  const largest = Number(valueOf(bulk))
  if (largest > 0 && largest < settings.maxValueBytes) {
    yield {
      level: 'warn',
      check: 'value size',
      detail: `the server takes values up to ${inMib(largest)}, we would send ${inMib(settings.maxValueBytes)}`,
      fix: `--set maxValueBytes=${largest}, or CONFIG SET proto-max-bulk-len ${settings.maxValueBytes}`,
    }
  }
}

function* eviction(info: ReadonlyMap<string, string>): Generator<Finding> {
  const limit = Number(info.get('maxmemory') ?? 0)
  const used = Number(info.get('used_memory') ?? 0)
  const policy = info.get('maxmemory_policy') ?? ''
  const check = 'memory'
  if (limit === 0) {
    yield { level: 'ok', check, detail: `${inMib(used)} used, no limit: nothing is evicted` }
    return
  }
  const share = `${inMib(used)} of ${inMib(limit)} used`
  if (policy !== 'noeviction') {
    const which = policy.startsWith('volatile-') ? 'keys with a time to live' : 'any key'
    yield {
      level: 'warn',
      check,
      detail: `${share}; maxmemory-policy ${policy} removes ${which} when memory is short, which watchers see as deletes`,
      fix: 'CONFIG SET maxmemory-policy noeviction',
    }
  } else if (used > limit * FULL) {
    yield {
      level: 'warn',
      check,
      detail: `${share}; when it is full, writes are refused`,
      fix: 'CONFIG SET maxmemory to more, or delete what is not needed',
    }
  } else yield { level: 'ok', check, detail: `${share}, noeviction` }
}

/** As `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60`. */
function* bufferLimit(limits: string): Generator<Finding> {
  const { hard, soft, seconds } =
    /\bpubsub (?<hard>\d+) (?<soft>\d+) (?<seconds>\d+)/u.exec(limits)?.groups ?? {}
  if (hard === undefined || soft === undefined || seconds === undefined) return
  const check = 'output buffer'
  const small = (bytes: number, least: number): boolean => bytes > 0 && bytes < least
  const shown = (bytes: number): string => (bytes === 0 ? 'no limit' : inMib(bytes))
  const detail = `client-output-buffer-limit pubsub: ${shown(Number(hard))} at once, ${shown(Number(soft))} for ${seconds} s`
  if (!small(Number(hard), DEFAULT_HARD) && !small(Number(soft), DEFAULT_SOFT)) {
    yield { level: 'ok', check, detail }
    return
  }
  yield {
    level: 'warn',
    check,
    detail: `${detail}; in a burst the server closes the connection of a watch, which then lists everything again`,
    fix: `CONFIG SET client-output-buffer-limit "pubsub ${DEFAULT_HARD} ${DEFAULT_SOFT} 60"`,
  }
}

function valueOf(reply: Reply | Error | undefined): string | undefined {
  return Array.isArray(reply) && reply.length > 1 ? text(reply[1] as Reply) : undefined
}

function inMib(bytes: number): string {
  return bytes < MIB ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(bytes / MIB)} MiB`
}
