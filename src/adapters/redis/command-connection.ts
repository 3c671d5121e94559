import { ClosedError, TransportUnavailableError } from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import { backoffMs } from '../../kit/backoff.ts'
import { abortable } from '../../kit/abortable.ts'
import type { Cancellation } from '../../kit/call.ts'
import type { Ambient, Connection } from './connection.ts'
import type { Dial } from './dial.ts'
import { translate } from './errors.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'

/** As the core's own reconnects (datasync.md §4). */
const BACKOFF = { baseMs: 100, capMs: 30_000 } as const
/** How long `close` waits for what is under way. */
const FAREWELL_MS = 1_000

/**
 * A connection for reads and writes that is dialled when it is wanted. Callers share one attempt; after a failed one
 * they are refused at once, with outcome `not-applied`, until the back-off is over (W14).
 */
export class CommandConnection {
  readonly endpoint: Endpoint
  readonly #settings: RedisSettings
  readonly #dial: Dial
  readonly #io: Ambient
  readonly #closing: AbortController = new AbortController()
  #connection: Connection | undefined
  #dialling: Promise<Connection> | undefined
  #failures = 0
  #refusal: SyncError | undefined
  #backOff: { stop(): void } | undefined

  constructor(endpoint: Endpoint, settings: RedisSettings, dial: Dial, io: Ambient) {
    this.endpoint = endpoint
    this.#settings = settings
    this.#dial = dial
    this.#io = io
  }

  /**
   * The open connection, or a new one.
   * @throws what {@link Dial} does; the last failure's error during the back-off; the signal's reason
   */
  async get(signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted()
    if (this.#connection !== undefined && this.#connection.lost === undefined) {
      return this.#connection
    }
    if (this.#refusal !== undefined) throw this.#refusal
    this.#dialling ??= this.#connect().finally(() => {
      this.#dialling = undefined
    })
    return abortable(this.#dialling, signal)
  }

  /** Runs a command on the connection; once it is answered the next failure is a first one again. */
  async run<T>(command: (connection: Connection) => Promise<T>, call: Cancellation): Promise<T> {
    call.throwIfAborted()
    const open = this.#connection
    const connection =
      open?.lost === undefined && open !== undefined ? open : await this.get(call.signal)
    const answer = await command(connection)
    this.#failures = 0
    return answer
  }

  async close(): Promise<void> {
    this.#backOff?.stop()
    this.#closing.abort(new ClosedError(this.#settings.name))
    await this.#dialling?.catch(() => {})
    await this.#connection?.close(FAREWELL_MS)
  }

  async #connect(): Promise<Connection> {
    const { commandTimeoutMs, name } = this.#settings
    try {
      const connection = await this.#dial(this.endpoint, commandTimeoutMs, this.#closing.signal)
      this.#connection = connection
      // An idle one that a server closes is no failure: the next command dials.
      connection.onLost((cause) => {
        if (connection.owed > 0) this.#fail(cause)
      })
      return connection
    } catch (error) {
      this.#closing.signal.throwIfAborted()
      const failure = translate(name, error)
      this.#fail(failure)
      throw failure
    }
  }

  #fail(cause: SyncError): void {
    if (this.#closing.signal.aborted) return
    const { clock, logger, random } = this.#io
    const waitMs = backoffMs(this.#failures++, random, BACKOFF)
    const server = endpointName(this.endpoint)
    logger.warn(
      { transport: this.#settings.name, server, err: cause, waitMs },
      'no connection for commands',
    )
    // The kind of trouble stays visible: a refused password is no weather.
    this.#refusal =
      cause instanceof TransportUnavailableError
        ? new TransportUnavailableError(
            this.#settings.name,
            `${server} cannot be reached at present`,
            { cause },
          )
        : cause
    this.#backOff = clock.after(waitMs, () => {
      this.#refusal = undefined
    })
  }
}
