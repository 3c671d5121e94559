import { createParser } from 'eventsource-parser'
import type { EventSourceMessage } from 'eventsource-parser'
import { call, ProblemError, textOf } from './api.ts'

/** The server says something every two seconds. */
const SILENCE_MS = 6_000
const BACKOFF = { baseMs: 500, capMs: 10_000 }

/** What is to be told beside the state: the changes under a prefix. */
export interface Watched {
  readonly transport: string
  readonly prefix: string
}

export interface LinkListener {
  opened(): void
  event(name: string, json: string): void
  /** Nothing is heard any more; the next attempt is made at `retryAt`. */
  lost(why: string, retryAt: number): void
  /** Credentials are needed, or not enough. */
  denied(why: string, status: number): void
}

/** The one stream from the agent. It mends itself until it is stopped, or somebody has to sign in. */
export class Link {
  readonly #listener: LinkListener
  #watched: Watched | undefined
  #attempt: AbortController | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #failures = 0

  constructor(listener: LinkListener) {
    this.#listener = listener
  }

  /** Begins anew, at once. */
  connect(): void {
    clearTimeout(this.#retry)
    this.#attempt?.abort()
    const attempt = new AbortController()
    this.#attempt = attempt
    void this.#run(attempt)
  }

  /** Asks for other changes, or none. */
  watch(watched: Watched | undefined): void {
    if (
      this.#watched?.prefix === watched?.prefix &&
      this.#watched?.transport === watched?.transport
    )
      return
    this.#watched = watched
    // Otherwise the next attempt asks for them.
    if (this.#attempt !== undefined) this.connect()
  }

  async #run(attempt: AbortController): Promise<void> {
    const { signal } = attempt
    let why = 'the connection ended'
    let silence: ReturnType<typeof setTimeout> | undefined
    const heard = (): void => {
      clearTimeout(silence)
      silence = setTimeout(() => {
        why = 'the agent is silent'
        attempt.abort()
        this.#failed(attempt, why)
      }, SILENCE_MS)
    }
    try {
      heard()
      const response = await call(`events${this.#query()}`, { signal })
      const parser = createParser({
        onEvent: (message: EventSourceMessage) => {
          if (this.#attempt !== attempt) return
          this.#failures = 0
          this.#listener.event(message.event ?? 'message', message.data)
        },
      })
      this.#listener.opened()
      const reader = (response.body as ReadableStream<Uint8Array>).getReader()
      const decoder = new TextDecoder()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        heard()
        parser.feed(decoder.decode(value, { stream: true }))
      }
    } catch (error) {
      if (error instanceof ProblemError && [401, 403, 429].includes(error.problem.status)) {
        if (this.#attempt !== attempt) return
        this.#attempt = undefined
        this.#listener.denied(error.message, error.problem.status)
        return
      }
      why = textOf(error)
    } finally {
      clearTimeout(silence)
    }
    this.#failed(attempt, why)
  }

  #failed(attempt: AbortController, why: string): void {
    // It was replaced, or has been told already.
    if (this.#attempt !== attempt) return
    this.#attempt = undefined
    const ceiling = Math.min(BACKOFF.capMs, BACKOFF.baseMs * 2 ** Math.min(this.#failures++, 10))
    // Many pages may wait for the same agent.
    const delay = ceiling * (0.5 + Math.random() / 2)
    this.#listener.lost(why, Date.now() + delay)
    this.#retry = setTimeout(() => this.connect(), delay)
  }

  #query(): string {
    if (this.#watched === undefined) return ''
    const { transport, prefix } = this.#watched
    return `?${new URLSearchParams({ transport, changes: prefix })}`
  }
}
