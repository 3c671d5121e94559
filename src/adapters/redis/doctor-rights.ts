import { randomBytes } from 'node:crypto'
import type { Finding } from '../../api/finding.ts'
import type { CommandLine, Connection } from './connection.ts'
import { isCommandRefused, replyCode } from './errors.ts'
import { prefixPattern } from './glob.ts'
import type { RedisSettings } from './options.ts'
import { text } from './server-identity.ts'

/** What a right is needed for; who only reads does without the others. */
const PURPOSES = ['open', 'read', 'write', 'watch'] as const
type Purpose = (typeof PURPOSES)[number]

interface Probe {
  readonly purpose: Purpose
  /** As `ACL SETUSER` names it. */
  readonly right: string
  readonly line: CommandLine
}

/**
 * Tries every command that the transport uses in a form that changes nothing, on a key that does not exist, and tells
 * which the server refuses to this user. The checks of an ACL come before everything else in Redis: any other answer
 * means that the right is there.
 */
export async function* diagnoseRights(
  connection: Connection,
  settings: RedisSettings,
  prefixes: readonly string[],
): AsyncGenerator<Finding> {
  const user = await userName(connection, settings)
  for (const prefix of prefixes.length === 0 ? [''] : prefixes) {
    const probes = probesFor(`${prefix}datasync-doctor-${randomBytes(8).toString('hex')}`, prefix)
    const answers = await connection.pipeline(probes.map(({ line }) => line))
    const refused = probes.filter((_, i) => isCommandRefused(answers[i]))
    yield* rightsFindings(refused, user, prefix)
    yield* troubleFindings(answers)
  }
}

function probesFor(key: string, prefix: string): readonly Probe[] {
  const probe = (purpose: Purpose, right: string, ...line: CommandLine): Probe => ({
    purpose,
    right,
    line,
  })
  return [
    probe('open', 'ping', 'PING'),
    probe('open', 'role', 'ROLE'),
    probe('open', 'info', 'INFO', 'server'),
    probe('read', 'scan', 'SCAN', '0', 'MATCH', prefixPattern(prefix), 'COUNT', '1'),
    probe('read', 'get', 'GET', key),
    probe('read', 'mget', 'MGET', key),
    // Only where there is such a key: there is none.
    probe('write', 'set', 'SET', key, '', 'XX'),
    probe('write', 'unlink', 'UNLINK', key),
    probe('write', 'type', 'TYPE', key),
    probe('write', 'evalsha', 'EVALSHA', '0'.repeat(40), '1', key),
    probe('write', 'eval', 'EVAL', 'return 0', '1', key),
  ]
}

function* rightsFindings(
  refused: readonly Probe[],
  user: string,
  prefix: string,
): Generator<Finding> {
  const check = prefix === '' ? 'rights' : `rights under ${prefix}`
  if (refused.length === 0) {
    yield { level: 'ok', check, detail: `${user} may open, read and write` }
    return
  }
  for (const purpose of PURPOSES) {
    const rights = refused.filter((probe) => probe.purpose === purpose).map(({ right }) => right)
    if (rights.length === 0) continue
    yield {
      level: 'error',
      check,
      detail: `${user} may not ${purpose}: refused are ${rights.join(', ').toUpperCase()}`,
      fix: `ACL SETUSER ${user} ${rights.map((right) => `+${right}`).join(' ')} ~${prefix}*, or offer the commands again where they are renamed`,
      code: 'SYNC_ACCESS_DENIED',
    }
  }
}

/** States in which a server takes no writes, whoever asks. */
const TROUBLES: Readonly<Record<string, { detail: string; fix: string }>> = {
  OOM: {
    detail: 'the memory is full: writes are refused',
    fix: 'raise maxmemory, or delete what is not needed',
  },
  MISCONF: {
    detail: 'the last save to disk failed: writes are refused',
    fix: "make room or mend the disk; the server's log says more",
  },
  NOREPLICAS: {
    detail: 'too few replicas are connected (min-replicas-to-write): writes are refused',
    fix: 'start the replicas',
  },
  LOADING: { detail: 'the server still loads its data', fix: 'wait' },
}

function* troubleFindings(answers: readonly unknown[]): Generator<Finding> {
  for (const code of new Set(answers.map(replyCode))) {
    const trouble = code === undefined ? undefined : TROUBLES[code]
    if (trouble !== undefined) {
      yield { level: 'error', check: 'writes', ...trouble, code: 'SYNC_UNAVAILABLE' }
    }
  }
}

/** Also ACL WHOAMI may be refused. */
async function userName(connection: Connection, settings: RedisSettings): Promise<string> {
  const [reply] = await connection.pipeline([['ACL', 'WHOAMI']])
  if (reply === undefined || reply instanceof Error) return settings.username ?? 'default'
  return text(reply)
}
