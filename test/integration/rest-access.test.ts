import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { restRouter, serveRest } from '../../src/adapters/rest/server/index.ts'
import { tlsFetch } from '../../src/cli/tls-fetch.ts'
import { serveDashboard } from '../../src/dashboard/index.ts'
import { Agent, memory } from '../../src/index.ts'
import { certificates } from '../support/certificates.ts'
import { http, rawHttp } from '../support/http.ts'
import { serveAgent } from '../support/rest.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'

const READER = 'reader-token-0123456789'
const WRITER = 'writer-token-0123456789'
const ACCESS = [
  { name: 'reader', token: READER, read: ['/a/'] },
  { name: 'writer', token: WRITER, read: ['/a/', '/b/'], write: ['/a/w/'] },
]
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

describe('access to a REST server', () => {
  it('tokens: prefixes to read and to write', async () => {
    const { url } = await serveAgent({ access: ACCESS })
    const call = (token: string, target: string, method = 'GET'): Promise<number> =>
      http(url, target, { method, headers: bearer(token) }).then(({ status }) => status)
    expect(await call(WRITER, '/v1/keys?key=/a/w/x', 'PUT')).toBe(200)
    expect(await call(READER, '/v1/keys?key=/a/w/x')).toBe(200)
    expect(await call(READER, '/v1/keys?key=/a/w/x', 'PUT')).toBe(403)
    expect(await call(READER, '/v1/keys?key=/a/w/x', 'DELETE')).toBe(403)
    expect(await call(READER, '/v1/keys?key=/b/x')).toBe(403)
    expect(await call(WRITER, '/v1/keys?prefix=/b/')).toBe(200)
    for (const target of [
      '/v1/keys?prefix=/',
      '/v1/keys?prefix=',
      '/v1/keys?prefix=/a',
      '/v1/keys?key=/a/x&key=/c',
      '/v1/watch?prefix=/a/&prefix=/c',
      '/v1/watch?prefix=',
    ]) {
      expect([target, await call(READER, target)]).toEqual([target, 403])
    }
    for (const target of ['/v1/keys?prefix=/a/', '/v1/keys?prefix=', '/v1/keys?key=/b/x']) {
      expect([target, await call(WRITER, target, 'DELETE')]).toEqual([target, 403])
    }
    const body = JSON.stringify({
      ops: [
        { op: 'put', key: '/a/w/y', value: '' },
        { op: 'delete', key: '/a/x' },
      ],
    })
    const txn = await http(url, '/v1/txn', {
      method: 'POST',
      body,
      headers: { ...bearer(WRITER), 'content-type': 'application/json' },
    })
    expect([txn.status, txn.json.code, txn.json.outcome]).toEqual([
      403,
      'SYNC_ACCESS_DENIED',
      'not-applied',
    ])
    expect(await call(WRITER, '/v1/keys?key=/a/w/y')).toBe(404)
    const wrong = await http(url, '/v1/info', { headers: bearer('wrong-token-0123456789') })
    expect([wrong.status, wrong.headers['www-authenticate']]).toEqual([
      401,
      'Bearer realm="rx-datasync", error="invalid_token"',
    ])
    expect(wrong.text).not.toContain('wrong-token')
    expect((await http(url, '/v1/info', { headers: { authorization: 'Basic Og==' } })).status).toBe(
      401,
    )
    const info = await http(url, '/v1/info', { headers: bearer(WRITER) })
    expect(info.json).toMatchObject({ readable: ['/a/', '/b/'], writable: ['/a/w/'] })
  })

  it('wrong tokens one after the other are slowed down', async () => {
    const { url } = await serveAgent({ access: ACCESS })
    const statuses = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        http(url, '/v1/info', { headers: bearer(`guess-number-${i}-xxxxxxxx`) }).then(
          ({ status }) => status,
        ),
      ),
    )
    expect(statuses).toContain(429)
    expect((await http(url, '/v1/info', { headers: bearer(READER) })).status).toBe(200)
  })

  it('the client: a token by function, a refused one rejects open, a changed one is taken up', async () => {
    const { url } = await serveAgent({ access: ACCESS })
    await expect(
      rest({ url, token: 'wrong-token-0123456789' }).open(realIo()),
    ).rejects.toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    await expect(rest({ url }).open(realIo())).rejects.toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    let token = READER
    const transport = rest({ url, token: async () => token })
    await transport.open(realIo())
    await expect(commitTo(transport, put('/a/w/x', '1'))).rejects.toMatchObject({
      code: 'SYNC_ACCESS_DENIED',
    })
    token = WRITER
    await expect(commitTo(transport, put('/a/w/x', '1'))).resolves.toMatchObject({
      versions: [expect.any(String)],
    })
    await transport.close()
  })

  it('certificates that are none, or not of the key, are refused at the door', async () => {
    const pem = await certificates()
    await using agent = new Agent({ transport: memory() })
    for (const tls of [
      { cert: 'x', key: 'y' },
      { cert: pem.serverCert, key: pem.clientKey },
      { cert: pem.serverCert },
      {},
    ]) {
      const refused = serveRest(agent, { tls })
      await expect(refused).rejects.toMatchObject({ code: 'SYNC_INVALID_OPTION', option: 'tls' })
    }
  })

  it('TLS and client certificates', async () => {
    const pem = await certificates()
    const tls = {
      cert: pem.serverCert,
      key: pem.serverKey,
      ca: pem.ca,
      requestCert: true,
      rejectUnauthorized: false,
    }
    const access = [
      { name: 'a1', certificate: 'agent-1', read: ['/a/'], write: ['/a/'] },
      ...ACCESS,
    ]
    const { url } = await serveAgent({ tls, access })
    expect(url).toMatch(/^https:/u)
    const transport = (client: object): ReturnType<typeof rest> =>
      rest({ url, fetch: tlsFetch({ ca: pem.ca, ...client }) })
    const known = transport({ cert: pem.clientCert, key: pem.clientKey })
    await known.open(realIo())
    await expect(commitTo(known, put('/a/x', '1'))).resolves.toMatchObject({
      versions: [expect.any(String)],
    })
    await expect(commitTo(known, put('/b/x', '1'))).rejects.toMatchObject({
      code: 'SYNC_ACCESS_DENIED',
    })
    // Signed by nobody we trust, though it bears the name.
    await expect(
      transport({ cert: pem.strangerCert, key: pem.strangerKey }).open(realIo()),
    ).rejects.toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    await expect(transport({}).open(realIo())).rejects.toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    const withToken = rest({ url, token: READER, fetch: tlsFetch({ ca: pem.ca }) })
    await withToken.open(realIo())
    // The server's certificate is looked at, too.
    await expect(rest({ url }).open(realIo())).rejects.toMatchObject({
      code: 'SYNC_ACCESS_DENIED',
      message: expect.stringContaining('TLS'),
    })
    await known.close()
    await withToken.close()
  })

  it('without access control only this machine is served', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    await agent.start()
    await expect(serveRest(agent, { host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option: 'host',
    })
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal)?.address
    for (const insecure of [false, true]) {
      const app = express()
      app.use('/mounted', restRouter(agent, { insecure }))
      const server = createServer(app).listen(0, '0.0.0.0')
      onTeardown(() => server.close())
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      expect((await http(`http://127.0.0.1:${port}/mounted`, '/v1/info')).status).toBe(200)
      if (outside !== undefined) {
        const answer = await http(`http://${outside}:${port}/mounted`, '/v1/info', {
          headers: { host: 'localhost' },
        })
        expect(answer.status).toBe(insecure ? 200 : 403)
      }
      server.close()
    }
  })

  it('DNS rebinding and pages of other sites', async () => {
    const { url, agent, server } = await serveAgent()
    const at = '/v1/keys?key=/x'
    for (const host of [
      'evil.example',
      `evil.example:${server.port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.0.0.1@evil.example',
      '10.0.0.1',
    ]) {
      const answer = await http(url, at, { method: 'PUT', headers: { host } })
      expect([host, answer.status]).toEqual([host, 403])
    }
    const elsewhere = await rawHttp(
      url,
      `GET http://evil.example${at} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    )
    expect(elsewhere).toContain('HTTP/1.1 403')
    for (const host of [
      'localhost',
      `localhost:${server.port}`,
      '127.0.0.1',
      '[::1]:8080',
      'LOCALHOST',
    ]) {
      expect([host, (await http(url, at, { method: 'HEAD', headers: { host } })).status]).toEqual([
        host,
        404,
      ])
    }
    // A proxy of this machine may speak for anybody.
    for (const headers of [
      { forwarded: 'for=10.0.0.9' },
      { 'x-forwarded-for': '10.0.0.9' },
      { 'x-forwarded-proto': 'https' },
      { 'x-forwarded-host': 'agent.example' },
      { 'x-forwarded-port': '443' },
      { 'x-real-ip': '10.0.0.9' },
      { via: '1.1 proxy' },
    ] as const) {
      const answer = await http(url, at, { headers })
      expect([headers, answer.status]).toEqual([headers, 403])
    }
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: `http://127.0.0.1:${server.port + 1}` },
    ] as const) {
      const answer = await http(url, at, { method: 'PUT', headers })
      expect([headers, answer.status]).toEqual([headers, 403])
      expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    }
    expect(
      (
        await http(url, at, {
          method: 'OPTIONS',
          headers: { origin: 'https://evil.example', 'access-control-request-method': 'PUT' },
        })
      ).status,
    ).toBe(403)
    expect(await agent.get('/x')).toBeUndefined()
    // What a page gets without CORS, as a picture or a script: it would hear whether there is such a key.
    for (const [site, mode, status] of [
      ['cross-site', 'no-cors', 403],
      ['same-site', 'no-cors', 403],
      ['cross-site', 'navigate', 404],
      ['same-origin', 'no-cors', 404],
      ['none', 'navigate', 404],
    ] as const) {
      const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': mode }
      expect([site, mode, (await http(url, at, { headers })).status]).toEqual([site, mode, status])
    }
    // The page that this server itself gives.
    expect(
      (
        await http(url, at, {
          method: 'PUT',
          headers: { origin: `http://127.0.0.1:${server.port}`, 'sec-fetch-site': 'same-origin' },
        })
      ).status,
    ).toBe(200)
  })

  it('CORS for the origins that are named', async () => {
    const { url } = await serveAgent({ cors: { origins: ['https://app.example'] } })
    const origin = 'https://app.example'
    const asked = await http(url, '/v1/keys?key=/x', {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-private-network': 'true',
      },
    })
    expect(asked.status).toBe(204)
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-private-network': 'true',
      'access-control-max-age': '600',
    })
    expect(asked.headers['access-control-allow-headers']).toContain('If-None-Match')
    const done = await http(url, '/v1/keys?key=/x', {
      method: 'PUT',
      headers: { origin, 'sec-fetch-site': 'cross-site' },
    })
    expect([
      done.status,
      done.headers['access-control-allow-origin'],
      done.headers['vary'],
    ]).toEqual([200, origin, 'Origin, Accept'])
    expect(done.headers['access-control-expose-headers']).toContain('ETag')
    expect(
      (await http(url, '/v1/info', { headers: { origin: 'https://app.example.evil' } })).status,
    ).toBe(403)
  })

  it('requests per client and second', async () => {
    const { url } = await serveAgent({ limits: { requestsPerSecond: 10 }, access: ACCESS })
    const statuses = await Promise.all(
      Array.from({ length: 30 }, () =>
        http(url, '/v1/info', { headers: bearer(READER) }).then(({ status }) => status),
      ),
    )
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(20)
    expect(statuses).toContain(429)
    // What needs no credentials is counted by address.
    const probes = await Promise.all(
      Array.from({ length: 30 }, () => http(url, '/v1/openapi.json').then(({ status }) => status)),
    )
    expect(probes).toContain(429)
    const other = await http(url, '/v1/info', { headers: bearer(WRITER) })
    expect(other.status).toBe(200)
  })

  it('behind a body parser of the application, below any path; what is not ours is passed on', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    await agent.start()
    const app = express()
    app.use(express.json())
    app.use(express.raw({ limit: '1mb' }))
    app.use('/a/b', restRouter(agent, { limits: { maxBodyBytes: 1_000 } }))
    app.get('/a/b/other', (_request, response) => {
      response.send('theirs')
    })
    const server = app.listen(0, '127.0.0.1')
    onTeardown(() => server.close())
    await once(server, 'listening')
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a/b`
    const headers = { 'content-type': 'application/json' }
    const txn = await http(base, '/v1/txn', {
      method: 'POST',
      headers,
      body: '{"ops":[{"op":"put","key":"/x","value":""}]}',
    })
    expect(txn.status).toBe(200)
    const bytes = { 'content-type': 'application/octet-stream' }
    for (const [size, status] of [
      [1_000, 200],
      [1_001, 413],
    ] as const) {
      const sent = { method: 'PUT', headers: bytes, body: Buffer.alloc(size) }
      expect((await http(base, '/v1/keys?key=/y', sent)).status).toBe(status)
    }
    expect((await http(base, '/other')).text).toBe('theirs')
    const transport = rest({ url: base })
    await transport.open(realIo())
    expect(await transport.get(['/x'], realIo())).toHaveLength(1)
    await transport.close()
    server.close()
  })

  it('behind parsers that make something else of bytes: refused, not stored', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    await agent.start()
    const app = express()
    app.use('/text', express.text({ type: '*/*' }))
    app.use('/json', express.json({ type: '*/*' }))
    app.use('/read', (request, _response, next) => {
      request.resume().once('end', next)
    })
    app.use(['/text', '/json', '/read'], restRouter(agent))
    const server = app.listen(0, '127.0.0.1')
    onTeardown(() => server.close())
    await once(server, 'listening')
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const put = async (path: string, body: string | Uint8Array): Promise<number> => {
      const headers = { 'content-type': 'application/octet-stream' }
      return (await http(`${base}/${path}`, '/v1/keys?key=/x', { method: 'PUT', body, headers }))
        .status
    }
    expect(await put('text', 'é €')).toBe(200)
    expect(await put('text', '')).toBe(200)
    for (const bytes of [[0xff], [0xef, 0xbb, 0xbf, 0x61], [0xf0, 0x9f, 0x98]]) {
      expect([bytes, await put('text', Uint8Array.from(bytes))]).toEqual([bytes, 500])
    }
    expect(await put('json', '{ "a": 1 }')).toBe(500)
    expect(await put('json', '')).toBe(200)
    expect(await put('read', 'x')).toBe(500)
    expect(await put('read', '')).toBe(200)
    expect((await agent.get('/x'))?.bytes).toHaveLength(0)
    const txn = await http(`${base}/json`, '/v1/txn', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{ "ops": [] }',
    })
    expect(txn.status).toBe(200)
    server.close()
  })

  it('by Node’s own server, without Express', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    await agent.start()
    const server = createServer(restRouter(agent)).listen(0, '127.0.0.1')
    onTeardown(() => server.close())
    await once(server, 'listening')
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect((await http(base, '/v1/keys?key=/x', { method: 'PUT' })).json).toMatchObject({
      key: '/x',
    })
    for (const path of ['/', '/elsewhere', '/v1/elsewhere', '/v1']) {
      expect((await http(base, path)).json).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    }
    server.close()
  })

  it('further routers stand beside it, below paths of their own', async () => {
    const router = express.Router()
    router.get('/page', (_request, response) => {
      response.send('a page')
    })
    router.get('/broken', () => {
      throw new Error('secret')
    })
    const { url, server } = await serveAgent({
      path: '/agent',
      rootKeys: true,
      mount: [{ path: '/dashboard', router }],
    })
    expect(url).toBe(`http://127.0.0.1:${server.port}/agent`)
    const base = `http://127.0.0.1:${server.port}`
    expect((await http(base, '/dashboard/page')).text).toBe('a page')
    expect((await http(base, '/dashboard/other')).json).toMatchObject({ status: 404 })
    const broken = await http(base, '/dashboard/broken')
    expect([broken.status, broken.json.code]).toEqual([500, 'SYNC_BUG'])
    expect(broken.text).not.toContain('secret')
    expect((await http(base, '/agent/v1/health')).status).toBe(200)
    expect((await http(base, '/agent/a', { method: 'PUT' })).json).toMatchObject({ key: '/a' })
  })

  it('a TLS handshake that never ends is given up', async () => {
    const { serverCert: cert, serverKey: key } = await certificates()
    const { server, url } = await serveAgent({ tls: { cert, key }, headersTimeoutMs: 300 })
    const startedAt = performance.now()
    const begun = Uint8Array.of(0x16, 3, 1, 2, 0, 1)
    expect(await Promise.all([rawHttp(url, ''), rawHttp(url, begun)])).toEqual(['', ''])
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    await server.close()
  })

  it('slow heads and bodies, large heads, too many connections are refused', async () => {
    const { url, server } = await serveAgent({
      headersTimeoutMs: 300,
      requestTimeoutMs: 700,
      maxHeaderBytes: 2_048,
      maxConnections: 20,
    })
    const startedAt = performance.now()
    expect(await rawHttp(url, 'GET /v1/info HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')).toMatch(
      /^HTTP\/1\.1 408 /u,
    )
    expect(
      await rawHttp(
        url,
        'PUT /v1/keys?key=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx',
      ),
    ).toMatch(/^HTTP\/1\.1 408 /u)
    expect(await rawHttp(url, '')).toMatch(/^(?:HTTP\/1\.1 408 .*)?/su)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    expect(
      await rawHttp(
        url,
        `GET /v1/info HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(5_000)}\r\n\r\n`,
      ),
    ).toMatch(/^HTTP\/1\.1 431 /u)
    expect(
      await rawHttp(
        url,
        'PUT /v1/keys?key=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 400 /u)
    // Announced as larger than what is taken: refused without being read.
    expect(
      await rawHttp(
        url,
        'PUT /v1/keys?key=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\nx',
      ),
    ).toMatch(/^HTTP\/1\.1 413 /u)
    const sockets = Array.from({ length: 40 }, () =>
      connect(server.port, '127.0.0.1').on('error', () => {}),
    )
    onTeardown(() => {
      for (const socket of sockets) socket.destroy()
    })
    const closed = await Promise.race(
      sockets.map((socket) => once(socket, 'close').then(() => true)),
    )
    expect(closed).toBe(true)
    for (const socket of sockets) socket.destroy()
    expect((await http(url, '/v1/info')).status).toBe(200)
  })

  it('options are checked at the door', async () => {
    const agent = new Agent({ transport: memory() })
    const bad = [
      { heartbeatMs: 0 },
      { limits: { maxOps: -1 } },
      { cors: {} },
      { cors: { origins: ['app.example'] } },
      { cors: { origins: ['https://app.example/'] } },
      { cors: { origins: ['https://app.example:443'] } },
      { models: [1] },
      { access: [{ name: 'x', token: 'short' }] },
      { port: 1e6 },
      { unknown: 1 },
      { mount: [{}] },
      { path: 'x' },
    ]
    for (const options of bad) {
      await expect(serveRest(agent, options as object)).rejects.toMatchObject({
        code: 'SYNC_INVALID_OPTION',
      })
    }
    for (const options of [
      {},
      { url: 'ftp://x' },
      { url: 'http://a:b@x' },
      { url: 'http://x?y' },
      { url: 'http://x', token: 5 },
      { url: 'http://x', livenessMs: 1 },
    ]) {
      expect(() => rest(options as never)).toThrow(
        expect.objectContaining({ code: 'SYNC_INVALID_OPTION' }),
      )
    }
    for (const origin of [
      'https://app.example',
      'http://localhost:5173',
      'http://[::1]:8080',
      '*',
    ]) {
      expect(() => restRouter(agent, { cors: { origins: [origin] } })).not.toThrow()
    }
    await agent.close()
  })

  it.each<readonly [string, (wrong: never) => unknown]>([
    ['serveRest', serveRest],
    ['serveGrpc', serveGrpc],
    ['serveDashboard', serveDashboard],
  ])('%s is told when it gets a transport, or nothing', async (_name, serve) => {
    for (const wrong of [memory(), undefined]) {
      await expect((async () => serve(wrong as never))()).rejects.toMatchObject({
        code: 'SYNC_INVALID_OPTION',
        option: 'agent',
      })
    }
  })
})
