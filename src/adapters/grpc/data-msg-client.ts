import type { Metadata } from '@grpc/grpc-js'
import { systemClock } from '../../api/clock.ts'
import { ClosedError, TransportUnavailableError } from '../../api/errors.ts'
import type { SyncError, WriteOutcome } from '../../api/errors.ts'
import { silentLogger } from '../../api/logger.ts'
import { CommandConnection } from '../../grpc-link/command-connection.ts'
import { Dialer } from '../../grpc-link/dialer.ts'
import { isStatusError } from '../../grpc-link/failures.ts'
import type { Ambient } from '../../grpc-link/link.ts'
import { Connection } from './connection.ts'
import {
  DATA_CHANGES_PATH,
  DATA_RESYNCS_PATH,
  dataChangeReply,
  dataChangeRequest,
  dataResyncReplies,
  dataResyncRequests,
  PING_PATH,
  pingReply,
  pingRequest,
  PUT_DEL,
} from './datamsg-schema.ts'
import { translate } from './errors.ts'
import { readFailure } from './failure-metadata.ts'
import type { GrpcSettings } from './options.ts'

/** A change for {@link DataMsgClient.dataChanges}: with `content` a put, else a delete. */
export interface DataChange {
  readonly key: string
  readonly content?: Uint8Array
  /** `application/json`: JSON of the key's model, which the server has to know. */
  readonly contentType?: string
}

/** What became of a change or of an item. */
export interface DataResult {
  readonly key: string
  /** 0 = applied, or nobody watches the key; else a gRPC status code. */
  readonly result: number
}

/** One item of {@link DataMsgClient.dataResyncs}. */
export interface DataItem {
  readonly key: string
  readonly content: Uint8Array
  readonly contentType?: string
}

export interface DataResyncsResult {
  /** One per item, in their order. */
  readonly replies: readonly DataResult[]
  /** Who refused or was not ready, and why; what was sent is stored all the same. */
  readonly error: string | undefined
}

/** The service of the Go library cn-infra, of any server that has it. */
export interface DataMsgClient extends AsyncDisposable {
  /**
   * Sends changes on one stream, up to 256 ahead of their replies; yields one reply per change, in order. Ends when all
   * are replied to. @throws TransportUnavailableError with outcome `unknown` for what was sent and not replied to
   */
  dataChanges(
    changes: Iterable<DataChange> | AsyncIterable<DataChange>,
  ): AsyncGenerator<DataResult, void, undefined>
  /**
   * Makes the items everything that there is under the prefixes that one may write.
   * @throws TransportUnavailableError, AccessDeniedError, InvalidOptionError (an empty list), …
   */
  dataResyncs(items: Iterable<DataItem>): Promise<DataResyncsResult>
  /** The server's words. @throws TransportUnavailableError, AccessDeniedError */
  ping(): Promise<string>
  /** Idempotent; ends streams. Afterwards no socket is left. */
  close(): Promise<void>
}

const WINDOW = 256

export class DefaultDataMsgClient implements DataMsgClient {
  readonly #name: string
  readonly #commands: CommandConnection<Connection>

  constructor(settings: GrpcSettings) {
    const { name, endpoints, connectTimeoutMs } = settings
    const ambient: Ambient = { clock: systemClock, logger: silentLogger, random: Math.random }
    const explain = (error: unknown): SyncError => translate(name, error)
    const dialer = new Dialer(
      {
        name,
        endpoints,
        connectTimeoutMs,
        make: (endpoint) => new Connection(endpoint, settings, ambient, false),
        translate: explain,
      },
      ambient,
    )
    this.#name = name
    this.#commands = new CommandConnection({ name, dialer, translate: explain }, ambient)
  }

  async *dataChanges(
    changes: Iterable<DataChange> | AsyncIterable<DataChange>,
  ): AsyncGenerator<DataResult, void, undefined> {
    const connection = await this.#commands.get()
    const feed = connection.openFeed(DATA_CHANGES_PATH, dataChangeReply)
    const inputs =
      Symbol.asyncIterator in changes ? changes[Symbol.asyncIterator]() : changes[Symbol.iterator]()
    let owed = 0
    let ended = false
    // The end of the stream is owed, too.
    const release = connection.hold(feed, () => feed.awaited && (owed > 0 || ended))
    let failure: { readonly cause: unknown } | undefined
    let pulling = false
    const pull = (): void => {
      if (pulling || ended) return
      pulling = true
      void (async () => {
        try {
          while (owed < WINDOW) {
            const next = await inputs.next()
            if (ended) return
            if (next.done === true) {
              ended = true
              feed.end()
              break
            }
            const { key, content, contentType = '' } = next.value
            owed++
            await feed.send(
              dataChangeRequest.encode({
                key,
                operationType: content === undefined ? PUT_DEL.delete : PUT_DEL.put,
                content: content ?? new Uint8Array(),
                content_type: contentType,
              }),
            )
          }
        } catch (cause) {
          failure = { cause }
        } finally {
          pulling = false
          feed.wake()
        }
      })()
    }
    try {
      for (;;) {
        pull()
        const reply = feed.poll()
        if (reply !== undefined) {
          owed--
          yield { key: reply.key, result: reply.result }
          continue
        }
        if (failure !== undefined) throw failure.cause
        await feed.wait()
      }
    } catch (error) {
      if (failure !== undefined && error === failure.cause) throw error
      // The status OK is the end.
      if ((error as { code?: unknown }).code === 0 && owed === 0 && ended) return
      throw owed > 0 ? this.#explainOwed(error) : this.#explain(error, false)
    } finally {
      release()
      feed.cancel()
      const returned = ended ? undefined : inputs.return?.()
      ended = true
      // A source that is waiting for its next change may never end: nobody waits for it.
      if (pulling) void Promise.resolve(returned).catch(() => {})
      else await returned
    }
  }

  async dataResyncs(items: Iterable<DataItem>): Promise<DataResyncsResult> {
    const dataResyncs = Array.from(items, ({ key, content, contentType = '' }) => ({
      key,
      content,
      content_type: contentType,
    }))
    const method = {
      path: DATA_RESYNCS_PATH,
      request: dataResyncRequests,
      response: dataResyncReplies,
    }
    const { error, dataResyncs: sent } = await this.#call((connection) =>
      connection.call(method, { dataResyncs }),
    )
    const replies = (sent?.replies ?? []).map(({ key, result }) => ({ key, result }))
    return { replies, error: error ? error.message : undefined }
  }

  async ping(): Promise<string> {
    const method = { path: PING_PATH, request: pingRequest, response: pingReply }
    const { message } = await this.#call((connection) => connection.call(method, { message: '' }))
    return message
  }

  close(): Promise<void> {
    return this.#commands.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #call<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#commands.get()
    try {
      const answer = await run(connection)
      this.#commands.answered()
      return answer
    } catch (error) {
      this.#commands.failed(error, connection)
      throw this.#explain(error, true)
    }
  }

  /** A status that ends a stream says nothing of the requests that were taken before, unless the server says more. */
  #explainOwed(error: unknown): SyncError {
    const explained = this.#explain(error, true)
    if (!(explained instanceof TransportUnavailableError) || isExplained(error)) return explained
    return withOutcome(explained, 'unknown')
  }

  #explain(error: unknown, sent: boolean): SyncError {
    const outcome = sent ? 'unknown' : 'not-applied'
    if (error instanceof TransportUnavailableError) return withOutcome(error, outcome)
    if (error instanceof ClosedError) {
      return new TransportUnavailableError(this.#name, error.message, { cause: error, outcome })
    }
    return translate(this.#name, error, outcome)
  }
}

/** The server itself says what became of what was sent. */
function isExplained(error: unknown): boolean {
  return (
    isStatusError(error) && readFailure((error as { metadata?: Metadata }).metadata) !== undefined
  )
}

function withOutcome(
  error: TransportUnavailableError,
  outcome: WriteOutcome,
): TransportUnavailableError {
  const { transport, message, retryable } = error
  const problem = message.slice(`${transport}: `.length)
  return new TransportUnavailableError(transport, problem, { cause: error, outcome, retryable })
}
