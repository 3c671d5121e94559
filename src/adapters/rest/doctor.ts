import { isSyncError } from '../../api/errors.ts'
import type { Finding } from '../../api/finding.ts'
import { hasPrefix } from '../../api/key.ts'
import type { Io } from '../../api/transport.ts'
import { HttpClient } from './http.ts'
import { readOptions } from './options.ts'
import type { RestOptions } from './options.ts'
import type { WireInfo } from './protocol.ts'

/** Says what a REST server is, and what we may do there; nothing is changed. */
export async function* diagnoseRest(
  options: RestOptions,
  prefixes: readonly string[],
  io: Io,
): AsyncGenerator<Finding> {
  const settings = readOptions(options)
  const http = new HttpClient(settings)
  try {
    const info = await http.json<WireInfo>(
      { method: 'GET', path: '/v1/info' },
      io,
      settings.commandTimeoutMs,
    )
    yield { level: 'ok', check: 'connection', detail: `${settings.base} answers, access granted` }
    yield* state(info)
    yield* rights(info, prefixes)
    yield* limits(info)
  } catch (error) {
    if (!isSyncError(error)) throw error
    yield {
      level: 'error',
      check: 'connection',
      detail: error.message,
      code: error.code,
      fix: 'look at the address, the path, the token and the certificate',
    }
  } finally {
    http.close()
  }
}

function* state({ ready, state: link, transport }: WireInfo): Generator<Finding> {
  if (!ready) {
    yield {
      level: 'error',
      check: 'agent',
      detail: 'it has not started, or is closed',
      code: 'SYNC_UNAVAILABLE',
    }
  } else if (link === 'stale') {
    yield { level: 'warn', check: 'agent', detail: `its link to ${transport} is lost` }
  } else yield { level: 'ok', check: 'agent', detail: `serves ${transport}` }
}

function* rights(
  { readable, writable }: WireInfo,
  prefixes: readonly string[],
): Generator<Finding> {
  const check = 'rights'
  const may = (own: readonly string[], prefix: string): boolean =>
    own.some((each) => hasPrefix(prefix, each))
  for (const prefix of prefixes) {
    if (!may(readable, prefix)) {
      yield {
        level: 'error',
        check,
        detail: `${JSON.stringify(prefix)} may not be read`,
        code: 'SYNC_ACCESS_DENIED',
      }
    } else if (!may(writable, prefix)) {
      yield { level: 'warn', check, detail: `${JSON.stringify(prefix)} may be read, not written` }
    } else yield { level: 'ok', check, detail: `${JSON.stringify(prefix)} may be read and written` }
  }
  if (prefixes.length > 0) return
  if (readable.length === 0) {
    yield {
      level: 'error',
      check,
      detail: 'nothing may be read',
      code: 'SYNC_ACCESS_DENIED',
    }
    return
  }
  const shown = (own: readonly string[]): string =>
    own.length === 0 ? 'nothing' : own.map((prefix) => JSON.stringify(prefix)).join(', ')
  yield { level: 'ok', check, detail: `read ${shown(readable)}; write ${shown(writable)}` }
}

function* limits({ capabilities, limits: own }: WireInfo): Generator<Finding> {
  yield {
    level: 'ok',
    check: 'limits',
    detail: `a request may have ${own['maxBodyBytes']} bytes and ${own['maxOps']} operations`,
  }
  const { resumable, watchable } = capabilities
  if (watchable === false) {
    yield { level: 'warn', check: 'watch', detail: 'the store can be read, but not watched' }
  } else if (!resumable) {
    yield { level: 'ok', check: 'watch', detail: 'a watch that is lost begins with a new list' }
  } else yield { level: 'ok', check: 'watch', detail: 'a watch that is lost goes on where it was' }
}
