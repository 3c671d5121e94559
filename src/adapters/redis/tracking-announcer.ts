import { TransportUnavailableError } from '../../api/errors.ts'
import type { Announcer, AnnouncerSink } from './announcer.ts'
import type { Connection } from './connection.ts'
import { text } from './server-identity.ts'

const CHANNEL = '__redis__:invalidate'

/**
 * Client-side caching in broadcast mode: a connection asks for the names of changed keys, which are sent to the
 * subscriber (REDIRECT), as ioredis does not show the messages of RESP3. Each message lists keys; nil means a flush.
 */
export class TrackingAnnouncer implements Announcer {
  readonly #transport: string
  readonly #subscriberId: string
  readonly #open: () => Promise<Connection>
  readonly #release: (connection: Connection) => void
  /** Its prefixes can grow; to shrink or join them another one takes over. */
  #tracked: Connection | undefined
  #prefixes: readonly string[] = []

  private constructor(subscriberId: string, options: TrackingOptions) {
    this.#transport = options.transport
    this.#subscriberId = subscriberId
    this.#open = options.open
    this.#release = options.release
  }

  static async start(options: TrackingOptions): Promise<TrackingAnnouncer> {
    const { subscriber, sink } = options
    const id = await subscriber.call('CLIENT', 'ID')
    subscriber.onMessage((message) => {
      if (!Array.isArray(message)) sink.flushed()
      else for (const key of message) if (Buffer.isBuffer(key)) sink.changed(key, 0)
    })
    await subscriber.subscribe(CHANNEL)
    return new TrackingAnnouncer(text(id), options)
  }

  async cover(prefixes: readonly string[]): Promise<void> {
    const tracked = this.#tracked
    const grows = this.#prefixes.every((prefix) => prefixes.includes(prefix))
    if (tracked !== undefined && grows) {
      const added = prefixes.filter((prefix) => !this.#prefixes.includes(prefix))
      if (added.length > 0) await this.#track(tracked, added)
    } else {
      // Switching tracking off and on would lose what lies between. Redis refuses prefixes that overlap (on one
      // connection), so another one begins before the old one ends.
      const next = await this.#open()
      try {
        await this.#track(next, prefixes)
      } catch (error) {
        this.#release(next)
        throw error
      }
      this.#tracked = next
      if (tracked !== undefined) this.#release(tracked)
    }
    this.#prefixes = prefixes
  }

  async check(): Promise<void> {
    const info = await this.#tracked?.call('CLIENT', 'TRACKINGINFO')
    const flags = Array.isArray(info) ? info[1] : []
    if (Array.isArray(flags) && flags.some((flag) => text(flag) === 'broken_redirect')) {
      throw new TransportUnavailableError(this.#transport, 'tracking lost its redirect')
    }
  }

  #track(connection: Connection, prefixes: readonly string[]): Promise<unknown> {
    // Without any PREFIX all keys are meant, which is what the empty one says.
    const named = prefixes.flatMap((prefix) => (prefix === '' ? [] : ['PREFIX', prefix]))
    return connection.call(
      'CLIENT',
      'TRACKING',
      'ON',
      'REDIRECT',
      this.#subscriberId,
      'BCAST',
      ...named,
    )
  }
}

/** What {@link TrackingAnnouncer} needs. */
export interface TrackingOptions {
  readonly transport: string
  readonly subscriber: Connection
  readonly sink: AnnouncerSink
  /** Opens a connection to the same server, watched like the others. */
  readonly open: () => Promise<Connection>
  /** Closes it without an alarm. */
  readonly release: (connection: Connection) => void
}
