import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { connect as connectHttp2 } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import fc from 'fast-check'
import { dataChangeRequest, dataResyncRequests } from '../../src/adapters/grpc/datamsg-schema.ts'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { commitRequest, getRequest, listRequest } from '../../src/adapters/grpc/watch-schema.ts'
import { spawnNode } from '../support/spawn-node.ts'
import type { NodeProgram } from '../support/spawn-node.ts'
import { frame, rawCall, rawSession } from '../support/grpc-frames.ts'
import { realIo } from '../support/transport-stream.ts'
import { replayable } from '../property/replay.ts'

const TOKEN = 'guest-token-0123456789'
const AUDITOR = 'auditor-token-0123456789'
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }
const PATHS = [
  '/msg.DataMsgService/dataChanges',
  '/msg.DataMsgService/dataResyncs',
  '/msg.DataMsgService/ping',
  '/rxdatasync.v1.DataSync/Info',
  '/rxdatasync.v1.DataSync/Watch',
  '/rxdatasync.v1.DataSync/Get',
  '/rxdatasync.v1.DataSync/List',
  '/rxdatasync.v1.DataSync/Commit',
  '/grpc.health.v1.Health/Check',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
] as const

describe('whatever is sent, the process lives and nothing outside the allowed prefixes is reached', () => {
  let program: NodeProgram
  let port = 0

  beforeAll(async () => {
    program = spawnNode('test/fault/grpc-guarded.program.ts', { args: [TOKEN, AUDITOR] })
    port = Number(await program.nextLine())
  }, 60_000)
  afterAll(() => program.kill('SIGKILL'))

  /** What lies outside `/open/` is what was there, and the process has nothing to complain of. */
  async function untouched(): Promise<void> {
    const auditor = grpc({ url: `grpc://127.0.0.1:${port}`, token: AUDITOR })
    try {
      const outside: string[] = []
      for await (const pairs of auditor.list?.('', realIo()) ?? []) {
        for (const { key, value } of pairs) {
          if (!key.startsWith('/open/')) outside.push(`${key}=${Buffer.from(value).toString()}`)
        }
      }
      expect(outside).toEqual(['/closed/secret=untouched'])
    } finally {
      await auditor.close()
    }
    expect(program.errors).toBe('')
  }

  async function send(
    path: string,
    bodies: readonly Uint8Array[],
    type: string,
    headers: Record<string, string> = AUTHORIZED,
  ): Promise<{ status: string; text: string }> {
    const session = rawSession(port)
    try {
      const call = rawCall(session, path, type, headers)
      for (const body of bodies) call.stream.write(body)
      call.stream.end()
      const ended = await Promise.race([
        call.ended,
        // A watch goes on: what it sends first is enough.
        new Promise<IncomingHttpHeaders>((resolve) => {
          call.stream.on('data', () => {
            if (call.messages.length >= 2) resolve({ 'grpc-status': 'open' })
          })
        }),
      ]).catch(() => ({ 'grpc-status': 'reset' }))
      const text = call.messages.map((message) => message.toString('latin1')).join('')
      return { status: String(ended['grpc-status'] ?? 'none'), text }
    } finally {
      session.destroy()
    }
  }

  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => frame(bytes)),
    fc.json({ maxDepth: 6 }).map((text) => frame(text)),
    // Truncated, and with a length or a flag that does not fit.
    fc
      .tuple(fc.uint8Array({ maxLength: 100 }), fc.nat(8), fc.nat(0xffffffff))
      .map(([bytes, flag, length]) => {
        const head = Buffer.alloc(5)
        head[0] = flag
        head.writeUInt32BE(length, 1)
        return Buffer.concat([head, bytes])
      }),
    fc
      .record({ key: fc.string({ unit: 'binary' }), operationType: fc.nat(3) })
      .map((change) => frame(dataChangeRequest.encode(change as never))),
  )
  const types = fc.oneof(
    fc.constantFrom(
      'application/grpc',
      'application/grpc+proto',
      'application/grpc+json',
      'application/grpc+x',
      'application/grpc-web',
      'application/json',
      'text/html',
    ),
    fc.stringMatching(/^[a-z/+-]{1,30}$/u),
  )

  it('random bodies, lengths, flags and content types on every method', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PATHS),
        fc.array(bodies, { maxLength: 4 }),
        types,
        async (path, sent, type) => {
          const { text } = await send(path, sent, type)
          expect(text).not.toContain('/closed/')
        },
      ),
      replayable(300),
    )
    await untouched()
  }, 300_000)

  it('keys and prefixes outside, in every form and method: denied', async () => {
    const outside = fc.oneof(
      fc.constantFrom(
        '/closed/secret',
        '/closed/',
        '',
        '/',
        '/open',
        '/openx',
        '/open/../closed/secret',
        '/open/\u0000',
        '\ud800',
        '/OPEN/x',
        '//open/x',
      ),
      fc.string({ unit: 'binary', maxLength: 40 }).filter((key) => !key.startsWith('/open/')),
    )
    const value = Buffer.from('overwritten')
    await fc.assert(
      fc.asyncProperty(outside, fc.nat(7), async (key, kind) => {
        const bad = [
          [
            PATHS[0],
            dataChangeRequest.encode({ key, operationType: 0, content: value, content_type: '' }),
          ],
          [
            PATHS[0],
            dataChangeRequest.encode({ key, operationType: 1, content: value, content_type: '' }),
          ],
          [
            PATHS[1],
            dataResyncRequests.encode({ dataResyncs: [{ key, content: value, content_type: '' }] }),
          ],
          [PATHS[5], getRequest.encode({ keys: [key] })],
          [PATHS[6], listRequest.encode({ prefix: key })],
          [
            PATHS[7],
            commitRequest.encode({ ops: [{ put: { key, value } }], wait: 0, timeoutMs: 0 }),
          ],
          [PATHS[7], commitRequest.encode({ ops: [{ delete: { key } }], wait: 0, timeoutMs: 0 })],
          [
            PATHS[7],
            commitRequest.encode({
              ops: [{ deletePrefix: { prefix: key } }],
              wait: 0,
              timeoutMs: 0,
            }),
          ],
        ] as const
        const [path, message] = bad[kind % bad.length] as (typeof bad)[number]
        // '/open/\u0000' and the like are inside: there a write may be made.
        const { status, text } = await send(path, [frame(message)], 'application/grpc')
        expect(text).not.toContain('untouched')
        if (path !== PATHS[0] && !key.startsWith('/open/')) expect(status).not.toBe('0')
      }),
      replayable(200),
    )
    await untouched()
  }, 300_000)

  it.each([
    ['none', {}],
    ['another one', { authorization: 'Bearer another-token-01234567' }],
    ['Basic', { authorization: `Basic ${TOKEN}` }],
    ['two', { authorization: `Bearer x, Bearer ${TOKEN}` }],
    ['endless', { authorization: `Bearer ${'x'.repeat(10_000)}` }],
  ])('a token: %s: no method answers', async (_name, headers) => {
    for (const path of PATHS.slice(0, 8)) {
      const { status } = await send(path, [frame('{}')], 'application/grpc', headers)
      expect(['16', 'reset', 'none']).toContain(status)
    }
    await untouched()
  })

  it('deep and wide JSON', async () => {
    const deep = `{"key":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const wide = `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`).join(',')},"key":"/open/x"}`
    for (const path of PATHS.slice(0, 8)) {
      for (const text of [deep, wide, `{"dataResyncs":${deep}}`, `{"ops":[${deep}]}`]) {
        const { status } = await send(path, [frame(text)], 'application/grpc+json')
        // What is not known is passed over; what does not fit is said so.
        expect(['0', '3', '7', 'open']).toContain(status)
      }
    }
    await untouched()
  }, 60_000)

  it('an oversized message, and one whose gzip is a bomb', async () => {
    const { gzipSync } = await import('node:zlib')
    const large = frame(Buffer.alloc(9 * 2 ** 20, 0x7b))
    expect((await send(PATHS[7], [large], 'application/grpc')).status).toMatch(/^(?:8|reset)$/u)
    const bomb = frame(gzipSync(Buffer.alloc(256 * 2 ** 20)))
    bomb[0] = 1
    const headers = { ...AUTHORIZED, 'grpc-encoding': 'gzip' }
    expect((await send(PATHS[7], [bomb], 'application/grpc', headers)).status).toMatch(
      /^(?:8|reset)$/u,
    )
    await untouched()
  }, 60_000)

  it('paths, methods and headers that are no calls', async () => {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    const paths = [
      '/',
      '',
      '*',
      '//',
      '/a/b/c',
      '/msg.DataMsgService/',
      `/${'x'.repeat(60_000)}`,
      '/é/ü',
      '/\u0001/x',
      '/%00/..',
    ]
    const timeouts = ['', '0n', '99999999H', '-1S', 'x', '1S1S']
    const ends: Promise<unknown>[] = []
    for (const method of ['POST', 'GET', 'PUT', 'CONNECT2']) {
      for (const path of paths) {
        for (const timeout of timeouts) {
          try {
            const stream = session.request({
              ':method': method,
              ':path': path,
              'content-type': 'application/grpc',
              'grpc-timeout': timeout,
              ...AUTHORIZED,
            })
            stream.on('error', () => {})
            stream.resume()
            stream.end(frame('{}'))
            ends.push(new Promise((resolve) => stream.on('close', resolve)))
          } catch {
            // Node itself sends no such thing.
          }
        }
      }
    }
    await Promise.race([Promise.all(ends), new Promise((resolve) => session.on('close', resolve))])
    session.destroy()
    await untouched()
  }, 60_000)

  it('bytes that are no HTTP/2, and connections that say nothing', async () => {
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(5_000, 0xff)]),
      Buffer.alloc(100_000, 0x41),
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
    ]
    for (const bytes of garbage) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.end(bytes)
      socket.resume()
      await new Promise((resolve) => socket.on('close', resolve))
    }
    await untouched()
  }, 60_000)

  it('streams that are opened and reset at once, by the thousand', async () => {
    const session = rawSession(port)
    for (let i = 0; i < 3_000 && !session.destroyed; i++) {
      const call = rawCall(
        session,
        PATHS[i % PATHS.length] as string,
        'application/grpc',
        AUTHORIZED,
      )
      call.stream.on('error', () => {})
      call.stream.close(8)
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    session.destroy()
    await untouched()
  }, 60_000)
})
