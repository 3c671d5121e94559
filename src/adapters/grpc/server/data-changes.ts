import { status } from '@grpc/grpc-js'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { AccessDeniedError, InvalidOptionError } from '../../../api/errors.ts'
import type { CommitOptions, Op } from '../../../api/transport.ts'
import { OrderedWindow } from '../../../kit/ordered-window.ts'
import type { Client } from '../../../serving/access.ts'
import { dataChangeReply, dataChangeRequest, PUT_DEL } from '../datamsg-schema.ts'
import type { DataChangeReply, DataChangeRequest } from '../datamsg-schema.ts'
import { statusOf } from '../status-codes.ts'
import type { Contents } from './content.ts'
import type { Context } from './context.ts'
import { KeyLanes } from './key-lanes.ts'
import { Outlet } from './outlet.ts'
import { CallError, decodeMessage, encodeMessage, formatOf, jsonHeaders } from './wire.ts'
import type { Format } from './wire.ts'

/** Requests under way per stream, in bytes; then reading stops. */
const IN_FLIGHT_BYTES = 16 * 2 ** 20

interface Request {
  readonly change: DataChangeRequest
  readonly format: Format
  /** Of the whole message: keys may be as long as contents. */
  readonly bytes: number
}

interface Reply {
  readonly reply: DataChangeReply
  readonly format: Format
  readonly bytes: number
}

/**
 * One dataChanges stream: a reply for each request, in the order of the requests, when all who watch the key have said
 * done. What fails is a reply, too; only what is no request ends the stream, behind the replies to those before it. Several
 * requests may be under way, those of one key one after the other; beyond the bounds nothing is read, and the client is
 * stopped by flow control.
 */
export class DataChangesStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>
  readonly #context: Context
  readonly #client: Client
  readonly #options: CommitOptions
  readonly #window: OrderedWindow<Request, Reply>
  readonly #outlet: Outlet
  readonly #lanes = new KeyLanes()
  #bytes = 0
  #inputEnded = false
  #paused = false
  #over = false
  #headersSent = false
  /** Nothing more is taken; with this it ends once all that was taken is replied to. */
  #failure: { readonly error: unknown } | undefined

  constructor(call: ServerDuplexStream<Buffer, Buffer>, context: Context, client: Client) {
    const { settings, served } = context
    this.#call = call
    this.#context = context
    this.#client = client
    this.#options = {
      waitFor: served.capabilities.waitForApplied ? 'applied' : 'stored',
      timeoutMs: settings.appliedTimeoutMs,
    }
    this.#window = new OrderedWindow<Request, Reply>({
      window: settings.maxInFlight,
      queueLimit: Infinity,
      run: (request, done) => this.#run(request, done),
      // The queue has no limit of its own: nothing is read once the window is full.
      overflow: (request) => this.#replyTo(request, status.RESOURCE_EXHAUSTED),
      emit: (reply) => this.#emit(reply),
    })
    this.#outlet = new Outlet(call, {
      clock: served.io.clock,
      writeTimeoutMs: settings.writeTimeoutMs,
      onStuck: () => context.cut(call),
    })
    call.on('data', (bytes: Buffer) => this.#take(bytes))
    call.on('end', () => {
      this.#inputEnded = true
      this.#finish()
    })
    call.on('cancelled', () => this.stop())
  }

  /** The client is gone: what is under way goes on, nobody is told. */
  stop(): void {
    this.#over = true
    this.#window.stop()
    this.#outlet.close()
  }

  /** The server closes: what is under way is replied to, nothing more is taken. */
  close(): void {
    // Of a client that sends nothing more all is taken.
    if (this.#inputEnded) return
    this.#endWith(new CallError(status.UNAVAILABLE, 'the server is closing'))
  }

  #endWith(error: unknown): void {
    if (this.#over || this.#failure !== undefined) return
    this.#failure = { error }
    this.#call.pause()
    this.#finish()
  }

  #take(bytes: Buffer): void {
    if (this.#over || this.#failure !== undefined) return
    let request: Request
    try {
      const format = formatOf(bytes)
      request = {
        change: decodeMessage(dataChangeRequest, bytes, format),
        format,
        bytes: bytes.length,
      }
    } catch (error) {
      // Without a key there is nothing to reply to; those before it have their replies all the same.
      this.#endWith(error)
      return
    }
    if (request.format === 'json' && !this.#headersSent) this.#call.sendMetadata(jsonHeaders())
    this.#headersSent = true
    this.#bytes += request.bytes
    this.#window.offer(request)
    this.#regulate()
  }

  /** Reads on, or does not. */
  #regulate(): void {
    const stop =
      this.#failure !== undefined ||
      this.#window.full ||
      this.#bytes >= IN_FLIGHT_BYTES ||
      this.#outlet.full
    if (stop === this.#paused) return
    this.#paused = stop
    if (!stop) this.#call.resume()
    else {
      this.#call.pause()
      if (this.#outlet.full) void this.#outlet.room().then(() => this.#regulate())
    }
  }

  #run(request: Request, done: (reply: Reply) => void): void {
    this.#lanes.run(request.change.key, (left) => {
      this.#commit(request.change).then(
        () => {
          left()
          done(this.#replyTo(request, status.OK))
        },
        (error: unknown) => {
          left()
          done(this.#replyTo(request, statusOf(error)))
        },
      )
    })
  }

  // Not async: there are many.
  #commit(change: DataChangeRequest): Promise<unknown> {
    const { served, contents } = this.#context
    try {
      if (!this.#client.mayWrite(change.key)) {
        throw new AccessDeniedError(served.transport, 'the key may not be written')
      }
      return served.commit([opOf(change, contents)], this.#options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #replyTo({ change, format, bytes }: Request, result: number): Reply {
    const { key, operationType } = change
    return { reply: { key, operationType, result }, format, bytes }
  }

  #emit({ reply, format, bytes }: Reply): void {
    this.#bytes -= bytes
    this.#outlet.write(encodeMessage(dataChangeReply, reply, format))
    if (this.#paused) this.#regulate()
    this.#finish()
  }

  #finish(): void {
    if (this.#over || this.#window.open > 0) return
    if (this.#failure !== undefined) {
      this.stop()
      this.#call.emit('error', this.#context.door.refusal(this.#failure.error))
    } else if (this.#inputEnded) {
      this.#over = true
      this.#call.end()
    }
  }
}

/** @throws InvalidOptionError for an operation of no known kind, which is no put; what {@link Contents.valueOf} does */
function opOf(
  { key, operationType, content, content_type: contentType }: DataChangeRequest,
  contents: Contents,
): Op {
  switch (operationType) {
    case PUT_DEL.put:
      return { type: 'put', key, value: contents.valueOf(key, content, contentType) }
    case PUT_DEL.delete:
      return { type: 'delete', key }
    default:
      throw new InvalidOptionError('operationType', `${operationType} is no known operation`)
  }
}
