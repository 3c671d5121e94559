import type { CommandLine, Connection, Reply } from './connection.ts'
import { replyArguments, replyCode } from './errors.ts'
import { text } from './server-identity.ts'

/** The key's slot has another owner than was thought. */
export const MOVED: unique symbol = Symbol('moved')

/** A value; null where there is no such key, or what it holds is no string. */
export type ReadValue = Buffer | null | typeof MOVED

export interface ScanPage {
  /** `0` after the last page. */
  readonly cursor: string
  readonly keys: readonly Buffer[]
}

/** One page of SCAN on one node. A page may be empty, a key come twice. */
export async function scanPage(
  connection: Connection,
  cursor: string,
  pattern: string,
  count: number,
  type?: 'string',
): Promise<ScanPage> {
  const only = type === undefined ? [] : ['TYPE', type]
  const reply = await connection.call(
    'SCAN',
    cursor,
    'MATCH',
    pattern,
    'COUNT',
    String(count),
    ...only,
  )
  const [next, keys] = reply as readonly [Buffer, readonly Buffer[]]
  return { cursor: text(next), keys }
}

/** Reads values on one node, in the order of the keys. */
export type KeyReader = (
  connection: Connection,
  keys: readonly string[],
) => Promise<readonly ReadValue[]>

/** All at once: MGET says nil for absent keys and for what is no string. */
export const readTogether: KeyReader = (connection, keys) => connection.mget(keys)

/** The connection to the node of a cluster that an answer names as `host:port`; undefined when it is none of ours. */
export type FindNode = (address: string, asked: Connection) => Promise<Connection | undefined>

/** One by one in a pipeline, as a cluster's MGET takes keys of one slot only; follows a slot that is on its way (ASK). */
export function clusterReader(findNode: FindNode): KeyReader {
  return async (connection, keys) => {
    const replies = await connection.pipeline(keys.map((key) => ['GET', key]))
    const values = replies.map(toValue)
    const asked = new Map<string, number[]>()
    for (const [i, reply] of replies.entries()) {
      if (replyCode(reply) !== 'ASK') continue
      const address = replyArguments(reply)[1] ?? ''
      asked.set(address, [...(asked.get(address) ?? []), i])
    }
    for (const [address, indexes] of asked) {
      const node = await findNode(address, connection)
      if (node === undefined) continue
      const commands = indexes.flatMap((i): CommandLine[] => [
        ['ASKING'],
        ['GET', keys[i] as string],
      ])
      const answers = await node.pipeline(commands)
      for (const [at, i] of indexes.entries())
        values[i] = toValue(answers[2 * at + 1] as Reply | Error)
    }
    return values
  }
}

function toValue(reply: Reply | Error): ReadValue {
  if (!(reply instanceof Error)) return Buffer.isBuffer(reply) ? reply : null
  switch (replyCode(reply) ?? '') {
    case 'WRONGTYPE':
      return null
    case 'MOVED':
    case 'ASK':
    case 'TRYAGAIN':
      return MOVED
    default:
      throw reply
  }
}
