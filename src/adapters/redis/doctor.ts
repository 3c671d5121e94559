import { isSyncError } from '../../api/errors.ts'
import type { Finding } from '../../api/finding.ts'
import type { Io } from '../../api/transport.ts'
import { readClusterView } from './cluster-view.ts'
import type { Connection } from './connection.ts'
import { dialer } from './dial.ts'
import { diagnoseNotifications } from './doctor-notifications.ts'
import { diagnoseRights } from './doctor-rights.ts'
import { diagnoseSettings } from './doctor-settings.ts'
import { translate } from './errors.ts'
import { readOptions } from './options.ts'
import type { RedisOptions, RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { parseInfo, text } from './server-identity.ts'

const FAREWELL_MS = 1_000
/** Older ones lack what the transport uses. */
const OLDEST = [6, 2] as const

/**
 * Looks at a server, or at every primary of a cluster, without a change to it. Where rights differ by key, `prefixes`
 * says which keys are meant.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export async function* diagnoseRedis(
  options: RedisOptions,
  prefixes: readonly string[],
  io: Io,
): AsyncGenerator<Finding> {
  const settings = readOptions(options)
  let known: readonly Endpoint[] = settings.endpoints
  if (settings.cluster) {
    const found = yield* findPrimaries(settings, io)
    if (found === undefined) return
    known = found
  }
  for (const endpoint of known) {
    for await (const finding of diagnoseServer(endpoint, settings, prefixes, io)) {
      const detail = settings.cluster
        ? `${endpointName(endpoint)}: ${finding.detail}`
        : finding.detail
      yield { ...finding, detail }
    }
  }
}

/** Asks the seeds in turn; ends without primaries when none tells. */
async function* findPrimaries(
  settings: RedisSettings,
  io: Io,
): AsyncGenerator<Finding, readonly Endpoint[] | undefined> {
  for (const seed of settings.endpoints) {
    const connection = yield* connect(seed, settings, io)
    if (connection === undefined) continue
    try {
      const [reply] = await connection.pipeline([['CLUSTER', 'INFO']])
      const info = reply instanceof Error ? new Map<string, string>() : parseInfo(text(reply))
      yield clusterState(info)
      if (info.size === 0) return undefined
      const { primaries } = await readClusterView(connection, settings)
      return primaries.map(({ endpoint }) => endpoint)
    } finally {
      await connection.close(FAREWELL_MS)
    }
  }
  return undefined
}

function clusterState(info: ReadonlyMap<string, string>): Finding {
  const check = 'cluster'
  if (info.size === 0) {
    return {
      level: 'error',
      check,
      detail: 'the server is no node of a cluster, or CLUSTER is refused',
      fix: 'use redis:// for a server on its own',
      code: 'SYNC_INVALID_OPTION',
    }
  }
  const state = info.get('cluster_state') ?? ''
  const slots = info.get('cluster_slots_ok') ?? ''
  if (state === 'ok') {
    return { level: 'ok', check, detail: `state ok, ${info.get('cluster_size') ?? '?'} primaries` }
  }
  return {
    level: 'error',
    check,
    detail: `state ${state}, ${slots} of 16384 slots are served`,
    fix: 'start the nodes that are missing; `redis-cli --cluster check` names them',
    code: 'SYNC_UNAVAILABLE',
  }
}

async function* diagnoseServer(
  endpoint: Endpoint,
  settings: RedisSettings,
  prefixes: readonly string[],
  io: Io,
): AsyncGenerator<Finding> {
  const connection = yield* connect(endpoint, settings, io)
  if (connection === undefined) return
  try {
    yield* identity(connection, settings)
    yield* diagnoseRights(connection, settings, prefixes)
    yield* diagnoseNotifications(connection, settings, prefixes, io)
    yield* diagnoseSettings(connection, settings)
  } catch (error) {
    yield lost(translate(settings.name, error))
  } finally {
    await connection.close(FAREWELL_MS)
  }
}

async function* connect(
  endpoint: Endpoint,
  settings: RedisSettings,
  io: Io,
): AsyncGenerator<Finding, Connection | undefined> {
  const dial = dialer(settings, io)
  try {
    const connection = await dial(endpoint, settings.commandTimeoutMs, io.signal)
    yield {
      level: 'ok',
      check: 'connection',
      detail: `${endpointName(endpoint)} answers, login accepted`,
    }
    return connection
  } catch (error) {
    io.signal.throwIfAborted()
    yield unreachable(endpoint, error, settings)
    return undefined
  }
}

function unreachable(endpoint: Endpoint, error: unknown, { tls }: RedisSettings): Finding {
  const { message, code } = isSyncError(error) ? error : translate('redis', error)
  const otherUrl =
    tls === undefined
      ? 'For TLS the URL begins with rediss://'
      : 'Does it speak TLS on this port? Without TLS the URL begins with redis://'
  const fixes: Readonly<Record<string, string>> = {
    SYNC_ACCESS_DENIED:
      'check user and password, or for TLS the certificate (--tls-ca names the authority)',
    SYNC_INVALID_OPTION: 'check the database number in the URL',
    SYNC_UNAVAILABLE: `is a server running at ${endpointName(endpoint)}, and no firewall between? ${otherUrl}`,
  }
  const fix = fixes[code]
  return {
    level: 'error',
    check: 'connection',
    detail: `${endpointName(endpoint)}: ${message}`,
    ...(fix === undefined ? {} : { fix }),
    code,
  }
}

function lost({ message, code }: ReturnType<typeof translate>): Finding {
  return { level: 'error', check: 'connection', detail: message, code }
}

async function* identity(connection: Connection, settings: RedisSettings): AsyncGenerator<Finding> {
  const [role, server] = await connection.pipeline([['ROLE'], ['INFO', 'server']])
  if (server !== undefined && !(server instanceof Error)) {
    const info = parseInfo(text(server))
    yield version(info)
    yield* mode(info, settings)
  }
  if (!Array.isArray(role)) return // told by the rights
  const name = text(role[0])
  if (name === 'master') yield { level: 'ok', check: 'role', detail: 'primary' }
  else {
    yield {
      level: 'error',
      check: 'role',
      detail: `${name === 'slave' ? 'replica' : name}: it can lag behind and takes no writes`,
      fix: 'use the address of the primary, or promote this one: REPLICAOF NO ONE',
      code: 'SYNC_UNAVAILABLE',
    }
  }
}

function version(info: ReadonlyMap<string, string>): Finding {
  const name = info.get('redis_version') ?? 'unknown'
  const product = info.has('valkey_version')
    ? `Valkey ${info.get('valkey_version')}`
    : `Redis ${name}`
  const [major = 0, minor = 0] = name.split('.').map(Number)
  const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])
  if (!old) return { level: 'ok', check: 'version', detail: product }
  return {
    level: 'error',
    check: 'version',
    detail: `${product} is older than ${OLDEST.join('.')}`,
    fix: 'update the server',
  }
}

function* mode(info: ReadonlyMap<string, string>, settings: RedisSettings): Generator<Finding> {
  const cluster = info.get('redis_mode') === 'cluster'
  if (cluster === settings.cluster) return
  yield {
    level: 'error',
    check: 'cluster',
    detail: cluster ? 'the server is a node of a cluster' : 'the server is no node of a cluster',
    fix: cluster ? 'use redis+cluster://' : 'use redis://',
    code: 'SYNC_INVALID_OPTION',
  }
}
