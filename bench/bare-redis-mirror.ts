import { Redis } from 'ioredis'

export interface BareRedisMirrorOptions {
  readonly url: string
  readonly prefix: string
  readonly announcements: 'keyspace' | 'tracking'
  /** One GET at once for every announcement, instead of one MGET at a time for what has gathered. */
  readonly getPerEvent?: boolean
  readonly onChange: (key: string, value: Buffer | undefined, prev: Buffer | undefined) => void
}

/** Keys in one MGET. */
const BATCH = 1_000

/**
 * What one writes by hand to follow keys of Redis, at its best: announcements mark keys, one MGET at a time reads what
 * has gathered, previous values are kept in a Map. It does not notice a lost connection, nor what a lost connection, a
 * full buffer or FLUSHALL took with it; it does not list; nobody answers for an event, and none is queued.
 */
export class BareRedisMirror {
  readonly #options: BareRedisMirrorOptions
  readonly #reader: Redis
  readonly #subscriber: Redis
  readonly #values = new Map<string, Buffer>()
  readonly #dirty = new Set<string>()
  #reading = false

  constructor(options: BareRedisMirrorOptions) {
    this.#options = options
    this.#reader = new Redis(options.url)
    // Of RESP3's pushes ioredis shows none about tracking.
    this.#subscriber = new Redis(options.url, { protocol: 2 })
  }

  async start(): Promise<void> {
    const { prefix } = this.#options
    if (this.#options.announcements === 'keyspace') {
      const channel = '__keyspace@0__:'
      this.#subscriber.on('pmessage', (_pattern: string, name: string) => {
        this.#announced(name.slice(channel.length))
      })
      await this.#subscriber.psubscribe(`${channel}${prefix}*`)
      return
    }
    const id = String(await this.#subscriber.client('ID'))
    this.#subscriber.on('messageBuffer', (_channel: Buffer, keys: Buffer[]) => {
      for (const key of keys) this.#announced(key.toString())
    })
    await this.#subscriber.subscribe('__redis__:invalidate')
    await this.#reader.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id, 'BCAST', 'PREFIX', prefix)
  }

  close(): void {
    this.#reader.disconnect()
    this.#subscriber.disconnect()
  }

  #announced(key: string): void {
    if (this.#options.getPerEvent === true) {
      void this.#reader.getBuffer(key).then((value) => this.#keep(key, value))
      return
    }
    this.#dirty.add(key)
    if (!this.#reading) void this.#read()
  }

  async #read(): Promise<void> {
    this.#reading = true
    while (this.#dirty.size > 0) {
      const keys: string[] = []
      for (const key of this.#dirty) {
        keys.push(key)
        this.#dirty.delete(key)
        if (keys.length === BATCH) break
      }
      const values = await this.#reader.mgetBuffer(keys)
      for (const [i, key] of keys.entries()) this.#keep(key, values[i] ?? null)
    }
    this.#reading = false
  }

  #keep(key: string, value: Buffer | null): void {
    const prev = this.#values.get(key)
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, value)
    this.#options.onChange(key, value ?? undefined, prev)
  }
}
