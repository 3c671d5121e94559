import { isSyncError, TransportUnavailableError } from '../api/errors.ts'
import type { SyncError } from '../api/errors.ts'
import { endpointName } from '../kit/server-url.ts'
import type { Endpoint } from '../kit/server-url.ts'
import type { Ambient } from './link.ts'

/** One connection to one server: it ends once, and is not made again. */
export interface Dialled {
  readonly lost: SyncError | undefined
  open(): Promise<void>
  onLost(listener: (error: SyncError) => void): () => void
  /** Ends it once the calls under way are answered. */
  retire(): void
  /** Ends it at once. */
  destroy(reason?: SyncError): void
}

export interface DialerOptions<C extends Dialled> {
  /** Of the transport, in errors. */
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  /** From dialling to a connection that is open. */
  readonly connectTimeoutMs: number
  /** Nothing is contacted before its `open`. */
  readonly make: (endpoint: Endpoint) => C
  readonly translate: (error: unknown) => SyncError
}

/** Connects to the members in turn. */
export class Dialer<C extends Dialled> {
  readonly #options: DialerOptions<C>
  readonly #io: Ambient
  #next: number

  constructor(options: DialerOptions<C>, io: Ambient) {
    this.#options = options
    this.#io = io
    // Many clients spread over the members.
    this.#next = Math.floor(io.random() * options.endpoints.length)
  }

  /**
   * A connection to the first member that answers, beginning with the one after the last that failed; each is tried once.
   * @throws AccessDeniedError when a member refuses user, password or certificate; else TransportUnavailableError; the
   * signal's reason
   */
  async dial(signal: AbortSignal): Promise<C> {
    const { endpoints, name } = this.#options
    const failures: unknown[] = []
    while (failures.length < endpoints.length) {
      signal.throwIfAborted()
      try {
        return await this.#connect(signal)
      } catch (error) {
        this.#next++
        signal.throwIfAborted()
        if (isSyncError(error, 'SYNC_ACCESS_DENIED')) throw error
        failures.push(error)
      }
    }
    if (failures.length === 1) throw failures[0]
    const names = endpoints.map(endpointName).join(', ')
    throw new TransportUnavailableError(name, `none of ${names} can be used`, {
      cause: new AggregateError(failures, 'each member was tried'),
    })
  }

  async #connect(signal: AbortSignal): Promise<C> {
    const { endpoints, connectTimeoutMs, name } = this.#options
    const at = this.#next % endpoints.length
    const endpoint = endpoints[at]
    if (endpoint === undefined) throw new TransportUnavailableError(name, 'there is no endpoint')
    const connection = this.#options.make(endpoint)
    const onAbort = (): void => connection.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    const late = (): void => {
      const problem = `${endpointName(endpoint)} was not ready within ${connectTimeoutMs} ms`
      connection.destroy(new TransportUnavailableError(name, problem))
    }
    // The driver holds the process for calls only: a program that waits for its first one would end amid the dialling.
    const limit = this.#io.clock.after(connectTimeoutMs, late, { keepAlive: true })
    try {
      if (signal.aborted) connection.destroy()
      // A password that never comes must not hold the line.
      await new Promise<void>((resolve, reject) => {
        connection.onLost(reject)
        connection.open().then(resolve, reject)
      })
      connection.onLost(() => {
        // Whatever ended it, another member is the better choice.
        if (this.#next % endpoints.length === at) this.#next++
      })
      return connection
    } catch (error) {
      const reason = connection.lost ?? this.#options.translate(error)
      connection.destroy()
      throw reason
    } finally {
      limit.stop()
      signal.removeEventListener('abort', onAbort)
    }
  }
}
