import type { Finding } from '../../api/finding.ts'
import type { Connection } from './connection.ts'
import { answerOf, isTooLarge } from './errors.ts'
import type { EtcdSettings } from './options.ts'
import { alarmMethod, idOf, numberOf, rangeMethod, txnMethod } from './schema.ts'
import type { StatusResponse } from './schema.ts'

const MIB = 2 ** 20
/** etcd's own where none is set; before 3.6 a member does not tell its quota. */
const DEFAULT_QUOTA = 2_048 * MIB
const FULL_SHARE = 0.8
/** What etcd lets a message be larger than `--max-request-bytes`. */
const MESSAGE_OVERHEAD = 512 * 1024
const ALARMS: Readonly<Record<number, string>> = { 1: 'NOSPACE', 2: 'CORRUPT' }

/** Is there room to write, and do the server's limits allow what ours claim? */
export async function* diagnoseLimits(
  connection: Connection,
  settings: EtcdSettings,
): AsyncGenerator<Finding> {
  yield* alarms(connection)
  if (connection.status !== undefined) yield database(connection.status)
  yield await requestSize(connection, settings)
  yield await transactionSize(connection, settings)
}

async function* alarms(connection: Connection): AsyncGenerator<Finding> {
  const check = 'alarms'
  try {
    const { alarms: raised } = await connection.call(alarmMethod, { action: 0 })
    if (raised.length === 0) yield { level: 'ok', check, detail: 'none' }
    for (const { alarm, memberID } of raised) {
      yield {
        level: 'error',
        check,
        detail: `${ALARMS[alarm] ?? `alarm ${alarm}`} of member ${idOf(memberID)}: writes are refused`,
        fix:
          alarm === 1
            ? 'compact, `etcdctl defrag`, raise --quota-backend-bytes, then `etcdctl alarm disarm`'
            : 'see the log of the member, and restore it from a snapshot',
        code: 'SYNC_UNAVAILABLE',
      }
    }
  } catch (error) {
    if (answerOf(error) === undefined) throw error
    yield { level: 'ok', check, detail: 'only root may see them' }
  }
}

function database({ dbSize, dbSizeInUse, dbSizeQuota }: StatusResponse): Finding {
  const size = numberOf(dbSize)
  const told = numberOf(dbSizeQuota)
  const quota = told || DEFAULT_QUOTA
  const shown = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`
  const detail = `${shown(size)}, ${shown(numberOf(dbSizeInUse))} in use; the quota is ${shown(quota)}${told === 0 ? ' unless --quota-backend-bytes is set' : ''}`
  if (size < FULL_SHARE * quota) return { level: 'ok', check: 'database', detail }
  return {
    level: 'warn',
    check: 'database',
    detail,
    fix: 'compact, then `etcdctl defrag`; or raise --quota-backend-bytes',
  }
}

/** By a read of a key so long that nothing is there: it is refused by its size, or finds nothing. */
async function requestSize(
  connection: Connection,
  { maxRequestBytes }: EtcdSettings,
): Promise<Finding> {
  const check = 'request size'
  const key = Buffer.alloc(maxRequestBytes + MESSAGE_OVERHEAD - 1_024, 'datasync')
  try {
    await connection.call(rangeMethod, { key, keysOnly: true })
  } catch (error) {
    if (isTooLarge(error)) {
      return {
        level: 'warn',
        check,
        detail: `the server takes less than ${maxRequestBytes} bytes`,
        fix: 'start it with a larger --max-request-bytes, or set maxRequestBytes to what it takes',
      }
    }
    // Without rights to such a key it is refused later than by its size.
    if (answerOf(error) !== 'denied') throw error
  }
  return { level: 'ok', check, detail: `${maxRequestBytes} bytes` }
}

/** By a transaction that only reads. */
async function transactionSize(
  connection: Connection,
  { maxTxnOps }: EtcdSettings,
): Promise<Finding> {
  const check = 'transaction size'
  const success = Array.from({ length: maxTxnOps }, () => ({
    requestRange: { key: Buffer.of(0), keysOnly: true },
  }))
  try {
    await connection.call(txnMethod, { compare: [], success, failure: [] })
  } catch (error) {
    const answer = answerOf(error)
    if (answer === 'too-many-operations') {
      return {
        level: 'warn',
        check,
        detail: `the server takes fewer than ${maxTxnOps} operations`,
        fix: 'start it with a larger --max-txn-ops, or set maxTxnOps to what it takes',
      }
    }
    if (answer !== 'denied') throw error
  }
  return { level: 'ok', check, detail: `${maxTxnOps} operations` }
}
