import { status } from '@grpc/grpc-js'
import type { Metadata } from '@grpc/grpc-js'
import { Fifo } from '../kit/fifo.ts'
import type { LinkChannel } from './link.ts'

/** Read ahead of the consumer; the rest waits in the server (W24). */
const AHEAD_BYTES = 1_048_576

/**
 * What a server sends on one call: messages in its order, one reader. Messages are asked for one at a time, so that a
 * consumer that takes nothing stops the server by flow control.
 */
export class MessageFeed<T> {
  protected readonly call: ReturnType<LinkChannel['createCall']>
  readonly #decode: (bytes: Uint8Array) => T
  readonly #messages = new Fifo<Uint8Array>()
  #bytes = 0
  #reading = false
  #wake: (() => void) | undefined
  #error: { readonly cause: unknown } | undefined

  constructor(
    channel: LinkChannel,
    path: string,
    metadata: Metadata,
    decode: (bytes: Uint8Array) => T,
  ) {
    this.#decode = decode
    this.call = channel.createCall(path, Infinity, undefined, null, undefined)
    this.call.start(metadata, {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Uint8Array | null) => this.#take(message),
      onReceiveStatus: (ended) => this.fail(ended),
    })
    this.#read()
  }

  /** Sends the only request of a call whose answer is a stream. */
  request(bytes: Buffer): void {
    this.call.sendMessageWithContext({}, bytes)
    this.call.halfClose()
  }

  /** Sends one of many requests; resolves when the next one may follow. */
  send(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.call.sendMessageWithContext({ callback: () => resolve() }, bytes)
    })
  }

  /** No further request comes. */
  end(): void {
    this.call.halfClose()
  }

  /** Nothing that has arrived is still to be read. */
  get isEmpty(): boolean {
    return this.#messages.size === 0
  }

  /** The next message, if it is here. @throws the stream's status once all before it is read */
  poll(): T | undefined {
    const message = this.#messages.shift()
    if (message === undefined) {
      if (this.#error !== undefined) throw this.#error.cause
      return undefined
    }
    this.#bytes -= message.length
    this.#read()
    return this.#decode(message)
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
    this.call.cancelWithStatus(status.CANCELLED, 'no longer wanted')
  }

  #read(): void {
    if (this.#reading || this.#bytes > AHEAD_BYTES || this.#error !== undefined) return
    this.#reading = true
    this.call.startRead()
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
