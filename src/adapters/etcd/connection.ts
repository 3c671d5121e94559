import { Metadata, status } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { AccessDeniedError, TransportUnavailableError } from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import { GrpcLink } from '../../grpc-link/link.ts'
import type { Ambient, CallOptions, Method } from '../../grpc-link/link.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { answerOf } from './errors.ts'
import type { EtcdSettings } from './options.ts'
import { authenticateMethod, statusMethod } from './schema.ts'
import type { StatusResponse } from './schema.ts'
import { WatchFeed } from './watch-feed.ts'

export type { Ambient, CallOptions } from '../../grpc-link/link.ts'

/** One connection to one member, logged in, from dialling to its end. */
export class Connection {
  readonly endpoint: Endpoint
  readonly #settings: EtcdSettings
  readonly #io: Ambient
  readonly #link: GrpcLink
  #metadata: Metadata = new Metadata()
  #login: Promise<void> | undefined
  /** What the member said of itself at the start; undefined where it does not tell. */
  status: StatusResponse | undefined

  constructor(endpoint: Endpoint, settings: EtcdSettings, io: Ambient) {
    this.endpoint = endpoint
    this.#settings = settings
    this.#io = io
    this.#link = new GrpcLink(endpoint, settings, io)
  }

  /** Why it ended; undefined while it is open. */
  get lost(): SyncError | undefined {
    return this.#link.lost
  }

  /** All bytes received so far: growth proves life, also in the middle of a long answer. */
  get bytesRead(): number {
    return this.#link.bytesRead
  }

  /** Called once, when the connection ends; at once if it has. Returns how to take it back. */
  onLost(listener: (error: SyncError) => void): () => void {
    return this.#link.onLost(listener)
  }

  /**
   * Connects, logs in and asks the member for its state.
   * @throws TransportUnavailableError, also for a member that has no leader or is a learner; AccessDeniedError (login, certificate)
   */
  async open(): Promise<void> {
    await this.#link.ready()
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
    this.#link.accept()
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
    if (this.lost !== undefined) throw this.lost
    const metadata = this.#metadata.clone()
    // A member that is cut off from the others ends the watch instead of keeping silent.
    metadata.set('hasleader', 'true')
    return new WatchFeed(this.#link.channel, metadata)
  }

  /** Ends it once the calls under way are answered. */
  retire(): void {
    this.#link.retire()
  }

  /** Ends it at once: a held link would not take a farewell. */
  destroy(reason?: SyncError): void {
    this.#link.destroy(reason)
  }

  get #at(): string {
    return this.#link.at
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
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions,
    metadata: Metadata = this.#metadata,
  ): Promise<Response> {
    return this.#link.send(method, request, metadata, options)
  }
}
