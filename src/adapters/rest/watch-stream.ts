import { createParser } from 'eventsource-parser'
import { isSyncError, TransportUnavailableError } from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import type { Batch, Io, Position, RawChange, RawPair } from '../../api/transport.ts'
import { errorFrom } from '../../kit/failure.ts'
import type { Failure } from '../../kit/failure.ts'
import { lostError } from './errors.ts'
import type { HttpClient, HttpRequest } from './http.ts'
import type { RestSettings } from './options.ts'
import { decodeToken, encodeToken, EVENTS, fromBase64, SSE_TYPE } from './protocol.ts'
import type {
  WireBegin,
  WireChange,
  WireChanges,
  WireInfo,
  WirePair,
  WirePairs,
} from './protocol.ts'

/** A longer query goes as a body: servers and proxies take about 8 KiB of request line. */
const MAX_QUERY = 4_096
/** Above it the server is another one, or mad. */
const MAX_EVENT = 512 * 2 ** 20

/** One watch: batches as the served transport's stream yields them. It ends by throwing, or with the signal. */
export async function* watchStream(
  settings: RestSettings,
  http: HttpClient,
  prefixes: readonly string[],
  from: Position | undefined,
  io: Io,
  onInfo: (info: WireInfo) => void,
): AsyncGenerator<Batch, void, undefined> {
  const { name } = settings
  let end: (() => void) | undefined
  try {
    const opened = await http.open(requestOf(settings, prefixes, from), io)
    end = opened.end
    const { headers, body } = opened.response
    const type = headers.get('content-type') ?? ''
    if (!type.startsWith(SSE_TYPE) || body === null) {
      throw new TransportUnavailableError(name, `the server answers a watch with ${type}`)
    }
    const events = new EventFolder(name, from !== undefined, onInfo)
    const reader = body.getReader()
    const decoder = new TextDecoder()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new TransportUnavailableError(name, 'the server has ended the watch')
      yield* events.feed(decoder.decode(value, { stream: true }))
      if (events.failure !== undefined) throw events.failure
    }
  } catch (error) {
    if (io.signal.aborted) return
    throw isSyncError(error) ? error : lostError(name, error, 'not-applied')
  } finally {
    // Also when the consumer leaves: the server is to hear of it.
    end?.()
  }
}

function requestOf(
  { livenessMs }: RestSettings,
  prefixes: readonly string[],
  from: Position | undefined,
): HttpRequest {
  // Two may be lost before the watch is.
  const heartbeatMs = Math.max(50, Math.floor(livenessMs / 3))
  const headers: Record<string, string> = { accept: SSE_TYPE }
  if (from !== undefined) headers['last-event-id'] = encodeToken(from)
  const query = prefixes.map((prefix) => `prefix=${encodeURIComponent(prefix)}&`).join('')
  if (query.length <= MAX_QUERY && (headers['last-event-id']?.length ?? 0) <= MAX_QUERY) {
    return { method: 'GET', path: `/v1/watch?${query}heartbeatMs=${heartbeatMs}`, headers }
  }
  const body = { prefixes, ...(from === undefined ? {} : { lastEventId: encodeToken(from) }) }
  return {
    method: 'POST',
    path: `/v1/watch?heartbeatMs=${heartbeatMs}`,
    headers: { accept: SSE_TYPE, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
}

/** Folds server-sent events into batches; a transaction that comes in parts is put together. */
class EventFolder {
  /** Why the server has ended the watch, or what it said is not understood. */
  failure: SyncError | undefined
  readonly #name: string
  readonly #onInfo: (info: WireInfo) => void
  readonly #parser: ReturnType<typeof createParser>
  #batches: Batch[] = []
  /** A sign of life may be told: it would not be taken for the word that the position holds. */
  #telling: boolean
  #resumes: boolean
  #parts: RawChange[] = []

  constructor(name: string, resumes: boolean, onInfo: (info: WireInfo) => void) {
    this.#name = name
    this.#resumes = resumes
    this.#telling = !resumes
    this.#onInfo = onInfo
    this.#parser = createParser({
      maxBufferSize: MAX_EVENT,
      onEvent: ({ event, data, id }) => {
        if (this.failure !== undefined) return
        try {
          this.#take(event ?? '', data, id)
        } catch (cause) {
          this.failure = new TransportUnavailableError(name, 'the server sends what is no watch', {
            cause,
          })
        }
      },
      onError: (cause) => {
        if (cause.type !== 'max-buffer-size-exceeded') return
        this.failure = new TransportUnavailableError(name, 'an event is too large', { cause })
      },
    })
  }

  /** What the text completes; when it completes nothing, a sign of life. */
  feed(text: string): readonly Batch[] {
    this.#batches = []
    this.#parser.feed(text)
    if (this.#batches.length === 0 && this.#telling) return [{ kind: 'progress' }]
    return this.#batches
  }

  #take(event: string, data: string, id: string | undefined): void {
    const at = id === undefined || id === '' ? undefined : decodeToken(id)
    const position = at === undefined ? {} : { position: at }
    switch (event) {
      case EVENTS.info:
        this.#onInfo(JSON.parse(data) as WireInfo)
        return
      case EVENTS.begin: {
        // Of a transaction that does not go on: the list has it.
        this.#parts = []
        const { reason } = JSON.parse(data) as WireBegin
        if (reason === 'reconnected' || reason === 'compacted') {
          this.#batches.push({ kind: 'reset', reason })
        } else if (this.#resumes && reason === 'startup') {
          this.#batches.push({ kind: 'reset', reason: 'reconnected' })
        }
        this.#confirmed()
        return
      }
      case EVENTS.pairs: {
        const { pairs } = JSON.parse(data) as WirePairs
        this.#batches.push({ kind: 'pairs', pairs: pairs.map(rawPair) })
        return
      }
      case EVENTS.end:
        this.#batches.push({ kind: 'listed', ...position })
        return
      case EVENTS.changes: {
        const { changes, more } = JSON.parse(data) as WireChanges
        const all = changes.map(rawChange)
        if (more === true || this.#parts.length > 0)
          for (const change of all) this.#parts.push(change)
        if (more === true) return
        const whole = this.#parts.length > 0 ? this.#parts : all
        this.#parts = []
        this.#batches.push({ kind: 'changes', changes: whole, ...position })
        this.#confirmed()
        return
      }
      case EVENTS.progress:
        this.#batches.push({ kind: 'progress', ...position })
        this.#confirmed()
        return
      case EVENTS.closed: {
        const failure = JSON.parse(data) as Failure
        this.failure = errorFrom(failure, this.#name)
      }
      // Others may come with later versions.
    }
  }

  #confirmed(): void {
    this.#resumes = false
    this.#telling = true
  }
}

export function rawPair({ key, value, version, revision }: WirePair): RawPair {
  const bytes = typeof value === 'string' ? fromBase64(value) : undefined
  if (typeof key !== 'string' || bytes === undefined) throw new TypeError('a pair is broken')
  return { key, value: bytes, version: String(version), revision: Number(revision) }
}

function rawChange(change: WireChange): RawChange {
  if (change.type === 'put') return { type: 'put', pair: rawPair(change) }
  if (typeof change.key !== 'string') throw new TypeError('a change is broken')
  return { type: 'delete', key: change.key, revision: Number(change.revision) }
}
