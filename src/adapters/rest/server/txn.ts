import { InvalidOptionError } from '../../../api/errors.ts'
import { assertKey, assertPrefix } from '../../../api/key.ts'
import type { Op } from '../../../api/transport.ts'
import { assertUnconditional } from './conditions.ts'
import type { Exchange } from './exchange.ts'
import { fieldsOf, listOfBody, parseJson } from './json-body.ts'
import { ttlMsOf } from './query.ts'
import type { Service } from './service.ts'
import { writtenBody, writtenHeaders } from './write-options.ts'

/** POST of `/v1/txn`: all or nothing. */
export async function transact(service: Service, exchange: Exchange): Promise<void> {
  const { query } = exchange
  query.allow('wait', 'timeoutMs')
  assertUnconditional(exchange)
  exchange.assertJsonBody()
  const { ops: list } = fieldsOf(parseJson(exchange.body), 'body', ['ops'])
  const { maxOps } = service.settings.limits
  const ops = listOfBody(list, 'ops', maxOps).map((item, index) =>
    opOf(service, item, `ops[${index}]`),
  )
  for (const op of ops) exchange.assertMayWrite(op.type === 'delete-prefix' ? op.prefix : op.key)
  const wait = service.waitOf(query)
  const result = await service.served.commit(ops, wait.options)
  const versions = result.versions.map((version) => version ?? null)
  exchange.json(
    wait.unawaited ? 202 : 200,
    { ...writtenBody(wait, result), versions },
    writtenHeaders(result),
  )
}

function opOf({ values }: Service, item: unknown, where: string): Op {
  const all = ['op', 'key', 'prefix', 'value', 'encoding', 'ttl', 'ifVersion', 'ifAbsent']
  const { op } = fieldsOf(item, where, all)
  switch (op) {
    case 'put': {
      const known = ['op', 'key', 'value', 'encoding', 'ttl', 'ifVersion', 'ifAbsent']
      const { key, value, encoding, ttl, ifVersion, ifAbsent } = fieldsOf(item, where, known)
      assertKey(key)
      const ttlMs = ttlMsOf(ttl)
      if (ifAbsent !== undefined && typeof ifAbsent !== 'boolean') {
        throw new InvalidOptionError(`${where}.ifAbsent`, 'must be true or false')
      }
      return {
        type: 'put',
        key,
        value: values.fromWire(key, value, encoding, where),
        ...(ttlMs === undefined ? {} : { ttlMs }),
        ...versionOf(ifVersion, where),
        ...(ifAbsent === true ? { ifAbsent } : {}),
      }
    }
    case 'delete': {
      const { key, ifVersion } = fieldsOf(item, where, ['op', 'key', 'ifVersion'])
      assertKey(key)
      return { type: 'delete', key, ...versionOf(ifVersion, where) }
    }
    case 'delete-prefix': {
      const { prefix } = fieldsOf(item, where, ['op', 'prefix'])
      assertPrefix(prefix)
      return { type: 'delete-prefix', prefix }
    }
    default:
      throw new InvalidOptionError(`${where}.op`, 'must be put, delete or delete-prefix')
  }
}

function versionOf(version: unknown, where: string): { ifVersion?: string } {
  if (version === undefined) return {}
  if (typeof version === 'string') return { ifVersion: version }
  throw new InvalidOptionError(`${where}.ifVersion`, 'must be a string')
}
