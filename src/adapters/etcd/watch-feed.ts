import { status } from '@grpc/grpc-js'
import type { Client, Metadata } from '@grpc/grpc-js'
import { Fifo } from '../../kit/fifo.ts'
import type { KeyRange } from './key-range.ts'
import { WATCH_PATH, watchRequest, watchResponse } from './schema.ts'
import type { WatchRequest, WatchResponse } from './schema.ts'

type Channel = ReturnType<Client['getChannel']>

/** Read ahead of the consumer; the rest waits in the server (W24). */
const AHEAD_BYTES = 1_048_576

/**
 * One raw watch stream: messages in the server's order, one reader. Messages are asked for one at a time, so that a
 * consumer that takes nothing stops the server by flow control.
 */
export class WatchFeed {
  readonly #call: ReturnType<Channel['createCall']>
  readonly #messages = new Fifo<Uint8Array>()
  #bytes = 0
  #reading = false
  #sending = false
  /** Only progress is asked for repeatedly: the newest request is enough. */
  #unsent: WatchRequest | undefined
  #wake: (() => void) | undefined
  #error: { readonly cause: unknown } | undefined

  constructor(channel: Channel, metadata: Metadata) {
    this.#call = channel.createCall(WATCH_PATH, Infinity, undefined, null, undefined)
    this.#call.start(metadata, {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Uint8Array | null) => this.#take(message),
      onReceiveStatus: (ended) => this.fail(ended),
    })
    this.#read()
  }

  /** Changes in the range from the revision on. */
  create(range: KeyRange, startRevision: number, fragment: boolean): void {
    this.#send({ createRequest: { ...range, startRevision, fragment } })
  }

  /** Asks for a message that says how far the stream is. */
  requestProgress(): void {
    this.#send({ progressRequest: {} })
  }

  /** Nothing that has arrived is still to be read. */
  get isEmpty(): boolean {
    return this.#messages.size === 0
  }

  /** The next message, if it is here. @throws the stream's status once all before it is read */
  poll(): WatchResponse | undefined {
    const message = this.#messages.shift()
    if (message === undefined) {
      if (this.#error !== undefined) throw this.#error.cause
      return undefined
    }
    this.#bytes -= message.length
    this.#read()
    return watchResponse.decode(message)
  }

  /** Resolves when there may be a message, or the end. One waits at a time. */
  wait(): Promise<void> {
    if (this.#messages.size > 0 || this.#error !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** Somebody waits. */
  get awaited(): boolean {
    return this.#wake !== undefined
  }

  /** Wakes who waits, though no message came. */
  wake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  fail(cause: unknown): void {
    this.#error ??= { cause }
    this.wake()
  }

  cancel(): void {
    this.#call.cancelWithStatus(status.CANCELLED, 'no longer watched')
  }

  /** gRPC takes the next message once the one before is on its way. */
  #send(request: WatchRequest): void {
    if (this.#sending) {
      this.#unsent = request
      return
    }
    this.#sending = true
    const callback = (): void => {
      this.#sending = false
      const next = this.#unsent
      this.#unsent = undefined
      if (next !== undefined) this.#send(next)
    }
    this.#call.sendMessageWithContext({ callback }, watchRequest.encode(request))
  }

  #read(): void {
    if (this.#reading || this.#bytes > AHEAD_BYTES || this.#error !== undefined) return
    this.#reading = true
    this.#call.startRead()
  }

  #take(message: Uint8Array | null): void {
    this.#reading = false
    // Null is the end, which the status explains.
    if (message === null) return
    this.#messages.push(message)
    this.#bytes += message.length
    this.#read()
    this.wake()
  }
}
