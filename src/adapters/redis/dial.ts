import { Redis } from 'ioredis'
import type { RedisOptions as DriverOptions } from 'ioredis'
import { InvalidOptionError, TimeoutError, TransportUnavailableError } from '../../api/errors.ts'
import { onAbort } from '../../kit/abortable.ts'
import { Connection } from './connection.ts'
import type { Ambient } from './connection.ts'
import { replyCode, translate } from './errors.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'

/** Opens a connection that keeps silent for at most `silenceMs` while it owes an answer. */
export type Dial = (
  endpoint: Endpoint,
  silenceMs: number,
  signal: AbortSignal,
) => Promise<Connection>

/**
 * Dials with the settings' user, password and database.
 * @throws TransportUnavailableError, AccessDeniedError (user, password, certificate), InvalidOptionError (no such
 * database), the signal's reason
 */
export function dialer(settings: RedisSettings, io: Ambient): Dial {
  return async (endpoint, silenceMs, signal) => {
    signal.throwIfAborted()
    const client = new Redis(driverOptions(settings, endpoint))
    const connection = new Connection(client, endpoint, settings, io, silenceMs)
    const drop = onAbort(signal, () => connection.destroy())
    const limit = io.clock.after(settings.connectTimeoutMs, () => {
      const what = `connecting to ${endpointName(endpoint)}`
      const cause = new TimeoutError(what, settings.connectTimeoutMs, { outcome: 'not-applied' })
      connection.destroy(new TransportUnavailableError(settings.name, cause.message, { cause }))
    })
    try {
      await new Promise<void>((resolve, reject) => {
        connection.onLost(reject)
        connect(client, connection, settings, io).then(resolve, reject)
      })
      return connection
    } catch (error) {
      const reason = connection.lost ?? translate(settings.name, error)
      connection.destroy()
      signal.throwIfAborted()
      throw reason
    } finally {
      limit.stop()
      drop()
    }
  }
}

function driverOptions(
  settings: RedisSettings,
  endpoint: Endpoint,
): Omit<DriverOptions, 'replyMapping'> {
  return {
    host: endpoint.host,
    port: endpoint.port,
    family: settings.family,
    keepAlive: settings.keepAliveMs,
    ...(settings.tls === undefined ? {} : { tls: settings.tls }),
    lazyConnect: true,
    // One client is one socket: nothing is queued, sent again or subscribed again behind our back.
    retryStrategy: () => null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: null,
    // Under RESP3 ioredis drops the messages of CLIENT TRACKING.
    protocol: 2,
    // The rest of the handshake is ours: ioredis writes refusals to the console and knows no clock.
    enableReadyCheck: false,
    disableClientInfo: true,
    connectTimeout: 0,
  }
}

async function connect(
  client: Redis,
  connection: Connection,
  settings: RedisSettings,
  io: Ambient,
): Promise<void> {
  try {
    await client.connect()
  } catch {
    // Why is known to the connection, whose end follows.
    return new Promise(() => {})
  }
  const { username, password, db } = settings
  if (password !== undefined) {
    const secret = await askFor(password, settings.name)
    try {
      await connection.call('AUTH', ...(username === undefined ? [secret] : [username, secret]))
    } catch (error) {
      // A server without passwords; if it wants another login, the next command says so.
      if (replyCode(error) !== 'ERR') throw error
      io.logger.warn(
        { transport: settings.name },
        'the server does not take a password; going on without',
      )
    }
  }
  const [, selected] = await connection.pipeline([
    // A user may lack the right to it, which does no harm.
    ['CLIENT', 'SETNAME', settings.connectionName],
    // Also the first command of a server that wants a password and got none.
    db === 0 ? ['PING'] : ['SELECT', String(db)],
  ])
  if (!(selected instanceof Error)) return
  if (replyCode(selected) === 'ERR' && db !== 0) {
    throw new InvalidOptionError('options.db', `is ${db}, which the server does not have`)
  }
  throw selected
}

/** What keeps the password is out of reach, as the server might be: another attempt follows. */
async function askFor(
  password: NonNullable<RedisSettings['password']>,
  transport: string,
): Promise<string> {
  try {
    return await password()
  } catch (cause) {
    throw new TransportUnavailableError(transport, 'the function for the password failed', {
      cause,
    })
  }
}
