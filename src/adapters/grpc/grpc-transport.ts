import {
  ClosedError,
  isSyncError,
  PayloadTooLargeError,
  TimeoutError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { CommandConnection } from '../../grpc-link/command-connection.ts'
import { Dialer } from '../../grpc-link/dialer.ts'
import type { Ambient } from '../../grpc-link/link.ts'
import type { MessageFeed } from '../../grpc-link/message-feed.ts'
import { Cancellations } from '../../kit/cancellations.ts'
import { isLoopback } from '../../kit/loopback.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { ASSUMED, capabilitiesOf } from './capabilities.ts'
import { Connection } from './connection.ts'
import { isCutOff, translate } from './errors.ts'
import { numberOf } from './int64.ts'
import type { GrpcSettings } from './options.ts'
import {
  commitMethod,
  commitRequest,
  GET_PATH,
  getRequest,
  LIST_PATH,
  listRequest,
  pairsMessage,
  WAIT,
} from './watch-schema.ts'
import type { CommitRequest, WireOp, WirePair } from './watch-schema.ts'
import { watchStream } from './watch-stream.ts'
import { listedPair } from './wire-pair.ts'

/** Of keys asked for in one request. */
const KEYS_BYTES = 1_048_576
/** The server's word that a write was stored is to come before our own time is over. */
const MAX_MARGIN_MS = 250

/** A served agent, as the engine sees it. */
export class GrpcTransport implements Transport {
  readonly name: string
  readonly livenessMs: number
  readonly #settings: GrpcSettings
  readonly #cancellations = new Cancellations()
  readonly #closed = new AbortController()
  #capabilities: Capabilities = ASSUMED
  #maxRequestBytes = Infinity
  #working: Working | undefined
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(settings: GrpcSettings) {
    this.#settings = settings
    this.name = settings.name
    this.livenessMs = settings.livenessMs
  }

  /** Of what is served, as the server said last; until then those of an agent on memory or LMDB. */
  get capabilities(): Capabilities {
    return this.#capabilities
  }

  open(io: Io): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError(this.name))
    this.#opening ??= this.#check(io).catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncIterable<Batch> {
    const { dialer } = this.#work(io)
    const signal = AbortSignal.any([io.signal, this.#closed.signal])
    yield* watchStream(
      {
        settings: this.#settings,
        prefixes,
        io: { ...io, signal },
        dialer,
        onConnection: (connection) => this.#learn(connection),
      },
      from,
    )
  }

  async *list(prefix: string, io: Io): AsyncIterable<readonly RawPair[]> {
    const connection = await this.#connection(io)
    yield* this.#read(connection, io, () =>
      connection.feed(LIST_PATH, listRequest, pairsMessage, { prefix }),
    )
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    const connection = await this.#connection(io)
    const found: RawPair[] = []
    for (const part of partsOf(keys)) {
      const feed = (): MessageFeed<{ readonly pairs: readonly WirePair[] }> =>
        connection.feed(GET_PATH, getRequest, pairsMessage, { keys: part })
      for await (const pairs of this.#read(connection, io, feed)) found.push(...pairs)
    }
    return found
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const { commands } = this.#work(io)
    const { timeoutMs } = options
    let sent = false
    let late = false
    let cancel = (): void => {}
    let giveUp = (): void => {}
    const givenUp = new Promise<never>((_resolve, reject) => {
      giveUp = () => {
        reject(new TransportUnavailableError(this.name, 'the write was given up'))
        cancel()
      }
    })
    givenUp.catch(() => {})
    const timer = io.clock.after(timeoutMs, () => {
      late = true
      giveUp()
    })
    const forget = this.#cancellations.on(io.signal, giveUp)
    let connection: Connection | undefined
    try {
      connection = commands.present ?? (await Promise.race([commands.get(), givenUp]))
      this.#learn(connection)
      io.signal.throwIfAborted()
      const request = this.#request(ops, options)
      sent = connection.lost === undefined
      const reply = await Promise.race([
        connection.call(commitMethod, request, {
          onStart: (stop) => {
            cancel = stop
          },
          deadline: new Date(Date.now() + timeoutMs),
        }),
        givenUp,
      ])
      commands.answered()
      return {
        versions: ops.map((op, i) => (op.type === 'put' ? reply.versions[i] : undefined)),
        ...(Object.hasOwn(reply, 'deleted') ? { deleted: numberOf(reply.deleted ?? 0) } : {}),
        ...(Object.hasOwn(reply, 'receivers') ? { receivers: reply.receivers ?? 0 } : {}),
      }
    } catch (error) {
      if (connection !== undefined) commands.failed(error, connection)
      throw this.#explainWrite(error, sent, late ? timeoutMs : undefined, io)
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
    this.#closed.abort(new ClosedError(this.name))
    await this.#working?.commands.close()
  }

  /** What waiting cannot mend is found out here; the rest shows in the streams. */
  async #check(io: Io): Promise<void> {
    const { token, tls, endpoints } = this.#settings
    if (
      token !== undefined &&
      tls === undefined &&
      !endpoints.every(({ host }) => isLoopback(host))
    ) {
      io.logger.warn({ transport: this.name }, 'the token is sent without TLS')
    }
    try {
      await this.#connection(io)
    } catch (error) {
      const failure = this.#explain(error, io)
      if (failure instanceof TransportUnavailableError && failure.retryable) {
        io.logger.warn({ transport: this.name, err: failure }, 'not reachable yet')
        return
      }
      // A transport that did not open holds nothing.
      await this.#working?.commands.close()
      this.#working = undefined
      throw failure
    }
  }

  #work(io: Io): Working {
    if (this.#closing !== undefined) throw new ClosedError(this.name)
    if (this.#working !== undefined) return this.#working
    const ambient: Ambient = { clock: io.clock, logger: io.logger, random: io.random }
    const { name, endpoints, connectTimeoutMs } = this.#settings
    const explain = (error: unknown): SyncError => translate(name, error)
    const make = (endpoint: Endpoint): Connection =>
      new Connection(endpoint, this.#settings, ambient)
    const dialer = new Dialer(
      { name, endpoints, connectTimeoutMs, make, translate: explain },
      ambient,
    )
    const commands = new CommandConnection({ name, dialer, translate: explain, isCutOff }, ambient)
    this.#working = { dialer, commands }
    return this.#working
  }

  async #connection(io: Io): Promise<Connection> {
    const { commands } = this.#work(io)
    io.signal.throwIfAborted()
    const connection = commands.present ?? (await this.#abortable(commands.get(), io))
    this.#learn(connection)
    return connection
  }

  #learn({ info }: Connection): void {
    if (info === undefined) return
    this.#capabilities = capabilitiesOf(info)
    this.#maxRequestBytes = info.maxMessageBytes
  }

  async *#read(
    connection: Connection,
    io: Io,
    begin: () => MessageFeed<{ readonly pairs: readonly WirePair[] }>,
  ): AsyncGenerator<readonly RawPair[]> {
    let forget = (): void => {}
    try {
      const feed = begin()
      forget = this.#cancellations.on(io.signal, () => feed.fail(io.signal.reason))
      for await (const { pairs } of connection.read(feed)) yield pairs.map(listedPair)
      this.#working?.commands.answered()
    } catch (error) {
      this.#working?.commands.failed(error, connection)
      throw this.#explain(error, io)
    } finally {
      forget()
    }
  }

  /** The promise's end, or the signal's reason when it aborts first. */
  #abortable<T>(promise: Promise<T>, io: Io): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const forget = this.#cancellations.on(io.signal, () => reject(io.signal.reason))
      promise.then(resolve, reject).finally(forget)
    })
  }

  /** @throws PayloadTooLargeError */
  #request(ops: readonly Op[], { waitFor, timeoutMs }: CommitOptions): CommitRequest {
    const request = {
      ops: ops.map(wireOp),
      wait: WAIT[waitFor],
      timeoutMs: Math.max(1, timeoutMs - Math.min(MAX_MARGIN_MS, timeoutMs / 4)),
    }
    // Counting is dear; only what may be too large is.
    const limit = this.#maxRequestBytes
    const values = ops.reduce((sum, op) => sum + (op.type === 'put' ? op.value.length : 0), 0)
    if (ops.length > 100 || values * 2 > limit) {
      const size = commitRequest.encode(request).length
      if (size > limit) throw new PayloadTooLargeError('the transaction', size, limit)
    }
    return request
  }

  #explain(error: unknown, io: Io): unknown {
    if (io.signal.aborted && !isSyncError(error)) return error
    return translate(this.name, error)
  }

  #explainWrite(error: unknown, sent: boolean, lateMs: number | undefined, io: Io): unknown {
    const outcome = sent ? 'unknown' : 'not-applied'
    if (lateMs !== undefined) return new TimeoutError('the write', lateMs, { outcome })
    if (!sent) return this.#explain(error, io)
    if (isSyncError(error, 'SYNC_UNAVAILABLE') || isSyncError(error, 'SYNC_CLOSED')) {
      // Whatever ended it, it was on its way.
      return new TransportUnavailableError(this.name, error.message, { cause: error, outcome })
    }
    return translate(this.name, error, outcome)
  }
}

/** What exists once the transport is used. */
interface Working {
  readonly dialer: Dialer<Connection>
  readonly commands: CommandConnection<Connection>
}

function wireOp(op: Op): WireOp {
  if (op.type === 'delete-prefix') return { deletePrefix: { prefix: op.prefix } }
  const { key } = op
  const condition = op.ifVersion === undefined ? {} : { ifVersion: op.ifVersion }
  if (op.type === 'delete') return { delete: { key, ...condition } }
  const { value, ttlMs = 0, ifAbsent = false } = op
  return { put: { key, value, ttlMs, ifAbsent, ...condition } }
}

function* partsOf(keys: readonly string[]): Generator<readonly string[]> {
  let from = 0
  let size = 0
  for (const [i, key] of keys.entries()) {
    const own = key.length * 3 + 8
    if (i > from && size + own > KEYS_BYTES) {
      yield keys.slice(from, i)
      from = i
      size = 0
    }
    size += own
  }
  if (from < keys.length) yield from === 0 ? keys : keys.slice(from)
}
