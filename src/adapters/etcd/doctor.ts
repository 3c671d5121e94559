import { isSyncError, TransportUnavailableError } from '../../api/errors.ts'
import type { Finding } from '../../api/finding.ts'
import type { Io } from '../../api/transport.ts'
import { Connection } from './connection.ts'
import { diagnoseHistory } from './doctor-history.ts'
import { diagnoseLimits } from './doctor-limits.ts'
import { diagnoseRights } from './doctor-rights.ts'
import { translate } from './errors.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { readOptions } from './options.ts'
import type { EtcdOptions, EtcdSettings } from './options.ts'
import { marksMovePosition } from './progress-marks.ts'
import { idOf, memberListMethod } from './schema.ts'
import type { StatusResponse } from './schema.ts'

/** Older ones lack what the transport uses. */
const OLDEST = [3, 4] as const

/**
 * Looks at every endpoint without a change to the store. Where rights differ by key, `prefixes` says which keys are meant.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export async function* diagnoseEtcd(
  options: EtcdOptions,
  prefixes: readonly string[],
  io: Io,
): AsyncGenerator<Finding> {
  const settings = readOptions(options)
  const { endpoints } = settings
  const clusters = new Set<string>()
  let asked = false
  for (const endpoint of endpoints) {
    const named = (finding: Finding): Finding =>
      endpoints.length === 1
        ? finding
        : { ...finding, detail: `${endpointName(endpoint)}: ${finding.detail}` }
    const connection = yield* connect(endpoint, settings, io)
    if (connection === undefined) continue
    try {
      for (const finding of aboutMember(connection.status)) yield named(finding)
      if (connection.status !== undefined) clusters.add(idOf(connection.status.header.clusterId))
      // The rest is the same on every member.
      if (asked) continue
      asked = true
      yield* diagnoseRights(connection, prefixes)
      yield* diagnoseHistory(connection, prefixes)
      yield* diagnoseLimits(connection, settings)
      yield* members(connection, settings)
    } catch (error) {
      io.signal.throwIfAborted()
      const { message, code } = translate(settings.name, error)
      yield named({ level: 'error', check: 'connection', detail: message, code })
    } finally {
      connection.destroy()
    }
  }
  if (clusters.size > 1) {
    yield {
      level: 'error',
      check: 'cluster',
      detail: `the endpoints belong to ${clusters.size} clusters`,
      fix: 'list members of one cluster only: `etcdctl member list` names them',
      code: 'SYNC_INVALID_OPTION',
    }
  }
}

async function* connect(
  endpoint: Endpoint,
  settings: EtcdSettings,
  io: Io,
): AsyncGenerator<Finding, Connection | undefined> {
  const connection = new Connection(endpoint, settings, io)
  const onAbort = (): void => connection.destroy()
  io.signal.addEventListener('abort', onAbort, { once: true })
  const limit = io.clock.after(settings.connectTimeoutMs, () => {
    const problem = `no answer within ${settings.connectTimeoutMs} ms`
    connection.destroy(new TransportUnavailableError(settings.name, problem))
  })
  try {
    await connection.open()
    const detail = `${endpointName(endpoint)} answers, login accepted`
    yield { level: 'ok', check: 'connection', detail }
    return connection
  } catch (error) {
    const reason = connection.lost ?? error
    connection.destroy()
    io.signal.throwIfAborted()
    yield unreachable(endpoint, reason, settings)
    return undefined
  } finally {
    limit.stop()
    io.signal.removeEventListener('abort', onAbort)
  }
}

function unreachable(endpoint: Endpoint, error: unknown, settings: EtcdSettings): Finding {
  const { message, code } = isSyncError(error) ? error : translate(settings.name, error)
  const otherUrl =
    settings.tls === undefined
      ? 'For TLS the URL begins with etcds://'
      : 'Does it speak TLS on this port? Without TLS the URL begins with etcd://'
  return {
    level: 'error',
    check: 'connection',
    detail: `${endpointName(endpoint)}: ${message}`,
    fix:
      code === 'SYNC_ACCESS_DENIED'
        ? 'check user and password, or for TLS the certificates (--tls-ca names the authority, --tls-cert and --tls-key are our own)'
        : `is an etcd running at ${endpointName(endpoint)}, is it a voting member of a cluster with a leader, and is no firewall between? ${otherUrl}`,
    code,
  }
}

function* aboutMember(status: StatusResponse | undefined): Generator<Finding> {
  if (status === undefined) {
    yield { level: 'warn', check: 'version', detail: 'the server does not tell its status' }
    return
  }
  yield version(status.version)
  const leads = idOf(status.leader) === idOf(status.header.memberId)
  yield { level: 'ok', check: 'role', detail: leads ? 'leader' : 'follower' }
  if (status.errors.length > 0) {
    yield {
      level: 'warn',
      check: 'health',
      detail: `the member says: ${status.errors.join('; ')}`,
      fix: 'see `etcdctl alarm list`, and the log of the member',
    }
  }
}

function version(name: string): Finding {
  const check = 'version'
  const [major = 0, minor = 0] = name.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const detail = `etcd ${name} is older than ${OLDEST.join('.')}`
    return { level: 'error', check, detail, fix: 'update the server' }
  }
  if (marksMovePosition(name)) {
    return { level: 'ok', check, detail: `etcd ${name}; progress marks move the resume point` }
  }
  return {
    level: 'warn',
    check,
    detail: `etcd ${name}; progress marks prove life only: where the watched keys stay quiet and others are compacted, a reconnect lists again`,
    fix: 'update to 3.4.31, 3.5.13 or later',
  }
}

async function* members(
  connection: Connection,
  { endpoints }: EtcdSettings,
): AsyncGenerator<Finding> {
  const { members: all } = await connection
    .call(memberListMethod, {})
    .catch(() => ({ members: [] }))
  const voting = all.filter(({ isLearner }) => !isLearner).length
  if (voting === 0) return
  const check = 'members'
  if (voting > endpoints.length) {
    yield {
      level: 'warn',
      check,
      detail: `the cluster has ${voting} members, the URL names ${endpoints.length}`,
      fix: 'name all of them, so that the death of one is survived: etcd://a,b,c',
    }
  } else yield { level: 'ok', check, detail: `${voting}` }
}
