import { InvalidOptionError, TransportUnavailableError } from '../../api/errors.ts'
import type { Connection, Reply } from './connection.ts'
import { translate } from './errors.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'

/** Who answers at a connection. */
export interface ServerIdentity {
  /** New at every start of a server. */
  readonly runId: string
  /** `master`, `slave` or `sentinel`. */
  readonly role: string
  /** Is a node of a cluster. */
  readonly cluster: boolean
}

/** Asks who is there. A connection with subscriptions cannot be asked. */
export async function readIdentity(connection: Connection): Promise<ServerIdentity> {
  const [role, info] = await connection.pipeline([['ROLE'], ['INFO', 'server']])
  if (role instanceof Error) throw role
  if (info instanceof Error) throw info
  const fields = parseInfo(text(info))
  return {
    runId: fields.get('run_id') ?? '',
    role: Array.isArray(role) ? text(role[0] as Reply) : '',
    cluster: fields.get('redis_mode') === 'cluster',
  }
}

/**
 * Asks, and makes sure that the server is one that can be watched: a primary, of a cluster only where one is expected.
 * @throws TransportUnavailableError for a replica, which may become a primary; InvalidOptionError; AccessDeniedError
 */
export async function requirePrimary(
  connection: Connection,
  settings: RedisSettings,
): Promise<ServerIdentity> {
  let identity: ServerIdentity
  try {
    identity = await readIdentity(connection)
  } catch (error) {
    throw translate(settings.name, error)
  }
  const at = endpointName(connection.endpoint)
  if (identity.cluster !== settings.cluster) {
    const problem = settings.cluster ? 'is no node of a cluster' : 'is a node of a cluster'
    throw new InvalidOptionError('cluster', `is ${settings.cluster}, but ${at} ${problem}`)
  }
  if (identity.role !== 'master') {
    throw new TransportUnavailableError(settings.name, `${at} is no primary but a ${identity.role}`)
  }
  return identity
}

/** What is no longer as it was, as a sentence; undefined when all is. */
export function identityProblem(before: ServerIdentity, now: ServerIdentity): string | undefined {
  if (now.runId !== before.runId) return 'is another server, or was started anew'
  if (now.role !== before.role) return `became a ${now.role}`
  return undefined
}

/** A reply's text. */
export function text(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString() : String(reply ?? '')
}

/** The fields of an answer to INFO or CLUSTER INFO. */
export function parseInfo(info: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of info.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}
