import type { Finding } from '../../api/finding.ts'
import type { Io } from '../../api/transport.ts'
import type { Connection } from './connection.ts'
import { dialer } from './dial.ts'
import { isCommandRefused, translate } from './errors.ts'
import { prefixPattern } from './glob.ts'
import { announcesAll } from './notification-setting.ts'
import type { RedisSettings } from './options.ts'
import { text } from './server-identity.ts'

const SETTING = 'notify-keyspace-events'
const CHECK = 'notifications'
const TRACKING_CHECK = 'tracking'

/** Whether a watch hears of changes: by notifications, by tracking, or not at all. Nothing is switched on. */
export async function* diagnoseNotifications(
  connection: Connection,
  settings: RedisSettings,
  prefixes: readonly string[],
  io: Io,
): AsyncGenerator<Finding> {
  const [trackingInfo] = await connection.pipeline([['CLIENT', 'TRACKINGINFO']])
  const tracking = !(trackingInfo instanceof Error)
  if (settings.notifications === 'keyspace') {
    yield await notificationSetting(connection, settings, tracking)
    yield await subscribing(connection, settings, prefixes, io)
  }
  yield trackingFinding(tracking, settings)
}

async function notificationSetting(
  connection: Connection,
  settings: RedisSettings,
  tracking: boolean,
): Promise<Finding> {
  const instead = tracking ? '; or do without: --set notifications=tracking' : ''
  const [reply] = await connection.pipeline([['CONFIG', 'GET', SETTING]])
  if (isCommandRefused(reply)) {
    if (settings.assumeNotifications) {
      return {
        level: 'warn',
        check: CHECK,
        detail: `CONFIG is refused; ${SETTING} is assumed to be set`,
      }
    }
    return {
      level: 'error',
      check: CHECK,
      detail: `CONFIG is refused, so nobody can say whether ${SETTING} is set`,
      fix: `if an administrator has set it to KA: --set assumeNotifications=true${instead}`,
      code: 'SYNC_NOTIFICATIONS_DISABLED',
    }
  }
  if (reply instanceof Error) throw reply
  const flags = Array.isArray(reply) ? text(reply[1]) : ''
  const shown = `${SETTING} is ${JSON.stringify(flags)}`
  if (announcesAll(flags)) return { level: 'ok', check: CHECK, detail: shown }
  // The value that it has already: nothing changes.
  const [set] = await connection.pipeline([['CONFIG', 'SET', SETTING, flags]])
  if (!isCommandRefused(set)) {
    return {
      level: 'ok',
      check: CHECK,
      detail: `${shown}; the first watch switches it on, which this user may`,
    }
  }
  return {
    level: 'error',
    check: CHECK,
    detail: `${shown}, and CONFIG SET is refused: a watch cannot switch it on`,
    fix: `as administrator: CONFIG SET ${SETTING} KA, and the same in redis.conf${instead}`,
    code: 'SYNC_NOTIFICATIONS_DISABLED',
  }
}

/** A connection of its own: while it has subscriptions it takes no other commands. */
async function subscribing(
  connection: Connection,
  settings: RedisSettings,
  prefixes: readonly string[],
  io: Io,
): Promise<Finding> {
  const check = 'subscriptions'
  const channels = `__keyspace@${settings.db}__:`
  const subscriber = await dialer(settings, io)(
    connection.endpoint,
    settings.commandTimeoutMs,
    io.signal,
  )
  try {
    const known = prefixes.length === 0 ? [''] : prefixes
    await subscriber.psubscribe(known.map((prefix) => channels + prefixPattern(prefix)))
    return { level: 'ok', check, detail: `may subscribe to ${channels}*` }
  } catch (error) {
    const { message, code } = translate(settings.name, error)
    if (!isCommandRefused(error)) return { level: 'error', check, detail: message, code }
    return {
      level: 'error',
      check,
      detail: `PSUBSCRIBE to ${channels}* is refused`,
      fix: `ACL SETUSER <name> +psubscribe +punsubscribe resetchannels &${channels}*`,
      code: 'SYNC_ACCESS_DENIED',
    }
  } finally {
    subscriber.destroy()
  }
}

function trackingFinding(tracking: boolean, settings: RedisSettings): Finding {
  const wanted = settings.notifications === 'tracking'
  if (tracking) {
    const detail = wanted ? 'supported' : 'supported, as another way: --set notifications=tracking'
    return { level: 'ok', check: TRACKING_CHECK, detail }
  }
  if (!wanted)
    return { level: 'ok', check: TRACKING_CHECK, detail: 'not available, and not needed' }
  return {
    level: 'error',
    check: TRACKING_CHECK,
    detail: 'CLIENT TRACKINGINFO is refused',
    fix: 'ACL SETUSER <name> +client; or --set notifications=keyspace',
    code: 'SYNC_ACCESS_DENIED',
  }
}
