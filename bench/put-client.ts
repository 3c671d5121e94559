/**
 * The other side of B13, in a process of its own: PUTs over raw sockets with keep-alive, one request under way on each.
 * `node put-client.js <port> <path> <connections>`; a message with a number makes so many requests, `done` is the answer.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { VALUE_BYTES } from './workload.ts'

const [port, path, connections] = process.argv.slice(2) as [string, string, string]
const KEYS = 1_000

const requests = Array.from({ length: KEYS }, (_, i) => requestFor(i))
let left = 0
let underWay = 0

class Connection {
  readonly #socket: Socket
  #heard = ''

  constructor() {
    this.#socket = connect(Number(port), '127.0.0.1')
    this.#socket.setNoDelay(true)
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text: string) => this.#receive(text))
    this.#socket.on('error', fail)
  }

  next(): void {
    if (left === 0) return
    left--
    underWay++
    this.#socket.write(requests[left % KEYS] as Buffer)
  }

  #receive(text: string): void {
    this.#heard += text
    const end = this.#heard.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = Number(/content-length: (\d+)/iu.exec(this.#heard)?.[1] ?? 0)
    if (this.#heard.length < end + 4 + length) return
    if (!this.#heard.startsWith('HTTP/1.1 2')) fail(new Error(this.#heard))
    this.#heard = ''
    underWay--
    this.next()
    if (left === 0 && underWay === 0) process.send?.('done')
  }
}

const open = Array.from({ length: Number(connections) }, () => new Connection())

process.on('message', (count: number) => {
  left = count
  for (const connection of open) connection.next()
})
process.on('disconnect', () => process.exit())

function requestFor(i: number): Buffer {
  const key = encodeURIComponent(`/config/interfaces/eth${i}`)
  const head = [
    `PUT ${path}?key=${key} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/octet-stream',
    `content-length: ${VALUE_BYTES}`,
  ].join('\r\n')
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.alloc(VALUE_BYTES, i % 128)])
}

function fail(error: Error): void {
  console.error(error)
  process.exit(1)
}
