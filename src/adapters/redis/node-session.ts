import { TransportUnavailableError } from '../../api/errors.ts'
import type { Announcer, AnnouncerSink } from './announcer.ts'
import type { Ambient, Connection } from './connection.ts'
import { KeyspaceAnnouncer } from './keyspace-announcer.ts'
import { ensureNotifications } from './notification-setting.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { identityProblem, readIdentity, requirePrimary } from './server-identity.ts'
import type { ServerIdentity } from './server-identity.ts'
import { TrackingAnnouncer } from './tracking-announcer.ts'

/** What a session needs of the hub that it belongs to. */
export interface SessionOptions {
  readonly settings: RedisSettings
  readonly io: Ambient
  readonly sink: AnnouncerSink
  /** Opens a connection whose loss ends the hub. */
  readonly open: (endpoint: Endpoint) => Promise<Connection>
  /** Closes one of them without ending the hub. */
  readonly release: (connection: Connection) => void
}

/** One watched server: what it announces comes over one connection, values are read over another. */
export class NodeSession {
  /** The node's id in a cluster; empty elsewhere. */
  readonly id: string
  readonly reader: Connection
  readonly announcer: Announcer
  readonly #subscriber: Connection
  readonly #identity: ServerIdentity
  readonly #options: SessionOptions

  private constructor(
    id: string,
    connections: { reader: Connection; subscriber: Connection },
    announcer: Announcer,
    identity: ServerIdentity,
    options: SessionOptions,
  ) {
    this.id = id
    this.reader = connections.reader
    this.announcer = announcer
    this.#subscriber = connections.subscriber
    this.#identity = identity
    this.#options = options
  }

  /**
   * @throws TransportUnavailableError, also for a replica; AccessDeniedError, NotificationsDisabledError,
   * InvalidOptionError
   */
  static async open(id: string, endpoint: Endpoint, options: SessionOptions): Promise<NodeSession> {
    const { settings, io, sink } = options
    const [subscriber, reader] = await Promise.all([options.open(endpoint), options.open(endpoint)])
    const identity = await requirePrimary(reader, settings)
    await requireSame(subscriber, identity, settings.name)
    let announcer: Announcer
    if (settings.notifications === 'keyspace') {
      await ensureNotifications(reader, settings, io)
      announcer = new KeyspaceAnnouncer(subscriber, settings.db, sink)
    } else {
      announcer = await TrackingAnnouncer.start({
        transport: settings.name,
        subscriber,
        sink,
        open: async () => {
          const connection = await options.open(endpoint)
          await requireSame(connection, identity, settings.name)
          return connection
        },
        release: options.release,
      })
    }
    return new NodeSession(id, { reader, subscriber }, announcer, identity, options)
  }

  /** Proves that both connections live and lead where they did. @throws TransportUnavailableError when not */
  async probe(): Promise<void> {
    const { settings } = this.#options
    await Promise.all([
      this.#subscriber.ping(),
      requireSame(this.reader, this.#identity, settings.name),
      this.announcer.check(),
    ])
  }

  /** Resolves when all that was announced before has been heard. */
  async hearOut(): Promise<void> {
    await this.#subscriber.ping()
  }

  /** Keeps the server announcing; resolves with whether it had stopped. */
  async ensureNotifications(): Promise<boolean> {
    const { settings, io } = this.#options
    if (settings.notifications === 'tracking') return false
    return ensureNotifications(this.reader, settings, io)
  }
}

/**
 * Behind a name or a balancer two connections may lead to two servers; what the one announces, the other cannot be
 * asked for.
 */
async function requireSame(
  connection: Connection,
  identity: ServerIdentity,
  transport: string,
): Promise<void> {
  const problem = identityProblem(identity, await readIdentity(connection))
  if (problem !== undefined) {
    throw new TransportUnavailableError(
      transport,
      `${endpointName(connection.endpoint)} ${problem}`,
    )
  }
}
