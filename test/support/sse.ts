import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { createParser } from 'eventsource-parser'
import { onTeardown } from './teardown.ts'
import { waitFor } from './wait-for.ts'

export interface SseEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: any // oxlint-disable-line typescript/no-explicit-any -- whatever a server said
}

/** A watch by `node:http`, read in the background. */
export interface SseReader {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly events: readonly SseEvent[]
  readonly comments: number
  /** Of what is no event stream. */
  readonly body: string
  readonly ended: boolean
  /** The id of the last event that had one. */
  readonly lastId: string | undefined
  /** What the events add up to: key to value as it came. */
  fold(): Map<string, unknown>
  until(event: string, count?: number): Promise<SseEvent>
  stop(): void
  /** Stops to take what comes. */
  pause(): void
}

export async function openSse(
  base: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SseReader> {
  const { hostname, port, pathname } = new URL(base)
  const path = `${pathname.replace(/\/$/u, '')}${target}`
  const sent = request({ host: hostname, port, path, headers, agent: false })
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject).end()
  })
  const events: SseEvent[] = []
  let comments = 0
  let ended = false
  let body = ''
  const parser = createParser({
    onEvent: ({ event = '', id, data }) => events.push({ event, id, data: JSON.parse(data) }),
    onComment: () => comments++,
  })
  const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true
  answer.setEncoding('utf8').on('data', (text: string) => {
    if (isStream) parser.feed(text)
    else body += text
  })
  answer.on('error', () => {}).once('close', () => (ended = true))
  const stop = (): void => {
    sent.destroy()
  }
  onTeardown(stop)
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    events,
    stop,
    get comments() {
      return comments
    },
    get body() {
      return body
    },
    get ended() {
      return ended
    },
    get lastId() {
      return events.findLast(({ id }) => id !== undefined)?.id
    },
    fold: () => foldOf(events),
    until: (event, count = 1) =>
      waitFor(() => events.filter((each) => each.event === event)[count - 1], {
        describe: () => `${event} number ${count}; ${events.map((each) => each.event).join(' ')}`,
      }),
    pause: () => {
      answer.pause()
    },
  }
}

/** As a client has to: a RESYNC counts when it is complete. */
export function foldOf(events: readonly SseEvent[]): Map<string, unknown> {
  let fold = new Map<string, unknown>()
  let staged = new Map<string, unknown>()
  for (const { event, data } of events) {
    if (event === 'resync-begin') staged = new Map()
    else if (event === 'pairs') for (const { key, value } of data.pairs) staged.set(key, value)
    else if (event === 'resync-end') fold = staged
    else if (event === 'changes') {
      for (const change of data.changes) {
        if (change.type === 'put') fold.set(change.key, change.value)
        else fold.delete(change.key)
      }
    }
  }
  return fold
}
