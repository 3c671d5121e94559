import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { expect, it } from '@jest/globals'
import { Listener } from '../../../../src/adapters/grpc/server/listener.ts'
import { freePort } from '../../../support/free-port.ts'
import { onTeardown } from '../../../support/teardown.ts'
import { waitFor } from '../../../support/wait-for.ts'

function closed(socket: Socket | undefined): Promise<void> {
  return new Promise((resolve) => socket?.once('close', () => resolve()))
}

it('a client that comes again from the same port is known, and cut at the end', async () => {
  const accepted: Socket[] = []
  const listener = new Listener(
    { maxConnections: 10, tls: undefined, handshakeTimeoutMs: 1_000 },
    (socket) => accepted.push(socket.resume()),
  )
  const { port } = await listener.listen('127.0.0.1', 0)
  const localPort = await freePort()
  const dial = async (): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port, localPort })
    socket.on('error', () => {})
    onTeardown(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  const first = await dial()
  await waitFor(() => accepted.length === 1)
  const gone = closed(accepted[0])
  first.resetAndDestroy()
  // The server hears of both in one turn.
  const second = await dial()
  await gone
  await waitFor(() => accepted.length === 2)
  expect(listener.connections).toBe(1)
  const ended = closed(second)
  await listener.destroy()
  await ended
  await waitFor(() => listener.connections === 0)
})
