import { request as send } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
  /** Undefined when it is no JSON. */
  readonly json: any // oxlint-disable-line typescript/no-explicit-any -- whatever a server said
}

export interface HttpCall {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** One request by `node:http`, whose target goes out exactly as it is written. */
export function http(base: string, target: string, call: HttpCall = {}): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body } = call
  const { hostname, port, pathname } = new URL(base)
  const path = `${pathname.replace(/\/$/u, '')}${target}`
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const sent = send(
      { host: hostname, port, path, method, headers: { ...length, ...headers }, agent: false },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.once('error', reject)
        answer.once('end', () => {
          const all = Buffer.concat(chunks)
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: all,
            text: all.toString(),
            json: parsed(all.toString()),
          })
        })
      },
    )
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Bytes on a socket of their own; what came until the server ended it. */
export function rawHttp(base: string, bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Reset after its answer: what was still on the way is not read.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve(text)
      else reject(error)
    })
    socket.once('close', () => resolve(text))
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
