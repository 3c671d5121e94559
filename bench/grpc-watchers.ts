/**
 * 1 000 watchers of B15g, in a process of their own, on ten connections. `node grpc-watchers.js <port> <watchers>`; it says
 * `open` when all streams have listed, then after each message with a number, when every watcher has got so many more
 * changes, `done`. Messages are not decoded: what a client does with them is nobody's cost here.
 */
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { watchEvent, WATCH_PATH, watchRequest } from '../src/adapters/grpc/watch-schema.ts'

const [port, watchers] = process.argv.slice(2).map(Number) as [number, number]
const PER_CONNECTION = 100

let open = 0
/** Watchers that still miss changes of this round. */
let behind = 0
let target = 0
const seen = new Array<number>(watchers).fill(0)

process.on('message', (changes: number) => {
  target += changes
  behind = seen.filter((count) => count < target).length
  if (behind === 0) process.send?.('done')
})
process.on('disconnect', () => process.exit())

let client: Client | undefined
for (let i = 0; i < watchers; i++) {
  if (i % PER_CONNECTION === 0) {
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      // Else they would share one connection.
      'grpc.use_local_subchannel_pool': 1,
    })
  }
  if (client !== undefined) watch(client, i)
}

function watch(connection: Client, index: number): void {
  const call = connection.makeServerStreamRequest(
    WATCH_PATH,
    watchRequest.encode,
    (bytes: Buffer) => bytes,
    { prefixes: ['/config/'], position: '', heartbeatMs: 0 },
    new Metadata(),
  )
  let listed = false
  call.on('data', (bytes: Buffer) => {
    if (!listed) {
      if ((watchEvent.decode(bytes).listed ?? undefined) === undefined) return
      listed = true
      if (++open === watchers) process.send?.('open')
      return
    }
    const count = (seen[index] as number) + 1
    seen[index] = count
    if (count === target && --behind === 0) process.send?.('done')
  })
  call.on('error', (error) => {
    console.error(error)
    process.exit(1)
  })
}
