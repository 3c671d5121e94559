import { isSyncError, TransportUnavailableError } from '../../api/errors.ts'
import { hasPrefix } from '../../api/key.ts'
import type { Finding } from '../../api/finding.ts'
import type { Io } from '../../api/transport.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { capabilitiesOf } from './capabilities.ts'
import { Connection } from './connection.ts'
import { translate } from './errors.ts'
import { readOptions } from './options.ts'
import type { GrpcOptions, GrpcSettings } from './options.ts'
import type { InfoReply } from './watch-schema.ts'

/**
 * Looks at every endpoint without a change to what is served. `prefixes` are those whose rights are told.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export async function* diagnoseGrpc(
  options: GrpcOptions,
  prefixes: readonly string[],
  io: Io,
): AsyncGenerator<Finding> {
  const settings = readOptions(options)
  for (const endpoint of settings.endpoints) {
    const connection = new Connection(endpoint, settings, io)
    const onAbort = (): void => connection.destroy()
    io.signal.addEventListener('abort', onAbort, { once: true })
    const limit = io.clock.after(settings.connectTimeoutMs, () => {
      const problem = `no answer within ${settings.connectTimeoutMs} ms`
      connection.destroy(new TransportUnavailableError(settings.name, problem))
    })
    try {
      await connection.open()
      const detail = `${endpointName(endpoint)} answers${settings.tls === undefined ? ', without TLS' : ''}`
      yield { level: 'ok', check: 'connection', detail }
      if (connection.info !== undefined) yield* aboutServed(connection.info, prefixes)
    } catch (error) {
      const reason = connection.lost ?? error
      io.signal.throwIfAborted()
      yield unreachable(endpoint, reason, settings)
    } finally {
      limit.stop()
      io.signal.removeEventListener('abort', onAbort)
      connection.destroy()
    }
  }
}

function* aboutServed(info: InfoReply, prefixes: readonly string[]): Generator<Finding> {
  const capabilities = capabilitiesOf(info)
  const lacks = (['resumable', 'conditionalPut', 'transactions', 'waitForApplied'] as const).filter(
    (name) => !capabilities[name],
  )
  yield {
    level: 'ok',
    check: 'served',
    detail: `a transport named ${JSON.stringify(info.transport)}${lacks.length === 0 ? '' : `, without ${lacks.join(', ')}`}`,
  }
  yield {
    level: capabilities.watchable === false ? 'error' : 'ok',
    check: 'watch',
    detail: capabilities.watchable === false ? 'the store can only be read' : 'can be watched',
    ...(capabilities.watchable === false ? { code: 'SYNC_UNSUPPORTED_OPTION' as const } : {}),
  }
  yield* rights('read', info.readable, prefixes)
  yield* rights('write', info.writable, prefixes)
  yield {
    level: 'ok',
    check: 'message size',
    detail: `values up to ${capabilities.maxValueBytes ?? '?'} bytes, requests up to ${info.maxMessageBytes}`,
  }
}

function* rights(
  kind: 'read' | 'write',
  allowed: readonly string[],
  prefixes: readonly string[],
): Generator<Finding> {
  const missing = prefixes.filter((prefix) => !allowed.some((each) => hasPrefix(prefix, each)))
  const shown = allowed.map((prefix) => JSON.stringify(prefix)).join(', ')
  if (missing.length === 0) {
    const detail = shown === '' ? `nothing may be ${kind === 'read' ? 'read' : 'written'}` : shown
    yield { level: shown === '' ? 'warn' : 'ok', check: `right to ${kind}`, detail }
    return
  }
  yield {
    level: kind === 'read' ? 'error' : 'warn',
    check: `right to ${kind}`,
    detail: `not under ${missing.map((prefix) => JSON.stringify(prefix)).join(', ')}`,
    fix: `the server's access has to name the prefix in ${kind}`,
    ...(kind === 'read' ? { code: 'SYNC_ACCESS_DENIED' as const } : {}),
  }
}

function unreachable(endpoint: Endpoint, error: unknown, settings: GrpcSettings): Finding {
  const { message, code } = isSyncError(error) ? error : translate(settings.name, error)
  const otherUrl =
    settings.tls === undefined
      ? 'For TLS the URL begins with grpcs://'
      : 'Does it speak TLS on this port? Without TLS the URL begins with grpc://'
  return {
    level: 'error',
    check: 'connection',
    detail: `${endpointName(endpoint)}: ${message}`,
    fix:
      code === 'SYNC_ACCESS_DENIED'
        ? 'check the token, or for TLS the certificates (--tls-ca names the authority, --tls-cert and --tls-key are our own)'
        : `is an agent served there? ${otherUrl}`,
    code,
  }
}
