import {
  AccessDeniedError,
  ClosedError,
  describeError,
  isSyncError,
  TimeoutError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { Io } from '../../api/transport.ts'
import { Calls } from '../../kit/call.ts'
import type { Call } from '../../kit/call.ts'
import { Fifo } from '../../kit/fifo.ts'
import { answeredError, lostError } from './errors.ts'
import type { RestSettings } from './options.ts'
import { PROBLEM_TYPE } from './protocol.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Below the base, with the query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** It changes something: when its answer is lost the outcome is unknown. */
  readonly write?: boolean
}

/** Under way at once; `fetch` would open a connection for each. Watches are not counted. */
const MAX_REQUESTS = 256

/** A request that waits for its turn. */
interface Waiter {
  gone: boolean
  begin: () => void
}

/** How far a request has come. */
interface Progress {
  sent: boolean
}

/** Sends requests of one transport, each once. */
export class HttpClient {
  readonly #settings: RestSettings
  readonly #calls = new Calls()
  readonly #open = new Set<Call>()
  readonly #waiting = new Fifo<Waiter>()
  #running = 0
  #closed = false

  constructor(settings: RestSettings) {
    this.#settings = settings
  }

  /**
   * The whole answer, as JSON, within a time.
   * @throws what the server's problem says, TransportUnavailableError and TimeoutError with `outcome`,
   * AccessDeniedError, ClosedError, the signal's reason
   */
  async json<T>(request: HttpRequest, io: Io, timeoutMs: number): Promise<T> {
    const call = this.#begin(io)
    const progress: Progress = { sent: false }
    const outOfTime = (): void => {
      const outcome = request.write === true && progress.sent ? 'unknown' : 'not-applied'
      call.abort(new TimeoutError(`${this.#settings.name}: the request`, timeoutMs, { outcome }))
    }
    const timer = io.clock.after(timeoutMs, outOfTime, { keepAlive: true })
    try {
      if (this.#running < MAX_REQUESTS) this.#running++
      else await this.#turn(request, call)
      try {
        const response = await this.#send(request, call, progress)
        const text = await this.#reading(request, call, () => response.text())
        return this.#parse<T>(request, text)
      } finally {
        this.#next()
      }
    } finally {
      timer.stop()
      this.#end(call, io)
    }
  }

  /** The answer, whose body may go on without end; `end` gives it up and has to be called. @throws likewise */
  async open(request: HttpRequest, io: Io): Promise<{ response: Response; end: () => void }> {
    const call = this.#begin(io)
    const end = (): void => {
      call.abort(new ClosedError('the request'))
      this.#end(call, io)
    }
    try {
      return { response: await this.#send(request, call), end }
    } catch (error) {
      end()
      throw error
    }
  }

  close(): void {
    this.#closed = true
    for (const call of this.#open) call.abort(new ClosedError(this.#settings.name))
  }

  /** Waits until one of the requests under way has ended. */
  async #turn(request: HttpRequest, call: Call): Promise<void> {
    const waiter: Waiter = { gone: false, begin: () => {} }
    const begun = new Promise<void>((resolve) => {
      waiter.begin = resolve
    })
    this.#waiting.push(waiter)
    try {
      await call.race(begun)
    } catch (error) {
      waiter.gone = true
      throw this.#lost(request, call, error)
    }
  }

  /** Its place goes to who waits. */
  #next(): void {
    for (;;) {
      const waiter = this.#waiting.shift()
      if (waiter === undefined) {
        this.#running--
        return
      }
      if (waiter.gone) continue
      waiter.begin()
      return
    }
  }

  async #send(
    request: HttpRequest,
    call: Call,
    progress: Progress = { sent: false },
  ): Promise<Response> {
    const { name, base } = this.#settings
    const { method, path, body } = request
    const credentials = await this.#credentials()
    this.#assertGoesOn(call)
    const init = {
      method,
      headers: {
        ...credentials,
        ...request.headers,
        ...(request.write === true ? { 'idempotency-key': newId() } : {}),
      },
      ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
      cache: 'no-store',
      // Followed, a write would be sent again, and the token to somebody else.
      redirect: 'manual',
      signal: call.signal,
    } as const
    let response: Response
    progress.sent = true
    try {
      response = await this.#settings.fetch(`${base}${path}`, init)
    } catch (error) {
      throw this.#lost(request, call, error)
    }
    if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
      await response.body?.cancel().catch(() => {})
      throw new AccessDeniedError(name, 'the server answers with a redirection; give its address')
    }
    // 202 with a problem: stored, but out of time.
    const problem = response.headers.get('content-type')?.startsWith(PROBLEM_TYPE) === true
    if (response.ok && !problem) return response
    throw await this.#reading(request, call, () =>
      answeredError(name, response, request.write === true),
    )
  }

  async #credentials(): Promise<Record<string, string>> {
    const { name } = this.#settings
    let headers: Record<string, string>
    try {
      headers = await this.#settings.headers()
    } catch (cause) {
      if (isSyncError(cause)) throw cause
      const problem = `no credentials: ${describeError(cause)}`
      throw new TransportUnavailableError(name, problem, { cause })
    }
    try {
      void new Headers(headers)
    } catch {
      // The cause names the token.
      const problem = 'the token or a header cannot be sent: it is no header text'
      throw new TransportUnavailableError(name, problem, { retryable: false })
    }
    return headers
  }

  #parse<T>({ write }: HttpRequest, text: string): T {
    try {
      return JSON.parse(text) as T
    } catch {
      // The cause would repeat what some other server says.
      throw new TransportUnavailableError(
        this.#settings.name,
        'the server answers what is no JSON',
        {
          outcome: write === true ? 'unknown' : 'not-applied',
        },
      )
    }
  }

  async #reading<T>(request: HttpRequest, call: Call, read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      throw this.#lost(request, call, error)
    }
  }

  #lost(request: HttpRequest, call: Call, error: unknown): unknown {
    try {
      call.throwIfAborted()
    } catch (reason) {
      // Of the agent that closes it is an AbortError.
      return isSyncError(reason) ? reason : new ClosedError(this.#settings.name, { cause: reason })
    }
    const whenSent = request.write === true ? 'unknown' : 'not-applied'
    return lostError(this.#settings.name, error, whenSent)
  }

  #assertGoesOn(call: Call): void {
    if (call.signal.aborted) throw this.#lost({ method: 'GET', path: '' }, call, undefined)
  }

  #begin(io: Io): Call {
    if (this.#closed) throw new ClosedError(this.#settings.name)
    const call = this.#calls.begin(io.signal)
    this.#open.add(call)
    return call
  }

  #end(call: Call, io: Io): void {
    this.#open.delete(call)
    this.#calls.release(call, io.signal)
  }
}

/** Names one write, which a browser may send twice when a connection that it had kept turns out dead. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-')
}
