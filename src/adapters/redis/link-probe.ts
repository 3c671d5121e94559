import type { Clock, Timer } from '../../api/clock.ts'
import type { Connection } from './connection.ts'

export interface LinkProbeOptions {
  readonly clock: Clock
  readonly everyMs: number
  /** All that have to live. */
  readonly connections: ReadonlySet<Connection>
  /** Asks over all of them; rejects when something is not as it was. */
  readonly ask: () => Promise<unknown>
  readonly alive: () => void
  readonly failed: (error: unknown) => void
}

/**
 * Asks at intervals whether the links live. While an answer is under way, on a slow link, the bytes that arrive prove
 * life. Silence is not its business: the connections end themselves.
 */
export class LinkProbe {
  readonly #options: LinkProbeOptions
  #timer: Timer | undefined
  #asking = false
  #stopped = false
  #bytes: ReadonlyMap<Connection, number> = new Map()

  constructor(options: LinkProbeOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, everyMs } = this.#options
    this.#timer = clock.after(everyMs, () => {
      this.#tick()
      if (!this.#stopped) this.start()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.stop()
  }

  #tick(): void {
    const { connections, ask, alive, failed } = this.#options
    const before = this.#bytes
    const now = [...connections].map((connection) => [connection, connection.bytesRead] as const)
    this.#bytes = new Map(now)
    if (this.#asking) {
      const moves = now.every(
        ([connection, bytes]) => connection.owed === 0 || bytes !== before.get(connection),
      )
      if (moves) alive()
      return
    }
    this.#asking = true
    ask().then(() => {
      this.#asking = false
      alive()
    }, failed)
  }
}
