import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { onTeardown } from './teardown.ts'

/** A message as gRPC frames it. */
export function frame(message: string | Uint8Array): Buffer {
  const body = Buffer.from(message as string)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

/** One call, frame by frame: what a program without any gRPC library sees. */
export interface RawCall {
  readonly stream: ClientHttp2Stream
  /** Messages that have come so far. */
  readonly messages: readonly Buffer[]
  /** Resolves at the end: headers and trailers together. */
  readonly ended: Promise<IncomingHttpHeaders>
}

/** A connection without TLS; it is closed when the test file is over. */
export function rawSession(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {}) // seen by the streams
  onTeardown(() => session.destroy())
  return session
}

/** Headers as grpc-go sends them; `type` is the content type. */
export function rawCall(
  session: ClientHttp2Session,
  path: string,
  type = 'application/grpc',
  headers: Record<string, string> = {},
): RawCall {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': type,
    te: 'trailers',
    'user-agent': 'grpc-go/1.26.0',
    ...headers,
  })
  const messages: Buffer[] = []
  let rest: Buffer = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1)
      messages.push(rest.subarray(5, end))
      rest = rest.subarray(end)
    }
  })
  const ended = new Promise<IncomingHttpHeaders>((resolve, reject) => {
    let all: IncomingHttpHeaders = {}
    stream.on('response', (received) => {
      all = { ...all, ...received }
    })
    stream.on('trailers', (received) => {
      all = { ...all, ...received }
    })
    stream.on('error', reject)
    stream.on('close', () => resolve(all))
  })
  ended.catch(() => {})
  return { stream, messages, ended }
}
