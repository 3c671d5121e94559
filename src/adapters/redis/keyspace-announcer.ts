import type { Announcer, AnnouncerSink } from './announcer.ts'
import type { Connection } from './connection.ts'
import { prefixPattern } from './glob.ts'

/**
 * Keyspace notifications: one message per event of a key, whatever the event is, on a channel that ends in the key's
 * name. FLUSHALL and SWAPDB say nothing.
 */
export class KeyspaceAnnouncer implements Announcer {
  readonly #subscriber: Connection
  readonly #channel: string
  #patterns: readonly string[] = []

  constructor(subscriber: Connection, db: number, sink: AnnouncerSink) {
    this.#subscriber = subscriber
    this.#channel = `__keyspace@${db}__:`
    const offset = this.#channel.length
    subscriber.onPatternMessage((channel) => sink.changed(channel, offset))
  }

  async cover(prefixes: readonly string[]): Promise<void> {
    const patterns = prefixes.map((prefix) => this.#channel + prefixPattern(prefix))
    const added = patterns.filter((pattern) => !this.#patterns.includes(pattern))
    const removed = this.#patterns.filter((pattern) => !patterns.includes(pattern))
    // New ones first: what both announce is read once.
    if (added.length > 0) await this.#subscriber.psubscribe(added)
    this.#patterns = patterns
    if (removed.length > 0) await this.#subscriber.punsubscribe(removed)
  }

  /** Whether the server's setting still stands is looked at when a reconcile begins. */
  check(): Promise<void> {
    return Promise.resolve()
  }
}
