import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { openLink } from '../../support/link.ts'
import { waitFor } from '../../support/wait-for.ts'

/** A link passes on, at once, that a client has ended and then reset its connection; then there is nothing left to do. */
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {})
  const timer = setInterval(() => socket.write('unwanted'), 10)
  socket.once('close', () => clearInterval(timer))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const link = await openLink({ port: (server.address() as AddressInfo).port })

const client = connect({ port: link.port, host: link.host })
await once(client, 'data')
link.hold('up')
client.end()
await waitFor(() => link.connections === 0)
client.destroy()
// What the server still sends is answered by a reset, of which nobody outside of the link hears.
await setTimeout(300)
link.release('up')
await link.close()
server.close()
console.log('closed')
