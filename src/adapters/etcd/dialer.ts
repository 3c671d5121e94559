import { isSyncError, TransportUnavailableError } from '../../api/errors.ts'
import { Connection } from './connection.ts'
import type { Ambient } from './connection.ts'
import { translate } from './errors.ts'
import { endpointName } from './etcd-url.ts'
import type { EtcdSettings } from './options.ts'

/** Connects to the members in turn. */
export class Dialer {
  readonly #settings: EtcdSettings
  readonly #io: Ambient
  #next: number

  constructor(settings: EtcdSettings, io: Ambient) {
    this.#settings = settings
    this.#io = io
    // Many clients spread over the members.
    this.#next = Math.floor(io.random() * settings.endpoints.length)
  }

  /**
   * A connection to the first member that answers, beginning with the one after the last that failed; each is tried once.
   * @throws AccessDeniedError when a member refuses user, password or certificate; else TransportUnavailableError; the
   * signal's reason
   */
  async dial(signal: AbortSignal): Promise<Connection> {
    const { endpoints, name } = this.#settings
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

  async #connect(signal: AbortSignal): Promise<Connection> {
    const { endpoints, connectTimeoutMs, name } = this.#settings
    const at = this.#next % endpoints.length
    const endpoint = endpoints[at]
    if (endpoint === undefined) throw new TransportUnavailableError(name, 'there is no endpoint')
    const connection = new Connection(endpoint, this.#settings, this.#io)
    const onAbort = (): void => connection.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    const limit = this.#io.clock.after(connectTimeoutMs, () => {
      const problem = `${endpointName(endpoint)} was not ready within ${connectTimeoutMs} ms`
      connection.destroy(new TransportUnavailableError(name, problem))
    })
    try {
      if (signal.aborted) connection.destroy()
      await connection.open()
      if (connection.status?.isLearner === true) {
        const problem = `${endpointName(endpoint)} is a learner, which answers no reads`
        throw new TransportUnavailableError(name, problem)
      }
      connection.onLost(() => {
        // Whatever ended it, another member is the better choice.
        if (this.#next % endpoints.length === at) this.#next++
      })
      return connection
    } catch (error) {
      const reason = connection.lost ?? translate(name, error)
      connection.destroy()
      throw reason
    } finally {
      limit.stop()
      signal.removeEventListener('abort', onAbort)
    }
  }
}
