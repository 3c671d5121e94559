import { status } from '@grpc/grpc-js'
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Timer } from '../../../api/clock.ts'
import { AccessDeniedError } from '../../../api/errors.ts'
import type { BatchIterator } from '../../../api/transport.ts'
import { onAbort } from '../../../kit/abortable.ts'
import { nextTurn } from '../../../kit/next-task.ts'
import type { Client } from '../../../serving/access.ts'
import { watchEvent, watchRequest } from '../watch-schema.ts'
import type { WatchRequest } from '../watch-schema.ts'
import { WatchCover } from './batch-frames.ts'
import type { Context } from './context.ts'
import { Outlet } from './outlet.ts'
import { CallError, decodeMessage, encodeMessage, formatOf, jsonHeaders } from './wire.ts'
import type { Format } from './wire.ts'

/** Signs of life more often than this are nobody's need. */
const MIN_HEARTBEAT_MS = 25
/** After so many frames without a pause others get their turn. */
const FRAMES_PER_TURN = 256

/** One Watch call: what the served stream yields, framed, no faster than the client takes it. */
export class Watcher {
  readonly #call: ServerWritableStream<Buffer, Buffer>
  readonly #context: Context
  readonly #request: WatchRequest
  readonly #format: Format
  readonly #outlet: Outlet
  /** Nobody listens any more, or the server closes. */
  readonly #ended = new AbortController()
  #gone = false
  readonly #heartbeatMs: number
  #heartbeat: Timer | undefined
  #written = 0

  /** @throws CallError, AccessDeniedError */
  constructor(call: ServerWritableStream<Buffer, Buffer>, client: Client, context: Context) {
    this.#call = call
    this.#context = context
    this.#format = formatOf(call.request)
    this.#request = decodeMessage(watchRequest, call.request, this.#format)
    const { served, settings } = context
    const { prefixes, heartbeatMs } = this.#request
    const { maxPrefixes } = settings.limits
    if (prefixes.length > maxPrefixes) {
      throw new CallError(status.INVALID_ARGUMENT, `prefixes: must be at most ${maxPrefixes}`)
    }
    for (const prefix of prefixes) {
      if (client.mayRead(prefix)) continue
      throw new AccessDeniedError(served.transport, `${JSON.stringify(prefix)} may not be read`)
    }
    this.#heartbeatMs = Math.max(
      MIN_HEARTBEAT_MS,
      Math.min(settings.heartbeatMs, heartbeatMs === 0 ? Infinity : heartbeatMs),
    )
    this.#outlet = new Outlet(call, {
      clock: served.io.clock,
      writeTimeoutMs: settings.writeTimeoutMs,
      onStuck: () => {
        served.io.logger.warn({ client: client.name }, 'a gRPC watch takes nothing; it is cut')
        context.cut(call)
        this.stop()
      },
    })
    call.on('cancelled', () => this.stop())
  }

  /** Nobody listens any more. */
  stop(): void {
    this.#gone = true
    this.#heartbeat?.stop()
    this.#endStream()
  }

  #endStream(): void {
    this.#ended.abort()
    this.#outlet.close()
  }

  /** Resolves when it is over; ends the call. */
  async run(): Promise<void> {
    const { served, closing } = this.#context
    const { signal } = this.#ended
    // Not AbortSignal.any: it leaves something at the signal that lives long, at each call.
    const done = onAbort(closing, () => this.#endStream())
    try {
      if (this.#format === 'json') this.#call.sendMetadata(jsonHeaders())
      this.#outlet.write(
        encodeMessage(watchEvent, { begin: { heartbeatMs: this.#heartbeatMs } }, this.#format),
      )
      this.#beat()
      const { prefixes, position } = this.#request
      const from = position === '' ? undefined : position
      const iterator = served.stream(prefixes, from, signal)[Symbol.asyncIterator]()
      await this.#pass(iterator, signal)
      this.#end(new CallError(status.UNAVAILABLE, 'the server is closing'))
    } catch (error) {
      if (closing.aborted) this.#end(new CallError(status.UNAVAILABLE, 'the server is closing'))
      else this.#end(error)
    } finally {
      done()
      this.stop()
    }
  }

  async #pass(iterator: BatchIterator, signal: AbortSignal): Promise<void> {
    const { frames } = this.#context
    const cover = new WatchCover(this.#request.prefixes)
    try {
      for (;;) {
        let batch = iterator.poll?.()
        if (batch === undefined) {
          const next = await iterator.next()
          if (next.done === true) return
          batch = next.value
        }
        // Remote watchers answer nothing (datasync.md §5).
        if (batch.kind === 'changes') batch.receipt?.routed([])
        for (const frame of frames.of(batch, cover, this.#format)) {
          if (signal.aborted) return
          if (this.#outlet.full) await this.#outlet.room()
          this.#outlet.write(frame)
          if (++this.#written % FRAMES_PER_TURN === 0) await nextTurn()
        }
        if (signal.aborted) return
      }
    } finally {
      await iterator.return?.()
    }
  }

  #beat(): void {
    const { clock } = this.#context.served.io
    const frame = encodeMessage(watchEvent, { heartbeat: {} }, this.#format)
    const beat = (): void => {
      // Who has not taken the last one needs no other.
      if (!this.#outlet.waiting) this.#outlet.write(frame)
      this.#heartbeat = clock.after(this.#heartbeatMs, beat)
    }
    this.#heartbeat = clock.after(this.#heartbeatMs, beat)
  }

  #end(error: unknown): void {
    if (this.#gone) return
    this.#call.emit('error', this.#context.door.refusal(error))
  }
}
