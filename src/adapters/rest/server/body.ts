import type { IncomingMessage } from 'node:http'
import { ClosedError } from '../../../api/errors.ts'
import { HttpProblem } from './problem.ts'

/**
 * The whole body. One that is too large is refused at its announcement or at the byte that is too much: Express's
 * parsers read it to its end first.
 * @throws HttpProblem 413, 415
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  const parsed: unknown = (request as { body?: unknown }).body
  // A parser of the application came before.
  if (parsed !== undefined && request.readableEnded) {
    const body = bytesOf(parsed)
    if (body.length > limit) throw tooLarge(body.length, limit)
    return body
  }
  const {
    'content-length': length = '0',
    'content-encoding': encoding = 'identity',
    'transfer-encoding': transfer = 'chunked',
  } = request.headers
  if (encoding.toLowerCase() !== 'identity' || transfer.toLowerCase() !== 'chunked') {
    throw new HttpProblem(
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      'bodies are taken without content-encoding and transfer-encoding',
    )
  }
  if (Number(length) > limit) throw tooLarge(Number(length), limit)
  // While the application looked at it: nothing is told of it any more.
  if (request.destroyed && !request.readableEnded) throw new ClosedError('the connection')
  if (length === '0' && request.headers['transfer-encoding'] === undefined) return new Uint8Array()
  return collect(request, limit)
}

/** By events: an iterator costs more than the rest of a small request. */
function collect(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const done = (): void => {
      request.off('data', take).off('end', end).off('close', gone).off('error', fail)
    }
    const take = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size > limit) fail(tooLarge(size, limit))
    }
    const end = (): void => {
      done()
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
    }
    const fail = (error: unknown): void => {
      done()
      reject(error)
    }
    const gone = (): void => fail(new ClosedError('the connection'))
    request.on('data', take).on('end', end).on('close', gone).on('error', fail)
  })
}

function tooLarge(size: number, limit: number): HttpProblem {
  return new HttpProblem(413, 'SYNC_PAYLOAD_TOO_LARGE', `the body is larger than ${limit} bytes`, {
    details: { size, limit, outcome: 'not-applied' },
  })
}

function bytesOf(parsed: unknown): Uint8Array {
  if (parsed instanceof Uint8Array) return parsed
  return Buffer.from(typeof parsed === 'string' ? parsed : JSON.stringify(parsed))
}
