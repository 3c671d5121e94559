import type { IncomingMessage } from 'node:http'
import { ClosedError } from '../../../api/errors.ts'
import { HttpProblem } from './problem.ts'

export interface Body {
  readonly bytes: Uint8Array
  /** It is what was sent, byte for byte: no parser of the application has made something else of it. */
  readonly exact: boolean
}

const NONE: Body = { bytes: new Uint8Array(), exact: true }

/**
 * The whole body. One that is too large is refused at its announcement or at the byte that is too much: Express's
 * parsers read it to its end first.
 * @throws HttpProblem 413, 415; 500 when the application has read it and not left it
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Body> {
  const {
    'content-length': length,
    'content-encoding': encoding = 'identity',
    'transfer-encoding': transfer,
  } = request.headers
  // While the application looked at it: nothing is told of it any more.
  if (request.destroyed && !request.readableEnded) throw new ClosedError('the connection')
  if (length === '0' || (length === undefined && transfer === undefined)) return NONE
  // The application came before.
  if (request.readableEnded) return parsedBody(request, limit)
  if (
    encoding.toLowerCase() !== 'identity' ||
    (transfer ?? 'chunked').toLowerCase() !== 'chunked'
  ) {
    throw new HttpProblem(
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      'bodies are taken without content-encoding and transfer-encoding',
    )
  }
  if (Number(length) > limit) throw tooLarge(Number(length), limit)
  return { bytes: await collect(request, limit), exact: true }
}

function parsedBody(request: IncomingMessage, limit: number): Body {
  const { body: parsed } = request as { readonly body?: unknown }
  const { 'content-length': length } = request.headers
  if (parsed === undefined) throw notLeft()
  const bytes = bytesOf(parsed)
  if (bytes.length > limit) throw tooLarge(bytes.length, limit)
  if (parsed instanceof Uint8Array) return { bytes, exact: true }
  // What is no UTF-8 becomes U+FFFD, and a mark of byte order is left out.
  const whole = length === undefined || Number(length) === bytes.length
  return { bytes, exact: typeof parsed === 'string' && whole && !parsed.includes('\uFFFD') }
}

/** The application has read a body, and what it has left is not that body. */
export function notLeft(): HttpProblem {
  const detail = 'the application has read the body before: let it do so behind this router'
  return new HttpProblem(500, 'SYNC_INVALID_OPTION', detail, {
    details: { outcome: 'not-applied' },
  })
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
