import { Metadata, status } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { AccessDeniedError, TransportUnavailableError } from '../../api/errors.ts'
import { GrpcLink } from '../../grpc-link/link.ts'
import { Linked } from '../../grpc-link/linked.ts'
import { timelySecret } from '../../grpc-link/timely-secret.ts'
import type { Ambient, CallOptions, Method } from '../../grpc-link/link.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { answerOf } from './errors.ts'
import type { EtcdSettings } from './options.ts'
import { authenticateMethod, statusMethod } from './schema.ts'
import type { StatusResponse } from './schema.ts'
import { WatchFeed } from './watch-feed.ts'

export type { Ambient, CallOptions } from '../../grpc-link/link.ts'

/** One connection to one member, logged in, from dialling to its end. */
export class Connection extends Linked {
  readonly endpoint: Endpoint
  readonly #settings: EtcdSettings
  readonly #io: Ambient
  #metadata: Metadata = new Metadata()
  #login: Promise<void> | undefined
  /** What the member said of itself at the start; undefined where it does not tell. */
  status: StatusResponse | undefined

  constructor(endpoint: Endpoint, settings: EtcdSettings, io: Ambient) {
    super(new GrpcLink(endpoint, settings, io))
    this.endpoint = endpoint
    this.#settings = settings
    this.#io = io
  }

  /**
   * Connects, logs in and asks the member for its state.
   * @throws TransportUnavailableError, also for a member that has no leader or is a learner; AccessDeniedError (login, certificate)
   */
  async open(): Promise<void> {
    await this.link.ready()
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
    this.link.accept()
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
    return new WatchFeed(this.link.channel, metadata)
  }

  get #at(): string {
    return this.link.at
  }

  async #logIn(): Promise<void> {
    const { username, password: give, name, connectTimeoutMs: timeoutMs } = this.#settings
    if (username === undefined || give === undefined) return
    const { clock } = this.#io
    const onLost = this.onLost.bind(this)
    try {
      const password = await timelySecret({
        what: 'password',
        give,
        name,
        timeoutMs,
        onLost,
        clock,
      })
      const request = { name: username, password }
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
    return this.link.send(method, request, metadata, options)
  }
}
