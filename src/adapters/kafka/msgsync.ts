import { isObservable, Observable } from 'rxjs'
import {
  ClosedError,
  InvalidOptionError,
  OverflowError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { Message } from '../../api/message.ts'
import { OrderedWindow, pullInto } from '../../kit/ordered-window.ts'
import { Control } from './control.ts'
import type { Connected } from './control.ts'
import { isTopicMissing, translate } from './errors.ts'
import { MessageQueue } from './message-queue.ts'
import { readMsgsyncOptions } from './msgsync-options.ts'
import type { MsgsyncOptions, MsgsyncSettings } from './msgsync-options.ts'

/** One message for a topic. */
export interface TopicMessage {
  /** Messages of one key go to one partition, in order; without a key to any. */
  readonly key?: string | Uint8Array | null
  /** Null deletes the key in a compacted topic. */
  readonly message: Message | null
  readonly headers?: Readonly<Record<string, string | Buffer>>
  /** Instead of the key's own. */
  readonly partition?: number
}

/** What became of one message. */
export type TopicResult =
  | {
      readonly ok: true
      readonly key: TopicMessage['key']
      readonly partition: number
      readonly offset: number
    }
  | { readonly ok: false; readonly key: TopicMessage['key']; readonly error: unknown }

/** Propagates messages to a topic. */
export interface MessagePublisher extends AsyncDisposable {
  /**
   * Idempotent. An unreachable broker is no error.
   * @throws AccessDeniedError (`SYNC_ACCESS_DENIED`), InvalidOptionError (`SYNC_INVALID_OPTION`) for a missing topic
   */
  open(): Promise<void>
  /**
   * Sends what comes, from the subscription on; one result per input, in order. A message that failed is a result, not
   * the end; its error's `outcome` says what became of it.
   * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) when it is neither Observable nor AsyncIterable
   */
  publish(messages: Observable<TopicMessage> | AsyncIterable<TopicMessage>): Observable<TopicResult>
  /** Sends what was taken; then no connection is left. Idempotent. */
  close(): Promise<void>
}

/**
 * A publisher of messages to a topic, with an idempotent producer: the broker tells repetitions of a request by their
 * sequence numbers, so none is written twice. Nothing is contacted before `open` or the first message.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range, a bad URL, no topic
 */
export function msgsync(options: MsgsyncOptions): MessagePublisher {
  return new Msgsync(readMsgsyncOptions(options))
}

class Msgsync implements MessagePublisher {
  readonly #settings: MsgsyncSettings
  readonly #control: Control
  readonly #queue: MessageQueue
  readonly #windows = new Set<OrderedWindow<TopicMessage, TopicResult>>()
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(settings: MsgsyncSettings) {
    const { clock, logger, random } = settings
    this.#settings = settings
    this.#control = new Control(settings.kafka, { clock, logger, random })
    this.#queue = new MessageQueue(settings, this.#control)
  }

  open(): Promise<void> {
    const { name } = this.#settings.kafka
    if (this.#closing !== undefined) return Promise.reject(new ClosedError(name))
    this.#opening ??= this.#check().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  publish(
    messages: Observable<TopicMessage> | AsyncIterable<TopicMessage>,
  ): Observable<TopicResult> {
    if (!isObservable(messages) && typeof messages?.[Symbol.asyncIterator] !== 'function') {
      throw new InvalidOptionError('messages', 'must be an Observable or an AsyncIterable')
    }
    return new Observable((subscriber) => {
      const window = this.#newWindow((result) => subscriber.next(result))
      const end = (): void => {
        this.#windows.delete(window)
        subscriber.complete()
      }
      if (isObservable(messages)) {
        const subscription = messages.subscribe({
          next: (message) => window.offer(message),
          error: (error: unknown) => void window.drained().then(() => subscriber.error(error)),
          complete: () => void window.drained().then(end),
        })
        return () => {
          subscription.unsubscribe()
          this.#drop(window)
        }
      }
      const inputs = messages[Symbol.asyncIterator]()
      let ended = false
      pullInto(inputs, window, () => {
        ended = true
      }).then(end, (error: unknown) => subscriber.error(error))
      return () => {
        this.#drop(window)
        // Not only behind its next input, which may never come.
        if (!ended) inputs.return?.().catch(() => {})
      }
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #newWindow(emit: (result: TopicResult) => void): OrderedWindow<TopicMessage, TopicResult> {
    const { maxInFlight, queueLimit } = this.#settings
    const window = new OrderedWindow<TopicMessage, TopicResult>({
      window: maxInFlight,
      queueLimit: Math.max(1, queueLimit),
      run: (message, done) => this.#send(message, done),
      overflow: (message) => ({
        ok: false,
        key: message?.key,
        error: new OverflowError('the publish queue', queueLimit),
      }),
      emit,
    })
    this.#windows.add(window)
    return window
  }

  #drop(window: OrderedWindow<TopicMessage, TopicResult>): void {
    window.stop()
    this.#windows.delete(window)
  }

  #send(message: TopicMessage, done: (result: TopicResult) => void): void {
    const key = message?.key
    if (this.#closing !== undefined) {
      done({ ok: false, key, error: new ClosedError(this.#settings.kafka.name) })
      return
    }
    this.#queue.send(message, (written, error) => {
      if (written === undefined) done({ ok: false, key, error })
      else done({ ok: true, key, partition: written.partition, offset: written.offset })
    })
  }

  async #check(): Promise<void> {
    const { topic, name } = this.#settings.kafka
    try {
      await this.#control.use((connected: Connected) => Promise.resolve(connected.partitions))
    } catch (error) {
      if (isTopicMissing(error)) {
        throw new InvalidOptionError('topic', `${topic} does not exist`, { cause: error })
      }
      const failure = translate(name, error)
      if (!(failure instanceof TransportUnavailableError && failure.retryable)) throw failure
      this.#settings.logger.warn({ transport: name, err: failure }, 'not reachable yet')
    }
  }

  async #end(): Promise<void> {
    this.#queue.flush()
    await this.#queue.idle()
    await this.#control.close()
  }
}
