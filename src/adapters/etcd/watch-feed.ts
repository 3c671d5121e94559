import type { Metadata } from '@grpc/grpc-js'
import type { LinkChannel } from '../../grpc-link/link.ts'
import { MessageFeed } from '../../grpc-link/message-feed.ts'
import type { KeyRange } from './key-range.ts'
import { WATCH_PATH, watchRequest, watchResponse } from './schema.ts'
import type { WatchRequest, WatchResponse } from './schema.ts'

/** One raw watch stream: messages in the server's order, one reader. */
export class WatchFeed extends MessageFeed<WatchResponse> {
  #sending = false
  /** Only progress is asked for repeatedly: the newest request is enough. */
  #unsent: WatchRequest | undefined

  constructor(channel: LinkChannel, metadata: Metadata) {
    super(channel, WATCH_PATH, metadata, (bytes) => watchResponse.decode(bytes))
  }

  /** Changes in the range from the revision on. */
  create(range: KeyRange, startRevision: number, fragment: boolean): void {
    this.#send({ createRequest: { ...range, startRevision, fragment } })
  }

  /** Asks for a message that says how far the stream is. */
  requestProgress(): void {
    this.#send({ progressRequest: {} })
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
    this.call.sendMessageWithContext({ callback }, watchRequest.encode(request))
  }
}
