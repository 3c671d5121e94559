import type { Connection } from './connection.ts'
import { isTooLarge } from './errors.ts'
import type { EtcdSettings } from './options.ts'
import { rangeMethod, txnMethod } from './schema.ts'
import type { KeyValue } from './schema.ts'

/**
 * The keys that exist, many per request.
 * @throws ServiceError of gRPC, as {@link Connection.call}
 */
export async function readKeys(
  keys: readonly string[],
  connection: Connection,
  settings: EtcdSettings,
): Promise<KeyValue[]> {
  const [only] = keys
  if (only !== undefined && keys.length === 1) {
    const { kvs } = await connection.call(rangeMethod, { key: Buffer.from(only) })
    return [...kvs]
  }
  const found: KeyValue[] = []
  for (let i = 0; i < keys.length; i += settings.maxTxnOps) {
    const chunk = keys.slice(i, i + settings.maxTxnOps)
    found.push(...(await readTogether(chunk, connection)))
  }
  return found
}

/** What does not fit into one message is asked for in halves. */
async function readTogether(keys: readonly string[], connection: Connection): Promise<KeyValue[]> {
  const success = keys.map((key) => ({ requestRange: { key: Buffer.from(key) } }))
  try {
    const { responses } = await connection.call(txnMethod, { compare: [], success, failure: [] })
    return responses.flatMap(({ responseRange }) => [...(responseRange?.kvs ?? [])])
  } catch (error) {
    if (!isTooLarge(error) || keys.length === 1) throw error
    const half = Math.ceil(keys.length / 2)
    return [
      ...(await readTogether(keys.slice(0, half), connection)),
      ...(await readTogether(keys.slice(half), connection)),
    ]
  }
}
