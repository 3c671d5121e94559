import { Client, connectivityState } from '@grpc/grpc-js'
import type { ChannelOptions, Metadata, ServiceError } from '@grpc/grpc-js'
import type { ConnectionOptions } from 'node:tls'
import type { Timer } from '../api/clock.ts'
import { TimeoutError, TransportUnavailableError } from '../api/errors.ts'
import type { SyncError } from '../api/errors.ts'
import type { Io } from '../api/transport.ts'
import { nextTask } from '../kit/next-task.ts'
import { endpointName } from '../kit/server-url.ts'
import type { Endpoint } from '../kit/server-url.ts'
import { translateSocket } from './failures.ts'
import { TrackedCredentials } from './tracked-credentials.ts'

/** Time, chance and log of a transport, without a call's signal. */
export type Ambient = Omit<Io, 'signal'>

/** How one message is written or read. */
export interface Codec<T> {
  readonly encode: (message: T) => Buffer
  readonly decode: (bytes: Uint8Array) => T
}

/** One unary call of a service. */
export interface Method<Request, Response> {
  readonly path: string
  readonly request: Codec<Request>
  readonly response: Codec<Response>
}

export interface CallOptions {
  /** A connection that is silent for so long while it owes the answer is given up. */
  readonly timeoutMs?: number
  /** Given a function that ends the call. */
  readonly onStart?: (cancel: () => void) => void
  readonly deadline?: Date
}

export interface LinkSettings {
  /** Of the transport, in errors. */
  readonly name: string
  readonly tls: ConnectionOptions | undefined
  /** The largest message that is taken from the server. */
  readonly maxMessageBytes: number
  /** As {@link CallOptions.timeoutMs}, where a call has none of its own. */
  readonly commandTimeoutMs: number
  /** More of the driver's own. */
  readonly channel?: ChannelOptions
}

export type LinkChannel = ReturnType<Client['getChannel']>

/** Every time; a link's loss is told by the state of the channel. */
const CHANNEL_OPTIONS = {
  // One channel is one socket of its own: nothing is sent again behind our back.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.client_idle_timeout_ms': 2 ** 31 - 1,
  'grpc-node.flow_control_window': 1_048_576,
}

/**
 * One connection to one server, from dialling to its end: it never connects again, so nothing is sent twice, and every
 * loss is seen.
 */
export class GrpcLink {
  readonly at: string
  readonly #settings: LinkSettings
  readonly #io: Ambient
  readonly #credentials: TrackedCredentials
  readonly #client: Client
  readonly #listeners = new Set<(error: SyncError) => void>()
  #lost: SyncError | undefined
  #accepted = false
  #calls = 0
  #retired = false

  constructor(endpoint: Endpoint, settings: LinkSettings, io: Ambient) {
    this.at = endpointName(endpoint)
    this.#settings = settings
    this.#io = io
    this.#credentials = new TrackedCredentials(endpoint, settings.tls)
    this.#client = new Client(this.at, this.#credentials, {
      ...CHANNEL_OPTIONS,
      'grpc.max_receive_message_length': settings.maxMessageBytes,
      ...(settings.tls?.servername === undefined
        ? {}
        : {
            'grpc.default_authority': settings.tls.servername,
          }),
      ...settings.channel,
    })
  }

  /** Why it ended; undefined while it is open. */
  get lost(): SyncError | undefined {
    return this.#lost
  }

  /** All bytes received so far: growth proves life, also in the middle of a long answer. */
  get bytesRead(): number {
    return this.#credentials.bytesRead
  }

  get channel(): LinkChannel {
    return this.#client.getChannel()
  }

  /** Called once, when the connection ends; at once if it has. Returns how to take it back. */
  onLost(listener: (error: SyncError) => void): () => void {
    if (this.#lost !== undefined) listener(this.#lost)
    else this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when it is connected. @throws TransportUnavailableError, AccessDeniedError (certificate) */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#lost !== undefined) {
          reject(this.#lost)
          return
        }
        const state = this.channel.getConnectivityState(true)
        if (state === connectivityState.READY) {
          this.#credentials.seal()
          this.#watchState()
          resolve()
        } else if (state === connectivityState.TRANSIENT_FAILURE) {
          reject(this.#failure(`${this.at} is not reachable`))
        } else this.channel.watchConnectivityState(state, Infinity, look)
      }
      this.onLost(reject)
      look()
    })
  }

  /** The server has taken us: what fails from now on is no refusal of a certificate. */
  accept(): void {
    this.#accepted = true
  }

  /** Ends it once the calls under way are answered. */
  retire(): void {
    this.#retired = true
    if (this.#calls === 0) this.destroy()
  }

  /** Ends it at once: a held link would not take a farewell. */
  destroy(reason?: SyncError): void {
    const lost =
      reason ?? new TransportUnavailableError(this.#settings.name, `the connection is closed`)
    if (this.#lost !== undefined) return
    this.#lost = lost
    this.#client.close()
    this.#credentials.destroySockets()
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener(lost)
  }

  /** One call. @throws ServiceError of gRPC; TransportUnavailableError with outcome `not-applied` when it was not sent */
  send<Request, Response>(
    { path, request: { encode }, response: { decode } }: Method<Request, Response>,
    request: Request,
    metadata: Metadata,
    { timeoutMs = this.#settings.commandTimeoutMs, onStart, deadline }: CallOptions = {},
  ): Promise<Response> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      let settled = false
      this.#calls++
      const call = this.#client.makeUnaryRequest(
        path,
        encode,
        decode,
        request,
        metadata,
        deadline === undefined ? {} : { deadline },
        (error: ServiceError | null, response?: Response) => {
          settled = true
          timer?.stop()
          this.#calls--
          if (this.#retired && this.#calls === 0) this.destroy()
          if (error === null && response !== undefined) resolve(response)
          else reject(error)
        },
      )
      onStart?.(() => call.cancel())
      let seen = this.bytesRead
      const look = (): void => {
        // A blocked event loop is no silence: what waits to be read gets its turn first.
        if (this.bytesRead === seen) nextTask(() => nextTask(judge))
        else judge()
      }
      const judge = (): void => {
        if (settled) return
        if (this.bytesRead !== seen) {
          seen = this.bytesRead
          timer = this.#io.clock.after(timeoutMs, look)
          return
        }
        // A server that stands still answers nobody: the next one's turn comes.
        const cause = new TimeoutError(`an answer of ${this.at}`, timeoutMs)
        this.destroy(
          new TransportUnavailableError(this.#settings.name, cause.message, {
            cause,
            outcome: 'unknown',
          }),
        )
      }
      timer = this.#io.clock.after(timeoutMs, look)
    })
  }

  #watchState(): void {
    this.channel.watchConnectivityState(connectivityState.READY, Infinity, () => {
      this.destroy(this.#failure(`the connection to ${this.at} is lost`))
    })
  }

  #failure(problem: string): SyncError {
    const { failure } = this.#credentials
    // Later it would look like a refusal of what was under way.
    if (failure !== undefined && !this.#accepted) {
      return translateSocket(this.#settings.name, failure)
    }
    return new TransportUnavailableError(this.#settings.name, problem)
  }
}
