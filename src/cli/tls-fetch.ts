import { Agent, request } from 'node:https'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { ConnectionOptions } from 'node:tls'

/** `fetch` by `node:https`, with authorities and a certificate of our own: the global one takes none. */
export function tlsFetch(tls: ConnectionOptions): typeof fetch {
  const agent = new Agent({ ...tls, keepAlive: true })
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const { method = 'GET', headers, body, signal } = init
      const sent = request(
        new URL(input instanceof Request ? input.url : input),
        {
          agent,
          method,
          headers: Object.fromEntries(new Headers(headers)),
          ...(signal === null || signal === undefined ? {} : { signal }),
        },
        (answer) => {
          const { statusCode: status = 0, statusMessage: statusText = '' } = answer
          const known = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
            values.map((value): [string, string] => [name, value]),
          )
          const empty = status === 204 || status === 304
          if (empty) answer.resume()
          const stream = Readable.toWeb(answer) as ReadableStream<Uint8Array<ArrayBuffer>>
          resolve(new Response(empty ? null : stream, { status, statusText, headers: known }))
        },
      )
      sent.once('error', reject)
      sent.end(body as string | Uint8Array | undefined)
    })
}
