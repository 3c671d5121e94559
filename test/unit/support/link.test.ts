import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { openLink } from '../../support/link.ts'
import type { Link } from '../../support/link.ts'
import { spawnNode } from '../../support/spawn-node.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

/** Answers every line with `<line>!`; keeps what it got. */
async function lineServer(): Promise<{
  port: number
  got: string[]
  sockets: Set<Socket>
  ends: number
}> {
  const state = { port: 0, got: [] as string[], sockets: new Set<Socket>(), ends: 0 }
  const server = createServer((socket) => {
    state.sockets.add(socket)
    let rest = ''
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      rest += bytes.toString()
      if (!bytes.includes('\n')) return
      for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
        const line = rest.slice(0, at)
        rest = rest.slice(at + 1)
        state.got.push(line)
        socket.write(`${line}!\n`)
      }
    })
    socket.once('end', () => state.ends++)
    socket.once('close', () => state.sockets.delete(socket))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTeardown(() => {
    for (const socket of state.sockets) socket.destroy()
    server.close()
  })
  state.port = (server.address() as AddressInfo).port
  return state
}

interface Client {
  readonly socket: Socket
  readonly text: string
  readonly closed: boolean
  readonly code: string | undefined
  send(text: string): void
}

async function client(link: Link): Promise<Client> {
  const socket = connect({ host: link.host, port: link.port, noDelay: true })
  const state = { text: '', closed: false, code: undefined as string | undefined }
  socket.setEncoding('utf8').on('data', (text: unknown) => {
    state.text += String(text)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    state.code = error.code
  })
  socket.once('close', () => {
    state.closed = true
  })
  onTeardown(() => socket.destroy())
  await waitFor(() => !socket.connecting)
  return Object.defineProperties(
    { socket, send: (text: string) => socket.write(text) },
    {
      text: { get: () => state.text },
      closed: { get: () => state.closed },
      code: { get: () => state.code },
    },
  ) as unknown as Client
}

async function setUp() {
  const server = await lineServer()
  const link = await openLink({ host: '127.0.0.1', port: server.port })
  return { server, link, open: () => client(link) }
}

describe('openLink', () => {
  it('passes bytes both ways and counts connections', async () => {
    const { link, open } = await setUp()
    const a = await open()
    const b = await open()
    a.send('one\n')
    b.send('two\nthree\n')
    await waitFor(() => a.text === 'one!\n' && b.text === 'two!\nthree!\n')
    expect([link.connections, link.totalConnections]).toEqual([2, 2])
    expect(link.url('redis')).toBe(`redis://127.0.0.1:${link.port}`)
    a.socket.end()
    await waitFor(() => link.connections === 1 && a.closed)
    expect(link.totalConnections).toBe(2)
  })

  it('passes ends of connections on, from either side', async () => {
    const { server, open } = await setUp()
    const a = await open()
    await waitFor(() => server.sockets.size === 1)
    a.socket.end('last\n')
    await waitFor(() => server.ends === 1 && a.text === 'last!\n' && a.closed)
    const b = await open()
    await waitFor(() => server.sockets.size === 1)
    for (const socket of server.sockets) socket.end('bye')
    await waitFor(() => b.text === 'bye' && b.closed)
  })

  it('carries more than any buffer holds', async () => {
    const { open } = await setUp()
    const a = await open()
    const line = 'x'.repeat(20 * 2 ** 20)
    a.send(`${line}\n`)
    await waitFor(() => a.text.length === line.length + 2)
    expect(a.text === `${line}!\n`).toBe(true)
  })

  it('cut destroys connections and refuses new ones until restore, on the same port', async () => {
    const { link, open, server } = await setUp()
    const a = await open()
    const { port } = link
    await waitFor(() => server.sockets.size === 1)
    await link.cut()
    await waitFor(() => a.closed && server.sockets.size === 0)
    const refused = await open()
    await waitFor(() => refused.closed)
    expect(refused.code).toBe('ECONNREFUSED')
    expect([link.connections, link.totalConnections]).toEqual([0, 1])
    await link.restore()
    expect(link.port).toBe(port)
    const b = await open()
    b.send('again\n')
    await waitFor(() => b.text === 'again!\n')
  })

  it('drop destroys what is there and accepts at once', async () => {
    const { link, open } = await setUp()
    const a = await open()
    a.send('1\n')
    await waitFor(() => a.text === '1!\n')
    link.drop()
    await waitFor(() => a.closed)
    const b = await open()
    b.send('2\n')
    await waitFor(() => b.text === '2!\n')
  })

  it.each(['up', 'down', 'both'] as const)(
    'hold %s keeps sockets open; release delivers',
    async (direction) => {
      const { link, open, server } = await setUp()
      const a = await open()
      const before = await open()
      link.hold(direction)
      a.send('held\n')
      const other = await openLink({ port: server.port })
      const marker = await client(other)
      if (direction === 'down') await waitFor(() => server.got.includes('held'))
      marker.send('marker\n')
      await waitFor(() => marker.text === 'marker!\n')
      expect(server.got.includes('held')).toBe(direction === 'down')
      expect([a.text, a.closed, before.closed, link.connections]).toEqual(['', false, false, 2])
      const late = await open()
      late.send('late\n')
      link.release()
      await waitFor(() => a.text === 'held!\n' && late.text === 'late!\n')
    },
  )

  it('hides the end of a connection while it is held, but sees that the client has gone', async () => {
    const { link, open, server } = await setUp()
    const a = await open()
    a.send('1\n')
    await waitFor(() => a.text === '1!\n')
    link.hold()
    a.socket.destroy()
    await waitFor(() => link.connections === 0)
    expect([server.ends, server.sockets.size]).toEqual([0, 1])
    link.release()
    await waitFor(() => server.sockets.size === 0)
  })

  it('lets the client feel a full line while held', async () => {
    const { link, open, server } = await setUp()
    const a = await open()
    link.hold('up')
    const chunk = Buffer.alloc(2 ** 20, 'x')
    for (let i = 0; i < 64; i++) a.socket.write(chunk)
    const other = await openLink({ port: server.port })
    const marker = await client(other)
    for (let i = 0; i < 50; i++) {
      marker.send(`${i}\n`)
      await waitFor(() => marker.text.endsWith(`${i}!\n`))
    }
    expect(a.socket.writableLength).toBeGreaterThan(2 ** 20)
  })

  it('delay makes every chunk late, in order', async () => {
    const { link, open } = await setUp()
    const a = await open()
    link.delay(40)
    const start = performance.now()
    a.send('1\n')
    a.send('2\n')
    await waitFor(() => a.text === '1!\n2!\n')
    expect(performance.now() - start).toBeGreaterThanOrEqual(79)
    link.delay(0)
    a.send('3\n')
    await waitFor(() => a.text.endsWith('3!\n'))
  })

  it('trickle passes a few bytes at a time', async () => {
    const { link, open } = await setUp()
    const a = await open()
    link.trickle(1, 2, 'down')
    const seen = new Set<number>()
    a.socket.on('data', (text) => seen.add(text.length))
    a.send('abcdefgh\n')
    await waitFor(() => a.text === 'abcdefgh!\n')
    expect(Math.max(...seen)).toBeLessThan(10)
    link.trickle(Infinity)
    a.send(`${'y'.repeat(10_000)}\n`)
    await waitFor(() => a.text.length === 10 + 10_002)
  })

  it('drops the client when the server is not there', async () => {
    const link = await openLink({ port: 1 })
    const a = await client(link)
    await waitFor(() => a.closed)
    expect(a.text).toBe('')
  })

  it('close ends everything, twice', async () => {
    const { link, open } = await setUp()
    const a = await open()
    link.hold()
    await link.close()
    await link.close()
    await waitFor(() => a.closed)
  })
})

describe('hooks of a link', () => {
  it('onUpstream: the server got it, the answer stays away', async () => {
    const { link, open, server } = await setUp()
    const a = await open()
    const hook = link.onUpstream('SET', () => link.cut())
    a.send('GET\n')
    await waitFor(() => a.text === 'GET!\n')
    a.send('SET x\n')
    await hook.matched
    await waitFor(() => a.closed && server.got.includes('SET x'))
    expect([a.text, hook.count]).toEqual(['GET!\n', 1])
  })

  it('finds a pattern across chunks, and bytes beyond ASCII', async () => {
    const { link, open, server } = await setUp()
    const a = await open()
    const hook = link.onUpstream('né😀', (connection) => connection.drop())
    const bytes = Buffer.from('né😀\n')
    for (let i = 0; i < bytes.length; i++) {
      a.socket.write(bytes.subarray(i, i + 1))
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    expect((await hook.matched).number).toBe(1)
    await waitFor(() => a.closed)
    expect(server.got).toEqual([])
  })

  it('at before: the match is not passed on, what stood before it is', async () => {
    const { link, open, server } = await setUp()
    const a = await open()
    const hook = link.onUpstream('SET', (connection) => connection.drop(), { at: 'before' })
    a.send('GET\nSET x\n')
    await hook.matched
    await waitFor(() => a.closed && server.sockets.size === 0)
    expect(server.got).toEqual(['GET'])
  })

  it('at before: goes on when the action leaves the connection alone', async () => {
    const { link, open } = await setUp()
    const a = await open()
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const hook = link.onUpstream('b', () => gate, { at: 'before', times: 2 })
    a.send('a\nb\nc\nb\nb\n')
    await waitFor(() => hook.count === 1)
    release()
    await waitFor(() => a.text === 'a!\nb!\nc!\nb!\nb!\n')
    expect(hook.count).toBe(2)
  })

  it('at answered: the server has answered, the client does not know', async () => {
    const { link, open, server } = await setUp()
    const a = await open()
    const hook = link.onUpstream(/set/iu, (connection) => connection.drop(), { at: 'answered' })
    a.send('1\n')
    await waitFor(() => a.text === '1!\n')
    a.send('SET x\n')
    await hook.matched
    expect(server.got).toEqual(['1', 'SET x'])
    await waitFor(() => a.closed)
    expect(a.text).toBe('1!\n')
  })

  it('onDownstream: stops what the server says, before or after', async () => {
    const { link, open } = await setUp()
    const a = await open()
    link.onDownstream('two!', (connection) => connection.drop())
    a.send('one\ntwo\n')
    await waitFor(() => a.closed)
    expect(a.text.startsWith('one!\n') && !a.text.includes('two!')).toBe(true)
    const b = await open()
    const sent = link.onDownstream('two!', () => link.hold('up'), { at: 'sent' })
    b.send('one\ntwo\n')
    await sent.matched
    await waitFor(() => b.text === 'one!\ntwo!\n')
    b.send('three\n')
    link.release()
    await waitFor(() => b.text.endsWith('three!\n'))
  })

  it('lets the process exit also when a reset follows an end at once', async () => {
    const program = spawnNode('test/unit/support/link-exit.program.ts')
    expect(await program.nextLine()).toBe('closed')
    const late = setTimeout(() => void program.kill(), 5_000)
    expect(await program.exited).toBe(0)
    clearTimeout(late)
  })

  it('a removed hook does nothing; a failing action is told at close', async () => {
    const { link, open } = await setUp()
    const a = await open()
    link.onUpstream('x', (connection) => connection.drop()).remove()
    const failing = link.onUpstream('x', () => {
      throw new Error('broken action')
    })
    a.send('x\n')
    await failing.matched
    await waitFor(() => a.text === 'x!\n')
    await expect(link.close()).rejects.toThrow('actions of a link failed')
  })
})
