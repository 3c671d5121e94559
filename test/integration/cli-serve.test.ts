import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { dataMsgClient, grpc } from '../../src/adapters/grpc/index.ts'
import { WATCH_PATH, watchRequest } from '../../src/adapters/grpc/watch-schema.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, memory } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { makeAuthority } from '../support/certificates.ts'
import { runCli, startCli } from '../support/cli.ts'
import { freePort } from '../support/free-port.ts'
import { frame, rawCall, rawSession } from '../support/grpc-frames.ts'
import { HubProcess } from '../support/hub-process.ts'
import { realIo } from '../support/transport-stream.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'

describe('datasync serve', () => {
  it('serves an embedded store to other processes, over HTTP and gRPC', async () => {
    const folder = await tempDir('hub')
    const hub = await HubProcess.start({ upstream: `lmdb:${join(folder, 'store')}` })
    for (const [url, other] of [
      [hub.http, hub.grpc],
      [hub.grpc, hub.http],
    ] as const) {
      expect(await runCli(['put', url, '/c/a', url])).toMatchObject({ code: 0, stderr: '' })
      const read = await runCli(['get', other, '/c/a'])
      expect(read.records).toMatchObject([{ key: '/c/a', value: url }])
      const watch = startCli(['watch', other, '/c/'])
      await watch.record(({ event }) => event === 'resynced')
      await runCli(['put', url, '/c/b', 'two'])
      await watch.record(
        ({ event, key, value }) => event === 'put' && key === '/c/b' && value === 'two',
      )
      await runCli(['del', url, '/c/b'])
      await watch.record(({ event, key }) => event === 'delete' && key === '/c/b')
      expect(await watch.kill('SIGINT')).toMatchObject({ code: 0 })
    }
    expect(await hub.cli.kill('SIGTERM')).toMatchObject({ code: 0 })
  })

  it('says where it listens, and has metrics, health and a page', async () => {
    const hub = await HubProcess.start()
    expect(hub.cli.records[0]).toEqual({ event: 'serving', http: hub.http, grpc: hub.grpc })
    const text = async (path: string): Promise<string> => (await fetch(hub.http + path)).text()
    expect(await text('/metrics')).toContain('datasync_')
    expect(await text('/dashboard/')).toContain('<!doctype html>')
    expect(await text('/')).toContain('<!doctype html>')
    expect(JSON.parse(await text('/v1/health'))).toMatchObject({ status: 'ok' })
    // Many watches are no leak of which Node would warn.
    const session = rawSession(hub.grpcPort)
    const watches = Array.from({ length: 12 }, () => rawCall(session, WATCH_PATH))
    const request = watchRequest.encode({ prefixes: ['/'], position: '', heartbeatMs: 0 })
    for (const { stream } of watches) stream.end(frame(request))
    await waitFor(() => watches.every(({ messages }) => messages.length > 0))
    expect(hub.cli.stderr).not.toContain('Warning')
  })

  it('takes JSON of the types that it is given, over gRPC as over HTTP', async () => {
    const types = ['--proto', 'proto/examples/network.proto', '--type', 'examples.Interface']
    const hub = await HubProcess.start({ args: [...types, '--allow-empty-resync'] })
    await using go = dataMsgClient({ url: hub.grpc })
    const contentType = 'application/json'
    const change = { key: '/if/a', content: Buffer.from('{"mtu":1500}'), contentType }
    const wrong = { key: '/if/b', content: Buffer.from('{"mtu":"wide"}'), contentType }
    const results: number[] = []
    for await (const { result } of go.dataChanges([change, wrong])) results.push(result)
    expect(results).toEqual([0, 3])
    const { stdout } = await runCli(['get', hub.http, '/if/a', ...types])
    expect(JSON.parse(stdout)).toMatchObject({ value: { mtu: 1500 }, encoding: 'json' })
    expect(await go.dataResyncs([])).toEqual({ replies: [], error: undefined })
    expect(await runCli(['ls', hub.http, '/if/'])).toMatchObject({ code: 0, stdout: '' })
  })

  it('a watcher goes on when the hub was killed and is back', async () => {
    const folder = await tempDir('hub')
    const hub = await HubProcess.start({ upstream: `lmdb:${join(folder, 'store')}` })
    await runCli(['put', hub.http, '/c/a', '1'])
    const watches = [hub.http, hub.grpc].map((url) => startCli(['watch', url, '/c/']))
    for (const watch of watches) await watch.record(({ event }) => event === 'resynced')
    await hub.kill()
    for (const watch of watches) await watch.says('reconnecting')
    await hub.start()
    for (const watch of watches) {
      await watch.record(({ event, reason }) => event === 'resync' && reason === 'reconnected')
    }
    await runCli(['put', hub.grpc, '/c/b', '2'])
    for (const watch of watches) await watch.record(({ key }) => key === '/c/b')
  })

  it('lets in whom the access file names, to what it names', async () => {
    const folder = await tempDir('hub')
    const access = join(folder, 'access.json')
    const reader = 'reader-0123456789abcdef'
    const writer = 'writer-0123456789abcdef'
    await writeFile(
      access,
      JSON.stringify([
        { name: 'reader', token: reader, read: ['/c/'] },
        { name: 'writer', token: 'env:WRITER', read: [''], write: ['/c/'] },
      ]),
    )
    const hub = await HubProcess.start({
      args: ['--access', access, '--verbose'],
      env: { WRITER: writer },
    })
    const as = (token: string): string[] => ['--set', `token=${token}`]
    for (const url of [hub.http, hub.grpc]) {
      expect(await runCli(['put', url, '/c/a', 'x', ...as(writer)])).toMatchObject({ code: 0 })
      expect(await runCli(['put', url, '/d/a', 'x', ...as(writer)])).toMatchObject({ code: 5 })
      expect(await runCli(['get', url, '/c/a', ...as(reader)])).toMatchObject({ code: 0 })
      expect(await runCli(['put', url, '/c/a', 'y', ...as(reader)])).toMatchObject({ code: 5 })
      expect(await runCli(['ls', url, '/', ...as(reader)])).toMatchObject({ code: 5 })
      const refused = await runCli(['get', url, '/c/a'])
      expect(refused.code).toBe(5)
      expect(refused.stderr).toContain('SYNC_ACCESS_DENIED')
      expect((await runCli(['get', url, '/c/a', ...as('wrong-0123456789abcdef')])).code).toBe(5)
    }
    expect((await fetch(`${hub.http}/metrics`)).status).toBe(401)
    // Who tries tokens one after the other is stopped here, too; who has one is not.
    const metrics = (token: string): Promise<number> =>
      fetch(`${hub.http}/metrics`, { headers: { authorization: `Bearer ${token}` } }).then(
        ({ status }) => status,
      )
    const tried = await Promise.all(
      Array.from({ length: 50 }, (_, i) => metrics(`guess-${i}-0123456789`)),
    )
    expect(tried).toContain(429)
    expect(await metrics(reader)).toBe(200)
    // No secret is told, however loud it is.
    expect(hub.cli.stderr + hub.cli.stdout).not.toContain(writer)
    expect(hub.cli.stderr + hub.cli.stdout).not.toContain(reader)
  })

  it.each([
    [['--upstream', 'memory:'], 'nothing to serve on'],
    [['--upstream', 'memory:', '--http', 'nonsense'], 'Give :port'],
    [['--upstream', 'memory:', '--http', '0.0.0.0:0'], 'other machines'],
    [['--upstream', 'memory:', '--grpc', '0.0.0.0:0'], 'other machines'],
    [['--upstream', 'memory:', '--http', ':0', '--serve-cert', 'x.pem'], 'belong together'],
    [['--upstream', 'memory:', '--http', ':0', '--access', '/nowhere.json'], 'cannot be read'],
    [['--http', ':0'], 'upstream'],
    [['--upstream', 'nothing:', '--http', ':0'], 'scheme'],
  ])('refuses %j', async (args, text) => {
    const { code, stderr } = await runCli(['serve', ...args])
    expect(stderr).toContain(text)
    expect(code).toBe(2)
  })

  it('over TLS lets in certificates and tokens, over HTTP as over gRPC; nobody without', async () => {
    const authority = await makeAuthority()
    const folder = await tempDir('hub')
    const file = async (name: string, content: string): Promise<string> => {
      await writeFile(join(folder, name), content)
      return join(folder, name)
    }
    const pair = await authority.server()
    const token = 'a-token-of-twenty-letters'
    const access = [
      { name: 'agent', certificate: 'agent-1', read: ['/'] },
      { name: 'browser', token, read: ['/'] },
    ]
    const hub = await HubProcess.start({
      args: [
        ['--serve-cert', await file('cert.pem', pair.cert)],
        ['--serve-key', await file('key.pem', pair.key)],
        ['--serve-ca', await file('ca.pem', authority.ca)],
        ['--access', await file('access.json', JSON.stringify(access))],
      ].flat(),
    })
    const { ca } = authority
    const client = await authority.client('agent-1')
    const outcome = async (transport: Transport): Promise<string> => {
      const io = realIo()
      try {
        await transport.open(io)
        return `${(await transport.get(['/a'], io)).length} found`
      } catch (error) {
        return (error as { code: string }).code
      } finally {
        await transport.close()
      }
    }
    const secure = (url: string): string => url.replace('://', 's://')
    const channel = secure(hub.grpc)
    const http = secure(hub.http)
    expect(await outcome(grpc({ url: channel, tls: { ca, ...client } }))).toBe('0 found')
    expect(await outcome(grpc({ url: channel, tls: { ca }, token }))).toBe('0 found')
    expect(await outcome(grpc({ url: channel, tls: { ca } }))).toBe('SYNC_ACCESS_DENIED')
    const request = async (options: object): Promise<number | undefined> => {
      const sent = get(`${http}/v1/keys?prefix=/`, { ca, ...options })
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      response.resume()
      return response.statusCode
    }
    expect(await request(client)).toBe(200)
    expect(await request({ headers: { authorization: `Bearer ${token}` } })).toBe(200)
    expect(await request({})).toBe(401)
  })

  it('says what is wrong with certificates and the access file, and what to do', async () => {
    const folder = await tempDir('hub')
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text)
      return join(folder, name)
    }
    const serve = (...args: string[]) =>
      runCli(['serve', '--upstream', 'memory:', '--http', ':0', ...args])
    const pem = await file('none.pem', 'no certificate')
    for (const [args, problem, hint] of [
      [['--serve-cert', pem, '--serve-key', pem], 'certificate and key', '--serve-cert'],
      [['--access', await file('a.json', '[{"name":"a","token":"short"}]')], '16', 'help serve'],
      [['--limit', 'maxOpps=1'], 'limits.maxOpps', '--limit'],
      [['--http', '0.0.0.0:0'], 'other machines', '--access'],
    ] as const) {
      const { code, stderr } = await serve(...args)
      expect(code).toBe(2)
      expect(stderr).toContain(problem)
      expect(stderr).toMatch(new RegExp(`\nhint: .*${hint}`, 'u'))
    }
    const grant = '[{"name":"a","certificate":"agent-1","read":[""]}]'
    const useless = await serve('--access', await file('c.json', grant))
    expect(useless).toMatchObject({ code: 2 })
    expect(useless.stderr).toContain('lets nobody in without --serve-ca')
  })

  it('says that a port is in use', async () => {
    const hub = await HubProcess.start()
    const second = await runCli([
      'serve',
      '--upstream',
      'memory:',
      '--http',
      new URL(hub.http).host,
    ])
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(/EADDRINUSE[\s\S]*hint: another program listens there/u)
  })

  it('tells of no page where there is none', async () => {
    const args = ['serve', '--upstream', 'memory:', '--http', ':0', '--human', '--no-dashboard']
    const hub = startCli(args)
    const url = await waitFor(() => /http:\S+?(?=\/v1)/u.exec(hub.stdout)?.[0])
    expect(hub.stdout).not.toContain('dashboard')
    expect((await fetch(`${url}/dashboard/`)).status).toBe(404)
    expect(await hub.kill('SIGINT')).toMatchObject({ code: 0 })
  })

  it('does not take a store for live that it has not reached, with no watcher there', async () => {
    const port = await freePort()
    const hub = await HubProcess.start({ upstream: `http://127.0.0.1:${port}` })
    await hub.cli.says('not reached yet')
    expect(hub.cli.stderr).not.toContain('rest: live')
    const health = async (): Promise<number> => (await fetch(`${hub.http}/v1/health`)).status
    expect(await health()).toBe(503)
    await using owner = new Agent({ transport: memory() })
    await owner.start()
    await using server = await serveRest(owner, { port })
    await hub.cli.says('rest: live')
    expect(await health()).toBe(200)
    expect(server.port).toBe(port)
  })

  it('frees its ports when it is ended', async () => {
    const hub = await HubProcess.start()
    await hub.cli.kill('SIGINT')
    await waitFor(async () => {
      const failed: unknown = await fetch(hub.http).then(
        () => undefined,
        (error: unknown) => error,
      )
      return failed !== undefined
    })
    await hub.start()
  })
})
