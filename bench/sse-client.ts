/**
 * 1 000 watchers of B15, in a process of their own: raw sockets that count the events they get. `node sse-client.js <port>
 * <path> <watchers>`; it says `open` when all streams have begun, then after each message with a number, when every
 * watcher has got so many more events, `done`.
 */
import { connect } from 'node:net'

const [port, path, watchers] = process.argv.slice(2) as [string, string, string]
const MARK = Buffer.from('\nevent: changes\n')
const BEGUN = Buffer.from('\r\n\r\n')

let open = 0
/** Watchers that still miss events of this round. */
let behind = 0
let target = 0
const seen = new Array<number>(Number(watchers)).fill(0)

for (let i = 0; i < Number(watchers); i++) watch(i)

process.on('message', (events: number) => {
  target += events
  behind = seen.filter((count) => count < target).length
  if (behind === 0) process.send?.('done')
})
process.on('disconnect', () => process.exit())

function watch(index: number): void {
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n`)
  let begun = false
  // What may be the beginning of a mark.
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (!begun && data.includes(BEGUN)) {
      begun = true
      if (++open === Number(watchers)) process.send?.('open')
    }
    let from = 0
    for (;;) {
      const at = data.indexOf(MARK, from)
      if (at === -1) break
      from = at + MARK.length
      const count = (seen[index] as number) + 1
      seen[index] = count
      if (count === target && --behind === 0) process.send?.('done')
    }
    rest = data.subarray(Math.max(from, data.length - MARK.length + 1))
  })
  socket.on('error', (error) => {
    console.error(error)
    process.exit(1)
  })
}
