import type { Finding } from '../../api/finding.ts'
import type { Connection } from './connection.ts'
import { answerOf } from './errors.ts'
import { rangeOf } from './key-range.ts'
import { rangeMethod, txnMethod } from './schema.ts'

/** May the user read, watch and write what begins with the prefixes? Without any, all keys are meant. */
export async function* diagnoseRights(
  connection: Connection,
  prefixes: readonly string[],
): AsyncGenerator<Finding> {
  for (const prefix of prefixes.length === 0 ? [''] : prefixes) {
    const check = prefix === '' ? 'rights' : `rights under ${prefix}`
    const read = await isAllowed(() =>
      connection.call(rangeMethod, { ...rangeOf(prefix), limit: 1, keysOnly: true }),
    )
    // The server judges the rights of a transaction before its conditions: this one never holds.
    const write = await isAllowed(() =>
      connection.call(txnMethod, {
        compare: [{ target: 2, key: rangeOf(prefix).key, modRevision: -1 }],
        success: [{ requestDeleteRange: rangeOf(prefix) }],
        failure: [],
      }),
    )
    if (read && write) yield { level: 'ok', check, detail: 'read, watch and write' }
    else yield lacking(check, prefix, read)
  }
}

function lacking(check: string, prefix: string, read: boolean): Finding {
  const role = `etcdctl role grant-permission <role> --prefix=true readwrite ${JSON.stringify(prefix)}`
  if (prefix === '') {
    return {
      level: 'warn',
      check,
      detail: `the user may not ${read ? 'write' : 'read'} all keys`,
      fix: 'name the prefixes that are needed behind the URL',
    }
  }
  return {
    level: read ? 'warn' : 'error',
    check,
    detail: read ? 'read and watch only' : 'no reading and watching',
    fix: role,
    ...(read ? {} : { code: 'SYNC_ACCESS_DENIED' as const }),
  }
}

async function isAllowed(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call()
    return true
  } catch (error) {
    if (answerOf(error) === 'denied') return false
    throw error
  }
}
