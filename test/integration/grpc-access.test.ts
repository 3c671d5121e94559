import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { dataMsgClient, grpc } from '../../src/adapters/grpc/index.ts'
import type { GrpcOptions } from '../../src/adapters/grpc/index.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { Agent, memory, raw } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { makeAuthority } from '../support/certificates.ts'
import type { Authority, KeyPair } from '../support/certificates.ts'
import { serveAgent } from '../support/grpc.ts'
import type { ServedAgent } from '../support/grpc.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, probeStream, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const READER = 'reader-token-0123456789'
const WRITER = 'writer-token-0123456789'
const ACCESS = [
  { name: 'reader', token: READER, read: ['/a/'] },
  { name: 'writer', token: WRITER, read: ['/'], write: ['/a/w/'] },
] as const

function open(transport: Transport): Transport {
  onTeardown(() => transport.close())
  return transport
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: Error & { code?: string }) => error.code ?? error.message,
  )
}

describe('tokens and prefixes', () => {
  let served: ServedAgent
  const client = (token?: string | (() => string)): Transport =>
    open(served.client(token === undefined ? {} : { token }))

  beforeAll(async () => {
    served = await serveAgent({}, { access: ACCESS })
    await served.agent.put('/a/1', raw(Buffer.from('1')))
    await served.agent.put('/b/1', raw(Buffer.from('secret')))
  })

  it('open rejects without a token, and with an unknown one', async () => {
    expect(await refusal(client().open(realIo()))).toBe('SYNC_ACCESS_DENIED')
    expect(await refusal(client('unknown-token-0123456').open(realIo()))).toBe('SYNC_ACCESS_DENIED')
    expect(await refusal(client(READER).open(realIo()))).toBe('none')
  })

  it('reads, lists and watches its prefixes and nothing else', async () => {
    const reader = client(READER)
    expect((await reader.get(['/a/1'], realIo()))[0]?.key).toBe('/a/1')
    for (const keys of [['/b/1'], ['/a/1', '/b/1'], ['/a']]) {
      expect(await refusal(reader.get(keys, realIo()))).toBe('SYNC_ACCESS_DENIED')
    }
    const list = async (prefix: string): Promise<unknown> => {
      for await (const pairs of reader.list?.(prefix, realIo()) ?? []) return pairs
      return []
    }
    expect(await list('/a/')).toMatchObject([{ key: '/a/1' }])
    for (const prefix of ['', '/', '/b/', '/a']) {
      expect(await refusal(list(prefix))).toBe('SYNC_ACCESS_DENIED')
      const failed = await probeStream(client(READER), [prefix]).failure()
      expect(failed).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    }
    const probe = probeStream(client(READER), ['/a/'])
    await probe.untilListed()
    await served.agent.put('/b/2', raw(Buffer.from('secret')))
    await served.agent.put('/a/2', raw(Buffer.from('2')))
    await probe.until((state) => state.get('/a/2') === '2')
    expect([...probe.state.keys()].every((key) => key.startsWith('/a/'))).toBe(true)
    expect(JSON.stringify(probe.batches)).not.toContain('/b/')
    await probe.stop()
  })

  it('writes under its prefixes and nowhere else: no operation, no prefix delete, no resync', async () => {
    const writer = client(WRITER)
    await commitTo(writer, put('/a/w/1', 'x'))
    const denied = [
      put('/a/1', 'x'),
      { type: 'delete', key: '/a/1' },
      { type: 'delete-prefix', prefix: '' },
      { type: 'delete-prefix', prefix: '/a/' },
      { type: 'delete-prefix', prefix: '/a/w' },
    ] as const
    for (const op of denied) {
      expect(await refusal(commitTo(writer, op))).toBe('SYNC_ACCESS_DENIED')
      // A transaction with one bad operation is not half done.
      const both = commitTo(writer, put('/a/w/2', 'x'), op)
      expect(await refusal(both)).toBe('SYNC_ACCESS_DENIED')
    }
    expect(await served.agent.get('/a/w/2')).toBeUndefined()
    expect(await refusal(commitTo(client(READER), put('/a/1', 'x')))).toBe('SYNC_ACCESS_DENIED')
    const go = dataMsgClient({ url: served.url, token: WRITER })
    onTeardown(() => go.close())
    const results: number[] = []
    for await (const { result } of go.dataChanges([
      { key: '/b/1', content: Buffer.from('x') },
      { key: '/a/w/3', content: Buffer.from('x') },
      { key: '/b/1' },
    ])) {
      results.push(result)
    }
    expect(results).toEqual([7, 0, 7])
    await go.dataResyncs([{ key: '/a/w/4', content: Buffer.from('4') }])
    // What others own is untouched.
    expect(Buffer.from((await served.agent.get('/b/1'))?.bytes ?? []).toString()).toBe('secret')
    expect(await served.agent.get('/a/w/3')).toBeUndefined()
    const reader = dataMsgClient({ url: served.url, token: READER })
    onTeardown(() => reader.close())
    const item = { key: '/a/1', content: Buffer.from('x') }
    expect(await refusal(reader.dataResyncs([item]))).toBe('SYNC_ACCESS_DENIED')
  })

  it('W17: a token is asked for at every connection, so that a new one is found', async () => {
    const later = 'a-later-token-0123456789'
    let token = WRITER
    let asked = 0
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    await agent.start()
    const first = await serveGrpc(agent, { port: 0, access: ACCESS })
    const url = `grpc://127.0.0.1:${first.port}`
    const transport = open(
      grpc({
        url,
        token: async () => {
          asked++
          return token
        },
      }),
    )
    await commitTo(transport, put('/a/w/first', 'x'))
    await commitTo(transport, put('/a/w/second', 'x'))
    expect(asked).toBe(1)
    await first.close()
    const access = [{ name: 'writer', token: later, write: ['/a/w/'] }]
    const second = await serveGrpc(agent, { port: first.port, access })
    onTeardown(() => second.close())
    token = later
    await waitFor(() => commitTo(transport, put('/a/w/third', 'x')))
    expect(asked).toBeGreaterThan(1)
  })

  it('a function for the token that fails, or gives what is no header, shows no secret', async () => {
    const failing = client(() => {
      throw new Error('vault is down')
    })
    await failing.open(realIo())
    await expect(failing.get(['/a/1'], realIo())).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
    })
    const odd = client(() => 'secret\nvalue')
    const error = await odd.open(realIo()).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code: 'SYNC_UNAVAILABLE', retryable: false })
    expect(String(error?.message)).not.toContain('secret')
  })
})

describe('TLS', () => {
  let authority: Authority
  let other: Authority
  let pair: KeyPair
  const closing: (() => Promise<void>)[] = []

  beforeAll(async () => {
    ;[authority, other] = await Promise.all([makeAuthority(), makeAuthority()])
    pair = await authority.server()
  }, 60_000)
  afterAll(() => Promise.all(closing.map((close) => close())))

  async function answer(url: string, options: GrpcOptions = {}): Promise<string> {
    const transport = open(grpc({ url, connectTimeoutMs: 3_000, ...options }))
    return refusal(transport.open(realIo()).then(() => transport.get(['/a/1'], realIo())))
  }

  it('a server with a certificate is reached by who trusts its authority, by nobody else', async () => {
    const { url } = await serveAgent({}, { tls: pair })
    expect(await answer(url, { tls: { ca: authority.ca } })).toBe('none')
    expect(await answer(url)).toBe('SYNC_ACCESS_DENIED')
    expect(await answer(url, { tls: { ca: other.ca } })).toBe('SYNC_ACCESS_DENIED')
    expect(await answer(url.replace('grpcs:', 'grpc:'))).toBe('SYNC_UNAVAILABLE')
  })

  it('mutual TLS: names of certificates are the identities; others have no access', async () => {
    const tls = { ...pair, ca: authority.ca }
    const access = [
      { name: 'agent 1', certificate: 'agent-1', read: ['/a/'], write: ['/a/'] },
      { name: 'by name', certificate: 'DNS:agent-2.test', read: ['/a/'] },
    ]
    const { url } = await serveAgent({}, { tls, access })
    const one = await authority.client('agent-1')
    const two = await authority.client('someone', 'DNS:agent-2.test')
    const unknown = await authority.client('agent-3')
    const forged = await other.client('agent-1')
    const ca = authority.ca
    expect(await answer(url, { tls: { ca, ...one } })).toBe('none')
    expect(await answer(url, { tls: { ca, ...two } })).toBe('none')
    expect(await answer(url, { tls: { ca, ...unknown } })).toBe('SYNC_ACCESS_DENIED')
    expect(await answer(url, { tls: { ca, ...forged } })).not.toBe('none')
    expect(await answer(url, { tls: { ca } })).not.toBe('none')
    const writer = open(grpc({ url, tls: { ca, ...two } }))
    expect(await refusal(commitTo(writer, put('/a/x', '1')))).toBe('SYNC_ACCESS_DENIED')
  })

  it('with rejectUnauthorized: false a token does as well; a certificate of others is worth nothing', async () => {
    const tls = { ...pair, ca: authority.ca, rejectUnauthorized: false }
    const token = 'a-token-of-twenty-letters'
    const access = [
      { name: 'by certificate', certificate: 'agent-1', read: ['/a/'] },
      { name: 'by token', token, read: ['/a/'] },
    ]
    const { url } = await serveAgent({}, { tls, access })
    const one = await authority.client('agent-1')
    const forged = await other.client('agent-1')
    const ca = authority.ca
    expect(await answer(url, { tls: { ca, ...one } })).toBe('none')
    expect(await answer(url, { tls: { ca }, token })).toBe('none')
    expect(await answer(url, { tls: { ca, ...forged }, token })).toBe('none')
    expect(await answer(url, { tls: { ca, ...forged } })).toBe('SYNC_ACCESS_DENIED')
    expect(await answer(url, { tls: { ca } })).toBe('SYNC_ACCESS_DENIED')
  })

  it('a handshake that never ends is cut off, and others are served', async () => {
    const { url, server } = await serveAgent({}, { tls: pair, keepaliveTimeoutMs: 100 })
    const { port } = server
    const silent = connect({ host: '127.0.0.1', port })
    const half = connect({ host: '127.0.0.1', port })
    // The head of a record that says more is to come.
    half.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
    const gone = [silent, half].map(async (socket) => {
      socket.resume().on('error', () => {})
      await once(socket, 'close')
    })
    expect(await answer(url, { tls: { ca: authority.ca } })).toBe('none')
    await Promise.all(gone)
    await waitFor(() => server.connections <= 1)
  })

  it('no certificate at all: refused at once', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    const tls = { cert: 'x', key: 'y' }
    await expect(serveGrpc(agent, { port: 0, tls })).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
    })
  })
})

describe('the address', () => {
  it('other machines are served with access only, or where that is asked for', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    for (const host of ['0.0.0.0', '::', '10.1.2.3', 'example.test']) {
      await expect(serveGrpc(agent, { host, port: 0 })).rejects.toMatchObject({
        code: 'SYNC_INVALID_OPTION',
      })
    }
    for (const options of [{ access: ACCESS }, { insecure: true }]) {
      const server = await serveGrpc(agent, { host: '0.0.0.0', port: 0, ...options })
      expect(server.port).toBeGreaterThan(0)
      await server.close()
    }
  })

  it('a port that is taken is an error, and nothing is left', async () => {
    const { agent, server } = await serveAgent()
    await expect(serveGrpc(agent, { port: server.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    await waitFor(() => server.connections === 0)
  })

  it('open rejects for a bad URL at the door', () => {
    for (const url of [
      'http://h',
      'grpc://',
      'grpc://h:0',
      'grpc://user:secret@h',
      'grpc://h/path',
    ]) {
      expect(() => grpc({ url })).toThrow('option url')
      expect(() => grpc({ url })).not.toThrow('secret@')
    }
  })
})
