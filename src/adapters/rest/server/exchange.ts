import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { targetOf } from '../../../serving/http-credentials.ts'
import { JSON_TYPE } from '../protocol.ts'
import { notLeft } from './body.ts'
import type { Body } from './body.ts'
import { HttpProblem } from './problem.ts'
import type { Caller } from './guard.ts'
import { Query } from './query.ts'

/** The system takes so many bytes at once: no client holds them up. */
const SMALL = 16_384

/** One request and its answer, for a caller that is known. */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly caller: Caller
  /** As it was sent, below the path that the router is mounted at. */
  readonly path: string
  readonly query: Query
  readonly #body: Body | undefined
  readonly #writeTimeoutMs: number

  /** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for a query that is malformed */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    {
      caller,
      body,
      writeTimeoutMs,
    }: { readonly caller: Caller; readonly body?: Body; readonly writeTimeoutMs: number },
  ) {
    this.request = request
    this.response = response
    this.caller = caller
    const { target } = targetOf(request.url)
    this.path = target.split('?', 1)[0] ?? ''
    this.query = new Query(target)
    this.#body = body
    this.#writeTimeoutMs = writeTimeoutMs
  }

  /** The whole of it; empty when there is none. */
  get body(): Uint8Array {
    return this.#body?.bytes ?? new Uint8Array()
  }

  /** The same, of what is stored as it is. @throws HttpProblem 500 when the application has made something else of it */
  get bytes(): Uint8Array {
    if (this.#body?.exact === false) throw notLeft()
    return this.body
  }

  /** In lower case, without parameters; undefined when the client does not say. */
  get contentType(): string | undefined {
    return this.request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  }

  /** @throws HttpProblem 415 */
  assertJsonBody(): void {
    if (this.contentType === JSON_TYPE) return
    throw new HttpProblem(415, 'UNSUPPORTED_MEDIA_TYPE', `the body has to be ${JSON_TYPE}`)
  }

  /** @throws HttpProblem 403 */
  assertMayRead(keyOrPrefix: string): void {
    if (this.caller.client.mayRead(keyOrPrefix)) return
    throw new HttpProblem(403, 'SYNC_ACCESS_DENIED', 'that is not served, or not for you to read')
  }

  /** @throws HttpProblem 403 */
  assertMayWrite(keyOrPrefix: string): void {
    if (this.caller.client.mayWrite(keyOrPrefix)) return
    throw new HttpProblem(
      403,
      'SYNC_ACCESS_DENIED',
      'that is not served, or not for you to write',
      {
        details: { outcome: 'not-applied' },
      },
    )
  }

  /** The first of the types, best first, that the client takes. @throws HttpProblem 406 */
  accepts(...types: readonly string[]): string {
    const found = preferred(this.request.headers.accept, types)
    if (found !== undefined) return found
    throw new HttpProblem(406, 'NOT_ACCEPTABLE', `available: ${types.join(', ')}`)
  }

  json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.send(status, JSON.stringify(body), JSON_TYPE, headers)
  }

  /** Without a body for HEAD. */
  send(
    status: number,
    body: string | Uint8Array,
    type: string,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    this.response.writeHead(status, {
      ...headers,
      'content-type': type,
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    if (body.length > SMALL) this.#boundTime()
    this.response.end(body)
  }

  /** JSON in pieces, no faster than the client takes them. */
  async sendPieces(
    pieces: Iterable<string>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { response } = this
    response.writeHead(200, {
      ...headers,
      'content-type': JSON_TYPE,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    this.#boundTime()
    for (const piece of pieces) {
      if (response.destroyed) return
      if (!response.write(piece)) await drained(response)
    }
    response.end()
  }

  /** A client that takes nothing of the answer for so long is cut off; Node sees one that is merely slow. */
  #boundTime(): void {
    this.response.setTimeout(this.#writeTimeoutMs, () => this.response.destroy())
  }
}

/** Resolves when what was written is taken, or the client is gone. */
export async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed || !response.writableNeedDrain) return
  const over = new AbortController()
  const { signal } = over
  try {
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })])
  } finally {
    over.abort()
  }
}

/** By quality, then by the order of the types (RFC 9110 §12.5.1). */
function preferred(header: string | undefined, types: readonly string[]): string | undefined {
  if (header === undefined || header.trim() === '') return types[0]
  const ranges = header.split(',').map((part) => {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    const q = parameters.find((text) => text.startsWith('q='))?.slice(2)
    return { range, quality: q === undefined ? 1 : Number(q) || 0 }
  })
  let best: { readonly type: string; readonly quality: number } | undefined
  for (const type of types) {
    const quality = qualityOf(type, ranges)
    if (quality > 0 && (best === undefined || quality > best.quality)) best = { type, quality }
  }
  return best?.type
}

/** The most specific range counts. */
function qualityOf(
  type: string,
  ranges: readonly { readonly range: string; readonly quality: number }[],
): number {
  for (const wanted of [type, `${type.split('/', 1)[0]}/*`, '*/*']) {
    const found = ranges.find(({ range }) => range === wanted)
    if (found !== undefined) return found.quality
  }
  return 0
}
