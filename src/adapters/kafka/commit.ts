import { UnsupportedOptionError } from '../../api/errors.ts'
import type { CommitResult, Op } from '../../api/transport.ts'
import type { Control } from './control.ts'
import { assertValueSize, isTooLarge, tooLarge } from './errors.ts'
import { versionOf } from './kafka-record.ts'
import type { KafkaSettings } from './options.ts'
import type { Transactions, TransactionWrite } from './transactions.ts'
import type { Write, WriteQueue } from './write-queue.ts'

/** Deletes of one prefix under way at a time. */
const WINDOW = 2_000

type KeyOp = Exclude<Op, { type: 'delete-prefix' }>

export interface CommitContext {
  readonly settings: KafkaSettings
  readonly writes: WriteQueue
  readonly transactions: Transactions
  readonly control: Control
  readonly listKeys: (prefix: string) => Promise<readonly string[]>
}

/** A commit under way. */
export interface CommitProgress {
  readonly result: Promise<CommitResult>
  /** True from when anything may be written. */
  sent(): boolean
  /** Nothing more is sent. */
  cancel(): void
}

/**
 * Writes: one operation as a plain record, several in a transaction, a prefix key by key.
 * @throws PayloadTooLargeError, UnsupportedOptionError, TransportUnavailableError (by `result`)
 */
export function commitOps(ops: readonly Op[], context: CommitContext): CommitProgress {
  const writes: Write[] = []
  let cancelled = false
  const running = run(ops, context, (op) => {
    const write = writeOf(op, cancelled)
    writes.push(write)
    return write
  })
  return {
    result: running,
    sent: () => writes.some(({ sent }) => sent),
    cancel: () => {
      cancelled = true
      for (const write of writes) write.cancelled = true
    },
  }
}

async function run(
  ops: readonly Op[],
  context: CommitContext,
  register: (op: Pick<KeyOp, 'key'> & { readonly value?: Uint8Array }) => Write,
): Promise<CommitResult> {
  const { settings, writes } = context
  const [first] = ops
  if (first === undefined) return { versions: [] }
  if (first.type === 'delete-prefix') {
    if (ops.length > 1) throw keyByKey(settings)
    const keys = await context.listKeys(first.prefix)
    for (let from = 0; from < keys.length; from += WINDOW) {
      const page = keys.slice(from, from + WINDOW)
      await Promise.all(page.map((key) => writes.write(register({ key }))))
    }
    return { versions: [undefined] }
  }
  const keyOps = ops.map((op) => assertPlain(op, settings))
  if (keyOps.length > 1) return { versions: await commitTogether(keyOps, context, register) }
  const written = await writes.write(register(first))
  return { versions: [versionOfOp(first, written.partition, written.offset)] }
}

async function commitTogether(
  ops: readonly KeyOp[],
  { control, transactions, writes, settings }: CommitContext,
  register: (op: KeyOp) => Write,
): Promise<readonly (string | undefined)[]> {
  const prepared = ops.map((op) => register(op))
  const partitions = await control.use(({ partitionOf }) =>
    Promise.resolve(prepared.map(({ key }) => partitionOf(key))),
  )
  const together = prepared.map((write, i): TransactionWrite =>
    Object.assign(write, { partition: partitions[i] ?? 0 }),
  )
  try {
    const offsets = await transactions.commit(together)
    return ops.map((op, i) => {
      const partition = partitions[i] ?? 0
      const offset = offsets[i] ?? 0
      writes.noteWritten(partition, offset + 1)
      return versionOfOp(op, partition, offset)
    })
  } catch (error) {
    if (!isTooLarge(error)) throw error
    const size = together.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    throw tooLarge('the transaction', size, writes.maxMessageBytes ?? settings.maxValueBytes)
  }
}

/** @throws UnsupportedOptionError, PayloadTooLargeError */
function assertPlain(op: Op, settings: KafkaSettings): KeyOp {
  const { name } = settings
  if (op.type === 'delete-prefix') throw keyByKey(settings)
  if (op.ifVersion !== undefined || (op.type === 'put' && op.ifAbsent === true)) {
    const option = op.ifVersion === undefined ? 'ifAbsent' : 'ifVersion'
    throw new UnsupportedOptionError(option, name, 'Kafka writes without conditions')
  }
  if (op.type === 'put') {
    if (op.ttlMs !== undefined) {
      throw new UnsupportedOptionError('ttlMs', name, 'a compacted topic keeps every key')
    }
    assertValueSize(op.key, op.value, settings.maxValueBytes)
  }
  return op
}

function keyByKey({ name }: KafkaSettings): UnsupportedOptionError {
  return new UnsupportedOptionError('txn', name, 'a prefix is deleted key by key')
}

function versionOfOp(op: KeyOp, partition: number, offset: number): string | undefined {
  return op.type === 'put' ? versionOf(partition, offset) : undefined
}

function writeOf(
  op: { readonly key: string; readonly value?: Uint8Array },
  cancelled: boolean,
): Write {
  const { value } = op
  return {
    key: Buffer.from(op.key),
    value:
      value === undefined ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    sent: false,
    cancelled,
  }
}
