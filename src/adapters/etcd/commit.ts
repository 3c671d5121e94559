import {
  PayloadTooLargeError,
  UnsupportedOptionError,
  VersionConflictError,
} from '../../api/errors.ts'
import { hasPrefix } from '../../api/key.ts'
import type { CommitResult, Op } from '../../api/transport.ts'
import type { WriteProgress } from '../../grpc-link/client.ts'
import type { Connection } from './connection.ts'
import { answerOf, assertSize, isTooLarge } from './errors.ts'
import { after, bufferOf, rangeOf } from './key-range.ts'
import type { KeyRange } from './key-range.ts'
import type { Leases } from './leases.ts'
import type { EtcdSettings } from './options.ts'
import { REQUEST_OVERHEAD_BYTES } from './options.ts'
import { deleteRangeMethod, numberOf, putMethod, txnMethod } from './schema.ts'
import type { Compare, Int64, Method, RequestOp, TxnRequest } from './schema.ts'

/** 2 = the mod revision: 0 for a key that is absent, never below. */
const MOD = 2
const NEVER = -1
/** A put whose lease is gone before it arrives is sent so often in all, each time with another. */
const LEASE_ATTEMPTS = 3

/**
 * Writes all or nothing, in one request: a plain one, or a transaction where there are conditions or several operations.
 * @throws VersionConflictError, PayloadTooLargeError, UnsupportedOptionError; ServiceError of gRPC
 */
export class Committer {
  readonly #settings: EtcdSettings
  readonly #leases: Leases

  constructor(settings: EtcdSettings, leases: Leases) {
    this.#settings = settings
    this.#leases = leases
  }

  async commit(
    ops: readonly Op[],
    connection: Connection,
    progress: WriteProgress,
  ): Promise<CommitResult> {
    for (const op of ops) {
      if (op.type === 'put') this.#assertValue(op.key, op.value)
    }
    for (let attempt = 1; ; attempt++) {
      const leases = ops.some(hasTtl) ? await this.#leasesFor(ops, connection) : []
      try {
        return await this.#write(ops, leases, connection, progress)
      } catch (error) {
        if (answerOf(error) !== 'lease-not-found' || attempt === LEASE_ATTEMPTS) throw error
        // It ran out or was taken away before the put: nothing was written, the next one has a new lease.
        for (const id of leases) if (id !== undefined) this.#leases.forget(id)
        progress.sent = false
      }
    }
  }

  #write(
    ops: readonly Op[],
    leases: readonly (Int64 | undefined)[],
    connection: Connection,
    progress: WriteProgress,
  ): Promise<CommitResult> {
    const [only] = ops
    if (only !== undefined && ops.length === 1 && !isConditional(only)) {
      return only.type === 'put'
        ? this.#put(only, leases[0], connection, progress)
        : this.#delete(only, connection, progress)
    }
    return this.#txn(ops, leases, connection, progress)
  }

  #leasesFor(ops: readonly Op[], connection: Connection): Promise<(Int64 | undefined)[]> {
    return Promise.all(
      ops.map(async (op) =>
        hasTtl(op) ? this.#leases.forTtl(op.ttlMs, connection) : Promise.resolve(undefined),
      ),
    )
  }

  async #put(
    op: Extract<Op, { type: 'put' }>,
    lease: Int64 | undefined,
    connection: Connection,
    progress: WriteProgress,
  ): Promise<CommitResult> {
    const { header } = await this.#send(putMethod, putRequest(op, lease), connection, progress)
    return { versions: [String(numberOf(header.revision))] }
  }

  async #delete(
    op: Exclude<Op, { type: 'put' }>,
    connection: Connection,
    progress: WriteProgress,
  ): Promise<CommitResult> {
    const range = op.type === 'delete' ? { key: Buffer.from(op.key) } : rangeOf(op.prefix)
    const { deleted } = await this.#send(deleteRangeMethod, range, connection, progress)
    return { versions: [undefined], deleted: numberOf(deleted) }
  }

  async #txn(
    ops: readonly Op[],
    leases: readonly (Int64 | undefined)[],
    connection: Connection,
    progress: WriteProgress,
  ): Promise<CommitResult> {
    const { name } = this.#settings
    const conditional = ops.filter((op): op is ConditionalOp => isConditional(op))
    const request: TxnRequest = {
      compare: conditional.map(compareOf),
      success: ops.flatMap((op, i): RequestOp[] =>
        op.type === 'put'
          ? [{ requestPut: putRequest(op, leases[i]) }]
          : op.type === 'delete'
            ? [{ requestDeleteRange: { key: Buffer.from(op.key) } }]
            : spared(op.prefix, i, ops, name).map((range) => ({ requestDeleteRange: range })),
      ),
      failure: conditional.map(({ key }) => ({
        requestRange: { key: Buffer.from(key), keysOnly: true },
      })),
    }
    this.#assertCount(Math.max(request.success.length, request.compare.length))
    assertSize(
      'the transaction',
      txnMethod.request.encode(request).length,
      this.#settings.maxRequestBytes,
    )
    const answer = await this.#send(txnMethod, request, connection, progress)
    if (!answer.succeeded) {
      const found = answer.responses.map(({ responseRange }) => {
        const kv = responseRange?.kvs[0]
        return kv === undefined ? undefined : String(numberOf(kv.modRevision))
      })
      throw conflict(conditional, found)
    }
    const version = String(numberOf(answer.header.revision))
    const deletes = ops.some(({ type }) => type !== 'put')
    const deleted = answer.responses.reduce(
      (sum, { responseDeleteRange }) => sum + numberOf(responseDeleteRange?.deleted ?? 0),
      0,
    )
    return {
      versions: ops.map(({ type }) => (type === 'put' ? version : undefined)),
      ...(deletes ? { deleted } : {}),
    }
  }

  async #send<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    connection: Connection,
    progress: WriteProgress,
  ): Promise<Response> {
    if (connection.lost !== undefined) throw connection.lost
    progress.sent = true
    try {
      return await connection.call(method, request, {
        onStart: (cancel) => {
          progress.cancel = cancel
        },
      })
    } catch (error) {
      if (isTooLarge(error)) {
        const { maxRequestBytes } = this.#settings
        const size = method.request.encode(request).length
        // The server's own limit is lower than what we were told.
        throw new PayloadTooLargeError('the request', size, Math.min(maxRequestBytes, size - 1), {
          cause: error,
        })
      }
      if (answerOf(error) === 'too-many-operations') {
        throw this.#tooMany((request as TxnRequest).success.length, error)
      }
      throw error
    } finally {
      progress.cancel = undefined
    }
  }

  #assertValue(key: string, value: Uint8Array): void {
    const limit = this.#settings.maxRequestBytes - REQUEST_OVERHEAD_BYTES
    assertSize(`the value of ${JSON.stringify(key)}`, value.length, limit)
  }

  #assertCount(count: number): void {
    if (count > this.#settings.maxTxnOps) throw this.#tooMany(count)
  }

  #tooMany(count: number, cause?: unknown): PayloadTooLargeError {
    const limit = Math.min(this.#settings.maxTxnOps, cause === undefined ? Infinity : count - 1)
    return new PayloadTooLargeError('the transaction', count, limit, { unit: 'operations', cause })
  }
}

type ConditionalOp = Exclude<Op, { type: 'delete-prefix' }>

function isConditional(op: Op): boolean {
  if (op.type === 'delete-prefix') return false
  return op.ifVersion !== undefined || (op.type === 'put' && op.ifAbsent === true)
}

function hasTtl(op: Op): op is Extract<Op, { type: 'put' }> & { ttlMs: number } {
  return op.type === 'put' && op.ttlMs !== undefined
}

function putRequest(
  { key, value }: Extract<Op, { type: 'put' }>,
  lease: Int64 | undefined,
): { key: Buffer; value: Buffer; lease?: Int64 } {
  return {
    key: Buffer.from(key),
    value: bufferOf(value),
    ...(lease === undefined ? {} : { lease }),
  }
}

function compareOf(op: ConditionalOp): Compare {
  return { target: MOD, key: Buffer.from(op.key), modRevision: expectedRevision(op) }
}

function expectedRevision(op: ConditionalOp): number {
  if (op.ifVersion === undefined) return 0
  // What is no version of ours holds for no key; 0 would hold for absent ones.
  return /^[1-9]\d{0,15}$/u.test(op.ifVersion) ? Number(op.ifVersion) : NEVER
}

function conflict(
  ops: readonly ConditionalOp[],
  found: readonly (string | undefined)[],
): VersionConflictError {
  const failed = ops.findIndex((op, i) => (found[i] ?? '0') !== String(expectedRevision(op)))
  // All hold by now: any of them will do, its caller reads and tries again.
  const at = Math.max(0, failed)
  const op = ops[at] as ConditionalOp
  return new VersionConflictError(op.key, op.ifVersion, found[at])
}

/**
 * The ranges of a prefix without the keys that are put after it: etcd refuses to delete and put a key in one transaction.
 * @throws UnsupportedOptionError for a key under it that is put before
 */
function spared(prefix: string, at: number, ops: readonly Op[], transport: string): KeyRange[] {
  const keys: string[] = []
  for (const [i, op] of ops.entries()) {
    if (i === at || !hasPrefix(op.type === 'delete-prefix' ? op.prefix : op.key, prefix)) continue
    if (op.type !== 'put' || i < at) {
      throw new UnsupportedOptionError('txn', transport, 'a key under a deleted prefix comes first')
    }
    keys.push(op.key)
  }
  const { key, rangeEnd } = rangeOf(prefix)
  const ranges: KeyRange[] = []
  let from = key
  for (const put of keys.map((text) => Buffer.from(text)).sort((a, b) => Buffer.compare(a, b))) {
    if (Buffer.compare(from, put) < 0) ranges.push({ key: from, rangeEnd: put })
    from = after(put)
  }
  ranges.push({ key: from, rangeEnd })
  return ranges
}
