import type { ServerResponse } from 'node:http'

/** Bytes that a page may be behind, besides the state, before it is cut off; it comes back and begins anew. */
const BACKLOG = 1024 * 1024

/** Server-sent events to one page. Never holds more for it than {@link BACKLOG} and the longest of them twice. */
export class EventSink {
  readonly #response: ServerResponse
  readonly #gone = new AbortController()
  #longest = 0

  constructor(response: ServerResponse) {
    this.#response = response
    response.setHeader('Content-Type', 'text/event-stream; charset=utf-8')
    response.setHeader('Cache-Control', 'no-store, no-transform')
    // A proxy that collects what it passes on would show the past.
    response.setHeader('X-Accel-Buffering', 'no')
    response.on('close', () => this.#gone.abort())
    response.on('error', () => this.#gone.abort())
    response.flushHeaders()
  }

  /** Aborted when nobody listens any more. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /** The page takes less than it is sent. */
  get behind(): boolean {
    return this.#response.writableNeedDrain
  }

  send(event: string, json: string): void {
    if (this.#gone.signal.aborted) return
    // A state that is longer than that takes its time: who is cut off for it would get it again, and never be done.
    if (this.#response.writableLength > BACKLOG + this.#longest) {
      this.#response.destroy()
      return
    }
    this.#longest = Math.max(this.#longest, json.length)
    // JSON has no line ends of its own.
    this.#response.write(`event: ${event}\ndata: ${json}\n\n`)
  }

  end(): void {
    if (!this.#gone.signal.aborted) this.#response.end()
  }
}
