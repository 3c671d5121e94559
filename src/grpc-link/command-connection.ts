import { ClosedError, TransportUnavailableError } from '../api/errors.ts'
import type { SyncError } from '../api/errors.ts'
import { backoffMs } from '../kit/backoff.ts'
import type { Dialer, Dialled } from './dialer.ts'
import { isUnavailable } from './failures.ts'
import type { Ambient } from './link.ts'

/** As the core's own reconnects (datasync.md §4). */
const BACKOFF = { baseMs: 100, capMs: 30_000 } as const

export interface CommandOptions<C extends Dialled> {
  /** Of the transport, in errors. */
  readonly name: string
  readonly dialer: Dialer<C>
  readonly translate: (error: unknown) => SyncError
}

/**
 * The connection for reads and writes, dialled when it is wanted. Callers share one attempt; after a failed one they are
 * refused at once, with outcome `not-applied`, until the back-off is over (W14).
 */
export class CommandConnection<C extends Dialled> {
  readonly #options: CommandOptions<C>
  readonly #io: Ambient
  readonly #closing: AbortController = new AbortController()
  /** No longer used, with calls under way. */
  readonly #retired = new Set<C>()
  #connection: C | undefined
  #dialling: Promise<C> | undefined
  #failures = 0
  #refusal: SyncError | undefined
  #backOff: { stop(): void } | undefined

  constructor(options: CommandOptions<C>, io: Ambient) {
    this.#options = options
    this.#io = io
  }

  /** The open connection; undefined when one has to be dialled. */
  get present(): C | undefined {
    return this.#connection?.lost === undefined ? this.#connection : undefined
  }

  /** @throws what {@link Dialer.dial} does; the last failure's error during the back-off; ClosedError */
  get(): Promise<C> {
    const open = this.present
    if (open !== undefined) return Promise.resolve(open)
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    this.#dialling ??= this.#connect().finally(() => {
      this.#dialling = undefined
    })
    return this.#dialling
  }

  /** A call was answered: the next failure is a first one again. */
  answered(): void {
    this.#failures = 0
  }

  /** A call has failed: a member that cannot reach the others keeps its connection, so the next call goes elsewhere. */
  failed(error: unknown, connection: C): void {
    if (connection !== this.#connection || !isUnavailable(error)) return
    this.#connection = undefined
    this.#retired.add(connection)
    connection.onLost(() => this.#retired.delete(connection))
    connection.retire()
  }

  async close(): Promise<void> {
    this.#backOff?.stop()
    this.#closing.abort(new ClosedError(this.#options.name))
    await this.#dialling?.catch(() => {})
    const closed = new ClosedError(this.#options.name)
    this.#connection?.destroy(closed)
    for (const connection of this.#retired) connection.destroy(closed)
  }

  async #connect(): Promise<C> {
    try {
      const connection = await this.#options.dialer.dial(this.#closing.signal)
      this.#connection = connection
      return connection
    } catch (error) {
      this.#closing.signal.throwIfAborted()
      const failure = this.#options.translate(error)
      this.#fail(failure)
      throw failure
    }
  }

  #fail(cause: SyncError): void {
    const { name } = this.#options
    const { clock, logger, random } = this.#io
    const waitMs = backoffMs(this.#failures++, random, BACKOFF)
    logger.warn({ transport: name, err: cause, waitMs }, 'no connection for commands')
    // The kind of trouble stays visible: a refused password is no weather.
    this.#refusal =
      cause instanceof TransportUnavailableError
        ? new TransportUnavailableError(name, 'cannot be reached at present', { cause })
        : cause
    this.#backOff = clock.after(waitMs, () => {
      this.#refusal = undefined
    })
  }
}
