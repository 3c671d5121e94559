import { ClosedError, isSyncError, TimeoutError, TransportUnavailableError } from '../api/errors.ts'
import type { SyncError, WriteOutcome } from '../api/errors.ts'
import type { Io } from '../api/transport.ts'
import { Cancellations } from '../kit/cancellations.ts'
import type { Endpoint } from '../kit/server-url.ts'
import { CommandConnection } from './command-connection.ts'
import { Dialer } from './dialer.ts'
import type { Dialled } from './dialer.ts'
import type { Ambient } from './link.ts'

export interface ClientOptions<C extends Dialled> {
  /** Of the transport, in errors. */
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  /** From dialling to a connection that is open. */
  readonly connectTimeoutMs: number
  /** Nothing is contacted before its `open`. */
  readonly make: (endpoint: Endpoint, io: Ambient) => C
  /** An error of ours for whatever was thrown. `outcome` says what became of a write that has no definite answer. */
  readonly translate: (error: unknown, outcome?: WriteOutcome) => SyncError
  /** Told of the connection that each command gets, before it is used. */
  readonly onConnection?: (connection: C) => void
}

/** What is known of a write that is under way; told by the code that sends it. */
export interface WriteProgress {
  /** It may have reached the server, and is not refused yet. */
  sent: boolean
  /** Ends the request that is under way. */
  cancel: (() => void) | undefined
}

/** The commands of a transport over gRPC: it opens, connects, gives up and says what became of a write. */
export class Client<C extends Dialled> {
  readonly #options: ClientOptions<C>
  readonly #cancellations = new Cancellations()
  readonly #closed = new AbortController()
  #working: Working<C> | undefined
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: ClientOptions<C>) {
    this.#options = options
  }

  /**
   * What waiting cannot mend is found out here; the rest shows in the streams.
   * @throws ClosedError; what {@link ClientOptions.translate} calls not retryable
   */
  open(io: Io): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError(this.#options.name))
    this.#opening ??= this.#check(io).catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  /** For connections of a stream's own, and the signal that ends with the caller's or with `close`. */
  forStream(io: Io): { readonly dialer: Dialer<C>; readonly signal: AbortSignal } {
    const { dialer } = this.#work(io)
    return { dialer, signal: AbortSignal.any([io.signal, this.#closed.signal]) }
  }

  /** One answer; given up with the signal. */
  async ask<T>(io: Io, question: (connection: C) => Promise<T>): Promise<T> {
    const { commands } = this.#work(io)
    const connection = await this.#connection(io)
    try {
      const answer = await this.#abortable(question(connection), io)
      commands.answered()
      return answer
    } catch (error) {
      commands.failed(error, connection)
      throw this.#explain(error, io)
    }
  }

  /** An answer in parts. What they wait for ends with the signal by what {@link Reading} has. */
  async *read<T>(
    io: Io,
    parts: (connection: C, reading: Reading) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const { commands } = this.#work(io)
    const connection = await this.#connection(io)
    const reading: Reading = {
      abortable: (promise) => this.#abortable(promise, io),
      onAbort: (cancel) => this.#cancellations.on(io.signal, () => cancel(io.signal.reason)),
    }
    try {
      yield* parts(connection, reading)
      commands.answered()
    } catch (error) {
      commands.failed(error, connection)
      throw this.#explain(error, io)
    }
  }

  /** A write, given up after `timeoutMs` or with the signal. The error's outcome says what became of it. */
  async write<T>(
    io: Io,
    timeoutMs: number,
    send: (connection: C, progress: WriteProgress) => Promise<T>,
  ): Promise<T> {
    const { commands } = this.#work(io)
    const progress: WriteProgress = { sent: false, cancel: undefined }
    let late = false
    let giveUp = (): void => {}
    const givenUp = new Promise<never>((_resolve, reject) => {
      giveUp = () => {
        reject(new TransportUnavailableError(this.#options.name, 'the write was given up'))
        progress.cancel?.()
      }
    })
    givenUp.catch(() => {})
    const timer = io.clock.after(timeoutMs, () => {
      late = true
      giveUp()
    })
    const forget = this.#cancellations.on(io.signal, giveUp)
    let connection: C | undefined
    try {
      connection = commands.present ?? (await Promise.race([commands.get(), givenUp]))
      this.#options.onConnection?.(connection)
      io.signal.throwIfAborted()
      const result = await Promise.race([send(connection, progress), givenUp])
      commands.answered()
      return result
    } catch (error) {
      if (connection !== undefined) commands.failed(error, connection)
      const outcome = progress.sent ? 'unknown' : 'not-applied'
      if (late) throw new TimeoutError('the write', timeoutMs, { outcome })
      throw progress.sent ? this.#explainSent(error) : this.#explain(error, io)
    } finally {
      timer.stop()
      forget()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#closed.abort(new ClosedError(this.#options.name))
    await this.#working?.commands.close()
  }

  async #check(io: Io): Promise<void> {
    try {
      await this.#connection(io)
    } catch (error) {
      const failure = this.#explain(error, io)
      if (failure instanceof TransportUnavailableError && failure.retryable) {
        io.logger.warn({ transport: this.#options.name, err: failure }, 'not reachable yet')
        return
      }
      // A transport that did not open holds nothing.
      await this.#working?.commands.close()
      this.#working = undefined
      throw failure
    }
  }

  #work(io: Io): Working<C> {
    const { name, endpoints, connectTimeoutMs, make, translate } = this.#options
    if (this.#closing !== undefined) throw new ClosedError(name)
    if (this.#working !== undefined) return this.#working
    const ambient: Ambient = { clock: io.clock, logger: io.logger, random: io.random }
    const dialer = new Dialer(
      {
        name,
        endpoints,
        connectTimeoutMs,
        make: (endpoint) => make(endpoint, ambient),
        translate,
      },
      ambient,
    )
    const commands = new CommandConnection({ name, dialer, translate }, ambient)
    this.#working = { dialer, commands }
    return this.#working
  }

  async #connection(io: Io): Promise<C> {
    const { commands } = this.#work(io)
    io.signal.throwIfAborted()
    const connection = commands.present ?? (await this.#abortable(commands.get(), io))
    this.#options.onConnection?.(connection)
    return connection
  }

  /** The promise's end, or the signal's reason when it aborts first. */
  #abortable<T>(promise: Promise<T>, io: Io): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const forget = this.#cancellations.on(io.signal, () => reject(io.signal.reason))
      promise.then(resolve, reject).finally(forget)
    })
  }

  #explain(error: unknown, io: Io): unknown {
    if (io.signal.aborted && !isSyncError(error)) return error
    return this.#options.translate(error)
  }

  #explainSent(error: unknown): SyncError {
    const outcome = 'unknown'
    if (isSyncError(error, 'SYNC_UNAVAILABLE') || isSyncError(error, 'SYNC_CLOSED')) {
      // Whatever ended it, it was on its way.
      const { name } = this.#options
      return new TransportUnavailableError(name, error.message, { cause: error, outcome })
    }
    return this.#options.translate(error, outcome)
  }
}

/** Ends what a read waits for with its caller's signal. */
export interface Reading {
  /** The promise's end, or the signal's reason when it aborts first. */
  readonly abortable: <T>(promise: Promise<T>) => Promise<T>
  /** Gives `cancel` the signal's reason when it aborts; the returned function takes it back. */
  readonly onAbort: (cancel: (reason: unknown) => void) => () => void
}

/** What exists once the transport is used. */
interface Working<C extends Dialled> {
  readonly dialer: Dialer<C>
  readonly commands: CommandConnection<C>
}
