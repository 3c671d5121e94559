import { Metadata } from '@grpc/grpc-js'
import { TimeoutError, TransportUnavailableError } from '../../api/errors.ts'
import { LifeSign } from '../../grpc-link/life-sign.ts'
import { GrpcLink } from '../../grpc-link/link.ts'
import { Linked } from '../../grpc-link/linked.ts'
import { timelySecret } from '../../grpc-link/timely-secret.ts'
import type { Ambient, CallOptions, Codec, Method } from '../../grpc-link/link.ts'
import { MessageFeed } from '../../grpc-link/message-feed.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { isUnauthenticated } from './errors.ts'
import type { GrpcSettings } from './options.ts'
import { infoMethod } from './watch-schema.ts'
import type { InfoReply } from './watch-schema.ts'

/** Looks per command timeout; so many in a row without a byte are silence. */
const LOOKS = 4

/** One connection to one served agent, from dialling to its end. */
export class Connection extends Linked {
  readonly #settings: GrpcSettings
  readonly #io: Ambient
  #metadata = new Metadata()
  #renewal: Promise<void> | undefined
  #info: InfoReply | undefined
  readonly #asksInfo: boolean

  /** `asksInfo`: the server is to be one of ours, and says what it can do. */
  constructor(endpoint: Endpoint, settings: GrpcSettings, io: Ambient, asksInfo = true) {
    const pingMs = settings.commandTimeoutMs / 2
    super(
      new GrpcLink(
        endpoint,
        {
          ...settings,
          channel: {
            // While an answer is owed, pings prove that somebody is there, however long it takes. Silence is judged by
            // bytes: on a slow link the answer to a ping waits behind others.
            'grpc.keepalive_time_ms': pingMs,
            'grpc.keepalive_timeout_ms': 2 ** 31 - 1,
          },
        },
        io,
      ),
    )
    this.#settings = settings
    this.#io = io
    this.#asksInfo = asksInfo
  }

  /** What the server said of itself at the start. */
  get info(): InfoReply | undefined {
    return this.#info
  }

  /** @throws TransportUnavailableError, AccessDeniedError (certificate); ServiceError of gRPC for a refused token */
  async open(): Promise<void> {
    await this.link.ready()
    await this.#authorize()
    if (this.#asksInfo) this.#info = await this.link.send(infoMethod, {}, this.#metadata)
    this.link.accept()
  }

  /**
   * One call. A token that is no longer known is fetched anew, once (W17): what was refused was not applied.
   * @throws ServiceError of gRPC; TransportUnavailableError
   */
  async call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const metadata = this.#metadata
    try {
      return await this.link.send(method, request, metadata, options)
    } catch (error) {
      if (!isUnauthenticated(error) || this.#settings.token === undefined) throw error
      if (this.#metadata === metadata) await (this.#renewal ??= this.#renew())
      return this.link.send(method, request, this.#metadata, options)
    }
  }

  /** Begins a call that is answered by a stream. */
  feed<Request, Response>(
    path: string,
    request: Codec<Request>,
    response: Codec<Response>,
    message: Request,
  ): MessageFeed<Response> {
    const feed = this.openFeed(path, response)
    feed.request(request.encode(message))
    return feed
  }

  /** Begins a call; what is sent is the caller's business. */
  openFeed<Response>(path: string, response: Codec<Response>): MessageFeed<Response> {
    if (this.lost !== undefined) throw this.lost
    return new MessageFeed(this.link.channel, path, this.#metadata, response.decode)
  }

  /** The messages of an answer, to its end; a connection that is silent meanwhile is given up. */
  async *read<Response>(feed: MessageFeed<Response>): AsyncGenerator<Response> {
    const release = this.hold(feed, () => feed.awaited)
    try {
      for (;;) {
        const message = feed.poll()
        if (message !== undefined) yield message
        else await feed.wait()
      }
    } catch (error) {
      // The status OK is the end.
      if ((error as { code?: unknown }).code !== 0) throw error
    } finally {
      release()
      feed.cancel()
    }
  }

  /**
   * Lets a feed fail with the connection, and gives the connection up when it is silent while it owes something. Returns
   * what ends that.
   */
  hold(feed: MessageFeed<unknown>, owes: () => boolean): () => void {
    const { name, commandTimeoutMs } = this.#settings
    const forget = this.onLost((lost) => feed.fail(lost))
    let silent = 0
    const life = new LifeSign(this, this.#io.clock, commandTimeoutMs, (alive) => {
      silent = alive || !owes() ? 0 : silent + 1
      if (silent <= LOOKS) return
      const cause = new TimeoutError(`an answer of ${this.link.at}`, commandTimeoutMs)
      this.destroy(new TransportUnavailableError(name, cause.message, { cause }))
    })
    return () => {
      life.stop()
      forget()
    }
  }

  async #renew(): Promise<void> {
    try {
      await this.#authorize()
    } finally {
      this.#renewal = undefined
    }
  }

  /** @throws TransportUnavailableError when the token is not to be had in time */
  async #authorize(): Promise<void> {
    const { token, name, connectTimeoutMs } = this.#settings
    if (token === undefined) return
    const given = await timelySecret({
      what: 'token',
      give: token,
      name,
      timeoutMs: connectTimeoutMs,
      onLost: this.onLost.bind(this),
      clock: this.#io.clock,
    })
    const metadata = new Metadata()
    try {
      metadata.set('authorization', `Bearer ${given}`)
    } catch {
      // The driver's error would show it.
      throw new TransportUnavailableError(name, 'the token cannot be sent: it is no header text', {
        retryable: false,
      })
    }
    this.#metadata = metadata
  }
}
