import { status } from '@grpc/grpc-js'
import { AccessDeniedError, InvalidOptionError, PayloadTooLargeError } from '../../../api/errors.ts'
import type { CommitOptions, Op, RawPair } from '../../../api/transport.ts'
import type { Client } from '../../../serving/access.ts'
import { WAIT } from '../watch-schema.ts'
import type { CommitReply, CommitRequest, InfoReply, WireOp } from '../watch-schema.ts'
import type { Context } from './context.ts'
import { CallError } from './wire.ts'

/** What frames a value in a request, and its key. */
const REQUEST_OVERHEAD_BYTES = 2_048

export function info(client: Client, { served, settings }: Context): InfoReply {
  const { capabilities } = served
  const { maxValueBytes = Infinity } = capabilities
  const most = settings.limits.maxBodyBytes - REQUEST_OVERHEAD_BYTES
  return {
    transport: served.transport,
    capabilities: {
      resumable: capabilities.resumable,
      storeRevisions: capabilities.storeRevisions,
      ttl: capabilities.ttl,
      conditionalPut: capabilities.conditionalPut,
      transactions: capabilities.transactions,
      prefixDelete: capabilities.prefixDelete,
      waitForApplied: capabilities.waitForApplied,
      ordered: capabilities.ordered ?? false,
      watchable: capabilities.watchable ?? true,
      maxValueBytes: Math.min(maxValueBytes, most),
      maxKeyBytes: capabilities.maxKeyBytes ?? 0,
    },
    readable: client.readable,
    writable: client.writable,
    maxMessageBytes: settings.limits.maxBodyBytes,
  }
}

/** @throws AccessDeniedError, CallError, what `Served.get` does */
export async function get(
  keys: readonly string[],
  client: Client,
  { served, settings }: Context,
): Promise<readonly RawPair[]> {
  const { maxKeys } = settings.limits
  if (keys.length > maxKeys) {
    throw new CallError(status.INVALID_ARGUMENT, `keys: must be at most ${maxKeys}`)
  }
  for (const key of keys) assertReadable(key, client, served.transport)
  return served.get(keys)
}

/** @throws AccessDeniedError, what `Served.list` does */
export async function list(
  prefix: string,
  client: Client,
  { served }: Context,
): Promise<readonly RawPair[]> {
  assertReadable(prefix, client, served.transport)
  return served.list(prefix)
}

/** @throws AccessDeniedError, CallError, what `Served.commit` does */
export async function commit(
  { ops, wait, timeoutMs }: CommitRequest,
  client: Client,
  restMs: number,
  { served, settings }: Context,
): Promise<CommitReply> {
  const options: CommitOptions = {
    waitFor: waitForOf(wait, served.capabilities.waitForApplied),
    timeoutMs: Math.min(
      timeoutMs === 0 ? settings.appliedTimeoutMs : timeoutMs,
      restMs,
      settings.limits.maxWaitMs,
    ),
  }
  if (ops.length > settings.limits.maxOps) {
    throw new PayloadTooLargeError('the transaction', ops.length, settings.limits.maxOps, {
      unit: 'operations',
    })
  }
  const plain = ops.map((op) => opOf(op, client, served.transport))
  const result = await served.commit(plain, options)
  return {
    versions: result.versions.map((version) => version ?? ''),
    ...(result.deleted === undefined ? {} : { deleted: result.deleted }),
    ...(result.receivers === undefined ? {} : { receivers: result.receivers }),
  }
}

function waitForOf(wait: number, canWait: boolean): 'applied' | 'stored' {
  switch (wait) {
    case WAIT.default:
      return canWait ? 'applied' : 'stored'
    case WAIT.stored:
      return 'stored'
    case WAIT.applied:
      return 'applied'
    default:
      throw new InvalidOptionError('wait', `${wait} is no known way to wait`)
  }
}

/** Kinds of an operation, of which it has exactly one. */
const KINDS = ['put', 'delete', 'deletePrefix'] as const

function opOf(op: WireOp, client: Client, transport: string): Op {
  if (KINDS.filter((kind) => op[kind]).length > 1) {
    throw new CallError(status.INVALID_ARGUMENT, 'ops: an operation of several kinds')
  }
  if (op.put) {
    const { key, value, ttlMs = 0, ifAbsent = false } = op.put
    assertWritable(key, client, transport)
    return {
      type: 'put',
      key,
      // A slice would keep the whole message in memory, and what came with it.
      value: Buffer.from(value),
      ...(ttlMs === 0 ? {} : { ttlMs }),
      ...(Object.hasOwn(op.put, 'ifVersion') ? { ifVersion: op.put.ifVersion ?? '' } : {}),
      ...(ifAbsent ? { ifAbsent } : {}),
    }
  }
  if (op.delete) {
    const { key } = op.delete
    assertWritable(key, client, transport)
    return {
      type: 'delete',
      key,
      ...(Object.hasOwn(op.delete, 'ifVersion') ? { ifVersion: op.delete.ifVersion ?? '' } : {}),
    }
  }
  if (op.deletePrefix) {
    const { prefix } = op.deletePrefix
    assertWritable(prefix, client, transport)
    return { type: 'delete-prefix', prefix }
  }
  throw new CallError(status.INVALID_ARGUMENT, 'ops: an operation of no known kind')
}

function assertReadable(keyOrPrefix: string, client: Client, transport: string): void {
  if (client.mayRead(keyOrPrefix)) return
  throw new AccessDeniedError(transport, `${JSON.stringify(keyOrPrefix)} may not be read`)
}

function assertWritable(keyOrPrefix: string, client: Client, transport: string): void {
  if (client.mayWrite(keyOrPrefix)) return
  throw new AccessDeniedError(transport, `${JSON.stringify(keyOrPrefix)} may not be written`)
}
