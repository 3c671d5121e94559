import { NotificationsDisabledError } from '../../api/errors.ts'
import type { Ambient, Connection } from './connection.ts'
import { isCommandRefused, translate, withoutArguments } from './errors.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import { text } from './server-identity.ts'

const SETTING = 'notify-keyspace-events'
/** What we add: announcements per key (K) of all classes of commands (A). Not E, which would double the cost. */
const WANTED = 'KA'
/** What `A` stands for. */
const ALL_CLASSES = 'g$lshztxed'
/**
 * What has to be on: a string is changed or lost by commands on strings ($), of any key (g), by expiry (x), eviction
 * (e), and by the commands that store a list (l), set (s) or sorted set (z) over it.
 */
const NEEDED: readonly string[] = ['K', '$', 'g', 'x', 'e', 'l', 's', 'z']

/** True when a server with these flags announces all that can happen to a string. */
export function announcesAll(flags: string): boolean {
  const on = flags.includes('A') ? flags + ALL_CLASSES : flags
  return NEEDED.every((flag) => on.includes(flag))
}

/** The flags to set: what others have set stays. */
export function withAll(flags: string): string {
  return [...new Set([...flags.split(''), ...WANTED.split('')])].join('')
}

/**
 * Makes the server announce changes, unless it does. Resolves with whether it had to be told.
 * @throws NotificationsDisabledError (`SYNC_NOTIFICATIONS_DISABLED`) when it does not and cannot be told to
 */
export async function ensureNotifications(
  connection: Connection,
  settings: RedisSettings,
  io: Ambient,
): Promise<boolean> {
  const at = endpointName(connection.endpoint)
  const refused = (error: unknown): Error => {
    if (!isCommandRefused(error)) return translate(settings.name, error)
    const options = { cause: withoutArguments(error) }
    return new NotificationsDisabledError(settings.name, `${SETTING} ${WANTED}`, options)
  }
  let before: string
  try {
    before = await readFlags(connection)
  } catch (error) {
    // Without knowing the flags of others they cannot be kept, so nothing is set.
    if (!settings.assumeNotifications || !isCommandRefused(error)) throw refused(error)
    io.logger.debug({ transport: settings.name, server: at }, `${SETTING} is assumed to be set`)
    return false
  }
  if (announcesAll(before)) return false
  try {
    await connection.call('CONFIG', 'SET', SETTING, withAll(before))
  } catch (error) {
    throw refused(error)
  }
  io.logger.info({ transport: settings.name, server: at, before }, `switched on ${SETTING}`)
  return true
}

async function readFlags(connection: Connection): Promise<string> {
  const reply = await connection.call('CONFIG', 'GET', SETTING)
  return Array.isArray(reply) ? text(reply[1]) : ''
}
