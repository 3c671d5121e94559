import { UnsupportedOptionError, VersionConflictError } from '../../api/errors.ts'
import type { CommitResult, Op } from '../../api/transport.ts'
import type { Cancellation } from '../../kit/call.ts'
import type { Commands, WriteProgress } from './commands.ts'
import type { CommandLine, Reply } from './connection.ts'
import { assertValueSize, replyCode } from './errors.ts'
import { hashSlot } from './hash-slot.ts'
import type { RedisSettings } from './options.ts'
import { versionOf } from './redis-pair.ts'
import { commitScript } from './scripts.ts'
import { text } from './server-identity.ts'

/** An operation on one key. */
export type KeyOp = Exclude<Op, { type: 'delete-prefix' }>

/**
 * Writes all or nothing: one plain command, or a script where there are conditions or several operations.
 * @throws VersionConflictError, PayloadTooLargeError, UnsupportedOptionError; ReplyError, TransportUnavailableError
 */
export async function commitKeys(
  ops: readonly KeyOp[],
  commands: Commands,
  settings: RedisSettings,
  call: Cancellation,
  progress: WriteProgress,
): Promise<CommitResult> {
  for (const op of ops) {
    if (op.type === 'put') assertValueSize(op.key, op.value, settings.maxValueBytes)
  }
  if (settings.cluster) assertOneSlot(ops, settings.name)
  const keys = ops.map(({ key }) => key)
  const versions = ops.map((op) => (op.type === 'put' ? versionOf(op.value) : undefined))
  const [only] = ops
  if (only !== undefined && ops.length === 1 && !hasCondition(only)) {
    const reply = await commands.send(keys, plainCommand(only), call, progress)
    return { versions, ...(only.type === 'delete' ? { deleted: Number(reply) } : {}) }
  }
  const reply = await runScript(ops, keys, commands, call, progress)
  const [done, detail, found] = reply as readonly [number, number, Reply?]
  if (done === 1) {
    return { versions, ...(ops.some(({ type }) => type === 'delete') ? { deleted: detail } : {}) }
  }
  const failed = ops[detail - 1] as KeyOp
  throw new VersionConflictError(failed.key, failed.ifVersion, text(found) || undefined)
}

function hasCondition(op: KeyOp): boolean {
  return op.ifVersion !== undefined || (op.type === 'put' && op.ifAbsent === true)
}

function plainCommand(op: KeyOp): CommandLine {
  if (op.type === 'delete') return ['UNLINK', op.key]
  const value = bufferOf(op.value)
  return op.ttlMs === undefined
    ? ['SET', op.key, value]
    : ['SET', op.key, value, 'PX', milliseconds(op.ttlMs)]
}

async function runScript(
  ops: readonly KeyOp[],
  keys: readonly string[],
  commands: Commands,
  call: Cancellation,
  progress: WriteProgress,
): Promise<Reply> {
  const rest = [String(keys.length), ...keys, ...ops.flatMap(scriptArguments)]
  try {
    return await commands.send(keys, ['EVALSHA', commitScript.sha1, ...rest], call, progress)
  } catch (error) {
    // The server lost its scripts, or never saw this one: nothing was done.
    if (replyCode(error) !== 'NOSCRIPT') throw error
    progress.sent = false
    return commands.send(keys, ['EVAL', commitScript.source, ...rest], call, progress)
  }
}

function scriptArguments(op: KeyOp): (string | Buffer)[] {
  const absent = op.type === 'put' && op.ifAbsent === true
  const condition = absent ? 'absent' : op.ifVersion === undefined ? '' : 'version'
  const version = absent ? '' : (op.ifVersion ?? '')
  return op.type === 'delete'
    ? ['del', condition, version, '', '']
    : [
        'put',
        condition,
        version,
        op.ttlMs === undefined ? '' : milliseconds(op.ttlMs),
        bufferOf(op.value),
      ]
}

/** Redis counts whole milliseconds; a part of one is rounded up, as 0 is none. */
function milliseconds(ttlMs: number): string {
  return String(Math.max(1, Math.ceil(ttlMs)))
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function assertOneSlot(ops: readonly KeyOp[], transport: string): void {
  const slots = new Set(ops.map(({ key }) => hashSlot(key)))
  if (slots.size > 1) {
    throw new UnsupportedOptionError(
      'txn',
      transport,
      `the keys lie in ${slots.size} hash slots of the cluster, a transaction takes one; give the keys a common hash tag, such as {orders} in /{orders}/1`,
    )
  }
}
