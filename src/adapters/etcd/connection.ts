import { Client, connectivityState, Metadata, status } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import type { Timer } from '../../api/clock.ts'
import { AccessDeniedError, TimeoutError, TransportUnavailableError } from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import type { Io } from '../../api/transport.ts'
import { nextTask } from '../../kit/next-task.ts'
import { answerOf, translate } from './errors.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import type { EtcdSettings } from './options.ts'
import { authenticateMethod, statusMethod } from './schema.ts'
import type { Method, StatusResponse } from './schema.ts'
import { TrackedCredentials } from './tracked-credentials.ts'
import { WatchFeed } from './watch-feed.ts'

/** Time, chance and log of the transport, without a call's signal. */
export type Ambient = Omit<Io, 'signal'>

export interface CallOptions {
  /** A connection that is silent for so long while it owes the answer is given up. */
  readonly timeoutMs?: number
  /** Given a function that ends the call. */
  readonly onStart?: (cancel: () => void) => void
}

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
 * One connection to one member, from dialling to its end: it never connects again, so nothing is sent twice, and every
 * loss is seen.
 */
export class Connection {
  readonly endpoint: Endpoint
  readonly #settings: EtcdSettings
  readonly #io: Ambient
  readonly #credentials: TrackedCredentials
  readonly #client: Client
  readonly #listeners = new Set<(error: SyncError) => void>()
  #metadata: Metadata = new Metadata()
  #login: Promise<void> | undefined
  #lost: SyncError | undefined
  #opened = false
  #calls = 0
  #retired = false
  /** What the member said of itself at the start; undefined where it does not tell. */
  status: StatusResponse | undefined

  constructor(endpoint: Endpoint, settings: EtcdSettings, io: Ambient) {
    this.endpoint = endpoint
    this.#settings = settings
    this.#io = io
    this.#credentials = new TrackedCredentials(endpoint, settings.tls)
    this.#client = new Client(endpointName(endpoint), this.#credentials, {
      ...CHANNEL_OPTIONS,
      'grpc.max_receive_message_length': settings.maxMessageBytes,
      ...(settings.tls?.servername === undefined
        ? {}
        : {
            'grpc.default_authority': settings.tls.servername,
          }),
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

  /** Called once, when the connection ends; at once if it has. Returns how to take it back. */
  onLost(listener: (error: SyncError) => void): () => void {
    if (this.#lost !== undefined) listener(this.#lost)
    else this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Connects, logs in and asks the member for its state.
   * @throws TransportUnavailableError, also for a member that has no leader or is a learner; AccessDeniedError (login, certificate)
   */
  async open(): Promise<void> {
    await this.#ready()
    await this.#logIn()
    try {
      this.status = await this.call(statusMethod, {})
    } catch (error) {
      // A server may keep it to itself.
      if (answerOf(error) === undefined) throw error
    }
    if (this.status?.isLearner === true) {
      const problem = `${this.#at} is a learner, which answers no reads`
      throw new TransportUnavailableError(this.#settings.name, problem)
    }
    if (this.status?.leader.toString() === '0') {
      throw new TransportUnavailableError(this.#settings.name, `${this.#at} has no leader`)
    }
    this.#opened = true
  }

  /**
   * One call; a login that the server has forgotten is made again first, once (W17).
   * @throws ServiceError of gRPC; TransportUnavailableError with outcome `not-applied` when it was not sent
   */
  async call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const metadata = this.#metadata
    try {
      return await this.#send(method, request, options)
    } catch (error) {
      if (answerOf(error) !== 'stale-token' || this.#settings.username === undefined) throw error
      // The call was refused, so nothing was applied. Several calls share one new login.
      if (this.#metadata === metadata) await (this.#login ??= this.#logInAgain())
      return this.#send(method, request, options)
    }
  }

  /** Begins a watch; nothing is read ahead beyond a small buffer. */
  watch(): WatchFeed {
    if (this.#lost !== undefined) throw this.#lost
    const metadata = this.#metadata.clone()
    // A member that is cut off from the others ends the watch instead of keeping silent.
    metadata.set('hasleader', 'true')
    return new WatchFeed(this.#client.getChannel(), metadata)
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

  get #at(): string {
    return endpointName(this.endpoint)
  }

  #ready(): Promise<void> {
    const channel = this.#client.getChannel()
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#lost !== undefined) {
          reject(this.#lost)
          return
        }
        const state = channel.getConnectivityState(true)
        if (state === connectivityState.READY) {
          this.#credentials.seal()
          this.#watchState()
          resolve()
        } else if (state === connectivityState.TRANSIENT_FAILURE) {
          reject(this.#failure(`${this.#at} is not reachable`))
        } else channel.watchConnectivityState(state, Infinity, look)
      }
      this.onLost(reject)
      look()
    })
  }

  #watchState(): void {
    const channel = this.#client.getChannel()
    channel.watchConnectivityState(connectivityState.READY, Infinity, () => {
      this.destroy(this.#failure(`the connection to ${this.#at} is lost`))
    })
  }

  #failure(problem: string): SyncError {
    const { failure } = this.#credentials
    // Later it would look like a refusal of what was under way.
    if (failure !== undefined && !this.#opened) return translate(this.#settings.name, failure)
    return new TransportUnavailableError(this.#settings.name, problem)
  }

  async #logIn(): Promise<void> {
    const { username, password, name } = this.#settings
    if (username === undefined || password === undefined) return
    try {
      const request = { name: username, password: await this.#passwordOf(password) }
      const { token } = await this.#send(authenticateMethod, request, {}, new Metadata())
      const metadata = new Metadata()
      metadata.set('token', token)
      this.#metadata = metadata
    } catch (error) {
      const answer = answerOf(error)
      if (answer === 'no-authentication') {
        this.#io.logger.warn({ transport: name }, 'the server has no users; going on without')
        return
      }
      if ((error as Partial<ServiceError>).code === status.INVALID_ARGUMENT) {
        throw new AccessDeniedError(name, 'the server refuses user or password', { cause: error })
      }
      throw error
    }
  }

  /** @throws TransportUnavailableError when it is not to be had in time; the function's own error is the cause */
  #passwordOf(password: () => string | Promise<string>): Promise<string> {
    const { name, connectTimeoutMs } = this.#settings
    return new Promise((resolve, reject) => {
      const fail = (problem: string, cause?: unknown): void =>
        reject(new TransportUnavailableError(name, problem, { cause }))
      const limit = this.#io.clock.after(connectTimeoutMs, () => {
        fail(`the password was not given within ${connectTimeoutMs} ms`)
      })
      const forget = this.onLost(reject)
      Promise.resolve()
        .then(password)
        .then(resolve, (cause: unknown) => fail('the function for the password has failed', cause))
        .finally(() => {
          limit.stop()
          forget()
        })
    })
  }

  async #logInAgain(): Promise<void> {
    try {
      await this.#logIn()
    } finally {
      this.#login = undefined
    }
  }

  #send<Request, Response>(
    { path, request: { encode }, response: { decode } }: Method<Request, Response>,
    request: Request,
    { timeoutMs = this.#settings.commandTimeoutMs, onStart }: CallOptions,
    metadata: Metadata = this.#metadata,
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
        // A member that stands still answers nobody: the next one's turn comes.
        const cause = new TimeoutError(`an answer of ${this.#at}`, timeoutMs)
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
}
