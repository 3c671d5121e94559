import {
  ClosedError,
  InvalidOptionError,
  isSyncError,
  PayloadTooLargeError,
  TimeoutError,
  UnsupportedOptionError,
} from '../api/errors.ts'
import type { Instrumentation } from '../api/instrumentation.ts'
import { assertKey, assertPrefix } from '../api/key.ts'
import type { Message } from '../api/message.ts'
import { checkOptions, isBoolean, isString, MAX_MS, numberBetween, oneOf } from '../api/options.ts'
import type { OptionCheck } from '../api/options.ts'
import type { CommitOptions, CommitResult, Io, Op, Transport } from '../api/transport.ts'
import type {
  DeleteResult,
  DelOptions,
  PutConditions,
  PutOptions,
  PutResult,
  Transaction,
  TransactionResult,
  WaitOptions,
} from '../api/writer.ts'

const STORED: CommitOptions = { waitFor: 'stored', timeoutMs: 10_000 }

const WAIT_CHECKS = {
  waitFor: oneOf('stored', 'applied'),
  timeoutMs: numberBetween(1, MAX_MS),
} satisfies Record<string, OptionCheck>

const PUT_CHECKS = {
  ttlMs: numberBetween(1, MAX_MS),
  ifVersion: isString,
  ifAbsent: isBoolean,
} satisfies Record<string, OptionCheck>

const PUT_WAIT_CHECKS = { ...WAIT_CHECKS, ...PUT_CHECKS }
const DELETE_CHECKS = { ...WAIT_CHECKS, prefix: isBoolean, ifVersion: isString }

const NONE: Record<string, never> = Object.freeze({})

/** What a {@link Writer} knows of its transport's link. */
export interface WriterLink {
  /** Undefined once the transport is open; throws when it is closed. */
  opening(): Promise<void> | undefined
  /** Takes note of whether the server answered; the answer itself passes. */
  heard<T>(answer: Promise<T>): Promise<T>
  /** Watches that were asked for, and are about these operations, are open afterwards. */
  openWatches(ops: readonly Op[]): void
}

/** Checks what is to be written at the door and passes it to the transport. */
export class Writer {
  readonly #transport: Transport
  readonly #io: Io
  readonly #instrumentation: Instrumentation

  readonly #link: WriterLink

  constructor(transport: Transport, io: Io, instrumentation: Instrumentation, link: WriterLink) {
    this.#link = link
    this.#transport = transport
    this.#io = io
    this.#instrumentation = instrumentation
  }

  // The hot path: the frame and the promises of an async function would cost as much as the write.
  put(key: string, message: Message, options: PutOptions = NONE): Promise<PutResult> {
    try {
      const opening = this.#link.opening()
      if (options !== NONE) checkOptions<PutOptions>(options, PUT_WAIT_CHECKS)
      // Before any pause: the message is its caller's, who may change it.
      const ops = [this.#putOp(key, message, options)]
      const result =
        opening === undefined
          ? this.#commit(ops, options)
          : opening.then(() => this.#commit(ops, options))
      return result.then(toPutResult)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async delete(key: string, options: DelOptions = NONE): Promise<DeleteResult> {
    const opening = this.#link.opening()
    checkOptions<DelOptions>(options, DELETE_CHECKS)
    const op = this.#deleteOp(key, options)
    if (opening !== undefined) await opening
    const result = await this.#commit([op], options)
    return {
      ...(result.deleted === undefined ? {} : { deleted: result.deleted }),
      ...(result.receivers === undefined ? {} : { receivers: result.receivers }),
    }
  }

  txn(): Transaction {
    const ops = new Map<string, Op>()
    let committed = false
    const add = (key: string, op: Op): void => {
      if (committed) throw new ClosedError('the transaction')
      if (ops.has(key)) {
        throw new InvalidOptionError('key', `${JSON.stringify(key)} is in the transaction already`)
      }
      ops.set(key, op)
    }
    const transaction: Transaction = {
      put: (key, message, options = {}) => {
        checkOptions(options, PUT_CHECKS)
        add(key, this.#putOp(key, message, options))
        return transaction
      },
      delete: (key, options = {}) => {
        checkOptions(options, { ifVersion: isString })
        add(key, this.#deleteOp(key, options))
        return transaction
      },
      commit: async (options = {}) => {
        checkOptions<WaitOptions>(options, WAIT_CHECKS)
        if (committed) throw new ClosedError('the transaction')
        committed = true
        await this.#link.opening()
        return this.#commitAll([...ops.values()], options)
      },
    }
    return transaction
  }

  /** What a server passes on: operations as a transport takes them, checked like everything else that is written. */
  // Not async: servers pass many single operations.
  commit(ops: readonly Op[], options: CommitOptions): Promise<CommitResult> {
    try {
      const opening = this.#link.opening()
      checkOptions<WaitOptions>(options, WAIT_CHECKS)
      for (const op of ops) this.#checkOp(op)
      if (ops.length === 0) return Promise.resolve({ versions: [], deleted: 0, receivers: 0 })
      if (ops.length > 1) {
        assertDistinct(ops)
        this.#require('transactions', 'txn')
      }
      return opening === undefined
        ? this.#commit(ops, options)
        : opening.then(() => this.#commit(ops, options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #commitAll(ops: readonly Op[], options: WaitOptions): Promise<TransactionResult> {
    if (ops.length === 0) {
      const receivers = options.waitFor === 'applied' ? { receivers: 0 } : {}
      return { versions: new Map(), deleted: 0, ...receivers }
    }
    if (ops.length > 1) this.#require('transactions', 'txn')
    const result = await this.#commit(ops, options)
    const versions = new Map<string, string>()
    for (const [i, op] of ops.entries()) {
      if (op.type === 'put') versions.set(op.key, result.versions[i] ?? '')
    }
    return {
      versions,
      ...(result.deleted === undefined ? {} : { deleted: result.deleted }),
      ...(result.receivers === undefined ? {} : { receivers: result.receivers }),
    }
  }

  #putOp(key: string, message: Message, options: PutConditions & { ttlMs?: number }): Op {
    assertKey(key, this.#transport.capabilities.maxKeyBytes)
    const value = serialize(message)
    this.#checkPut(key, value, options)
    if (options === NONE) return { type: 'put', key, value }
    const { ttlMs, ifVersion, ifAbsent } = options
    return {
      type: 'put',
      key,
      value,
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(ifVersion === undefined ? {} : { ifVersion }),
      ...(ifAbsent === true ? { ifAbsent } : {}),
    }
  }

  #deleteOp(key: string, { prefix, ifVersion }: { prefix?: boolean; ifVersion?: string }): Op {
    if (prefix === true) {
      assertPrefix(key, this.#transport.capabilities.maxKeyBytes)
      if (ifVersion !== undefined) throw new InvalidOptionError('ifVersion', 'contradicts prefix')
      return { type: 'delete-prefix', prefix: key }
    }
    assertKey(key, this.#transport.capabilities.maxKeyBytes)
    if (ifVersion === undefined) return { type: 'delete', key }
    this.#require('conditionalPut', 'ifVersion')
    return { type: 'delete', key, ifVersion }
  }

  #checkPut(
    key: string,
    value: Uint8Array,
    { ttlMs, ifVersion, ifAbsent }: PutConditions & { ttlMs?: number },
  ): void {
    if (ttlMs !== undefined) this.#require('ttl', 'ttlMs')
    if (ifVersion !== undefined) this.#require('conditionalPut', 'ifVersion')
    if (ifAbsent === true) this.#require('conditionalPut', 'ifAbsent')
    if (ifVersion !== undefined && ifAbsent === true) {
      throw new InvalidOptionError('ifAbsent', 'contradicts ifVersion')
    }
    const { maxValueBytes = Infinity } = this.#transport.capabilities
    if (value.length > maxValueBytes) {
      throw new PayloadTooLargeError(`the value of ${key}`, value.length, maxValueBytes)
    }
  }

  #checkOp(op: Op): void {
    const { maxKeyBytes } = this.#transport.capabilities
    if (op.type === 'delete-prefix') {
      assertPrefix(op.prefix, maxKeyBytes)
      return
    }
    assertKey(op.key, maxKeyBytes)
    if (op.type === 'put') {
      const { ttlMs, ifVersion, ifAbsent } = op
      if (ttlMs !== undefined || ifVersion !== undefined || ifAbsent !== undefined) {
        checkOptions<PutOptions>(optionsOf(op), PUT_WAIT_CHECKS)
      }
      this.#checkPut(op.key, op.value, op)
    } else if (op.ifVersion !== undefined) this.#require('conditionalPut', 'ifVersion')
  }

  #require(
    capability: 'ttl' | 'conditionalPut' | 'transactions' | 'waitForApplied',
    option: string,
  ): void {
    const { capabilities, name } = this.#transport
    if (!capabilities[capability]) throw new UnsupportedOptionError(option, name)
  }

  #commit(ops: readonly Op[], options: WaitOptions): Promise<CommitResult> {
    const resolved = options === NONE ? STORED : resolveWait(options)
    if (resolved.waitFor === 'applied') {
      this.#require('waitForApplied', "waitFor: 'applied'")
      // Whoever has asked before is one of those who are waited for.
      this.#link.openWatches(ops)
    }
    return this.#instrumentation.write === undefined
      ? this.#send(ops, resolved)
      : this.#sendObserved(ops, resolved)
  }

  async #sendObserved(ops: readonly Op[], options: CommitOptions): Promise<CommitResult> {
    const startedAt = this.#io.clock.now()
    try {
      const result = await this.#send(ops, options)
      this.#report('ok', startedAt)
      return result
    } catch (error) {
      this.#report(isSyncError(error) ? error.code : 'OTHER', startedAt)
      throw error
    }
  }

  #report(
    result: 'ok' | Parameters<NonNullable<Instrumentation['write']>>[0]['result'],
    startedAt: number,
  ): void {
    this.#instrumentation.write?.({
      transport: this.#transport.name,
      result,
      durationMs: this.#io.clock.now() - startedAt,
    })
  }

  /** Networked transports keep the time themselves; this is for the one that does not. */
  #send(ops: readonly Op[], options: CommitOptions): Promise<CommitResult> {
    const answer = this.#transport.commit(ops, options, this.#io)
    if ((this.#transport.livenessMs ?? 0) === 0) return answer
    const commit = this.#link.heard(answer)
    const { timeoutMs } = options
    return new Promise((resolve, reject) => {
      const timer = this.#io.clock.after(
        timeoutMs,
        () => reject(new TimeoutError('the write', timeoutMs, { outcome: 'unknown' })),
        { keepAlive: true },
      )
      commit.then(resolve, reject).finally(() => timer.stop())
    })
  }
}

function toPutResult({ versions, receivers }: CommitResult): PutResult {
  const version = versions[0] ?? ''
  return receivers === undefined ? { version } : { version, receivers }
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) when a key stands there twice */
function assertDistinct(ops: readonly Op[]): void {
  const keys = new Set<string>()
  for (const op of ops) {
    const key = op.type === 'delete-prefix' ? `prefix ${op.prefix}` : `key ${op.key}`
    if (keys.has(key)) throw new InvalidOptionError('key', `${key} is in the transaction already`)
    keys.add(key)
  }
}

function optionsOf({ ttlMs, ifVersion, ifAbsent }: Op & { type: 'put' }): PutOptions {
  return { ttlMs, ifVersion, ifAbsent } as PutOptions
}

function resolveWait({ waitFor, timeoutMs }: WaitOptions): CommitOptions {
  return { waitFor: waitFor ?? STORED.waitFor, timeoutMs: timeoutMs ?? STORED.timeoutMs }
}

function serialize(message: Message): Uint8Array {
  if (typeof message?.serializeBinary !== 'function') {
    throw new InvalidOptionError('message', 'has no serializeBinary(); wrap bytes with raw()')
  }
  let value: unknown
  try {
    value = message.serializeBinary()
  } catch (cause) {
    throw new InvalidOptionError('message', 'serializeBinary() threw', { cause })
  }
  if (!(value instanceof Uint8Array)) {
    throw new InvalidOptionError('message', 'serializeBinary() gave no Uint8Array')
  }
  return value
}
