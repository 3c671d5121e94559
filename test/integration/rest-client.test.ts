import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, memory, raw } from '../../src/index.ts'
import { listOf } from '../../src/kit/list-of.ts'
import type { Checkpoint, RefusedError, VersionConflictError } from '../../src/index.ts'
import { KeptOpen } from '../support/kept-open.ts'
import { openLink } from '../support/link.ts'
import { serveAgent } from '../support/rest.ts'
import { tempDir } from '../support/temp-dir.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const value = (text: string): ReturnType<typeof raw> => raw(Buffer.from(text))

function client(url: string): Agent {
  const agent = new Agent({ transport: rest({ url }), random: () => 0 })
  onTeardown(() => agent.close())
  return agent
}

describe('the REST transport', () => {
  it('applied: the receivers of the serving agent answer; refusals come over as they are', async () => {
    let answer: () => unknown = () => undefined
    const { url } = await serveAgent({}, {}, (agent) => {
      for (const name of ['one', 'two']) {
        agent
          .watch(name, '/x/', { onRefusal: 'continue', doneTimeoutMs: { change: 100 } })
          .handle({ change: () => answer() })
      }
    })
    const agent = client(url)
    const waiting = { waitFor: 'applied', timeoutMs: 5_000 } as const
    expect((await agent.put('/x/a', value('1'), waiting)).receivers).toBe(2)
    expect(
      (await agent.txn().put('/x/a', value('2')).put('/y', value('2')).commit(waiting)).receivers,
    ).toBe(2)
    expect((await agent.delete('/x/a', waiting)).receivers).toBe(2)
    answer = () => {
      throw new Error('too bright')
    }
    const refused = (await agent
      .put('/x/a', value('3'), waiting)
      .catch((error: unknown) => error)) as RefusedError
    expect(refused.code).toBe('SYNC_REFUSED')
    expect(
      refused.refusals.map(({ registration, cause }) => [registration, String(cause)]),
    ).toEqual([
      ['one', 'Error: too bright'],
      ['two', 'Error: too bright'],
    ])
    answer = () => new Promise(() => {})
    const late = (await agent
      .put('/x/a', value('4'), waiting)
      .catch((error: unknown) => error)) as RefusedError
    expect(late.refusals.map(({ cause }) => cause)).toMatchObject([
      { code: 'SYNC_TIMEOUT' },
      { code: 'SYNC_TIMEOUT' },
    ])
  })

  it('applied, out of time: the server says in time that it is stored', async () => {
    const { url } = await serveAgent({}, {}, (agent) => {
      agent
        .watch('slow', '/x/', { doneTimeoutMs: { change: 0 } })
        .handle({ change: () => new Promise(() => {}) })
    })
    const agent = client(url)
    await expect(
      agent.put('/x/a', value('5'), { waitFor: 'applied', timeoutMs: 1_000 }),
    ).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'stored', timeoutMs: 1_000 })
    expect(Buffer.from((await agent.get('/x/a'))?.bytes ?? []).toString()).toBe('5')
  })

  it('conflicts have the present version; what the store cannot do, and what is too large, is said', async () => {
    const { url } = await serveAgent({ limits: { maxBodyBytes: 1_000 } })
    const agent = client(url)
    const { version } = await agent.put('/x', value('1'))
    const conflict = (await agent
      .put('/x', value('2'), { ifAbsent: true })
      .catch((error: unknown) => error)) as VersionConflictError
    expect([conflict.code, conflict.key, conflict.actual]).toEqual([
      'SYNC_VERSION_CONFLICT',
      '/x',
      version,
    ])
    await expect(
      agent.txn().put('/x', value('2'), { ifVersion: 'no' }).put('/y', value('2')).commit(),
    ).rejects.toMatchObject({ code: 'SYNC_VERSION_CONFLICT', actual: version })
    await expect(agent.put('/x', raw(Buffer.alloc(1_001)))).rejects.toMatchObject({
      code: 'SYNC_PAYLOAD_TOO_LARGE',
      size: 1_001,
      limit: 1_000,
    })
    // As base64 it is too large only for the server.
    await expect(
      agent
        .txn()
        .put('/x', raw(Buffer.alloc(900)))
        .put('/y', value(''))
        .commit(),
    ).rejects.toMatchObject({ code: 'SYNC_PAYLOAD_TOO_LARGE' })
    await agent.put('/x', value('3'))
    const limited = await serveAgent({ prefixes: ['/in/'] })
    await expect(client(limited.url).put('/out', value('1'))).rejects.toMatchObject({
      code: 'SYNC_ACCESS_DENIED',
    })
    expect(await client(limited.url).get('/in/x')).toBeUndefined()
  })

  it('capabilities are the server’s', async () => {
    const inner = memory({ maxValueBytes: 2_000 })
    const store = new KeptOpen(inner)
    Object.assign(store, {
      capabilities: {
        ...inner.capabilities,
        ttl: false,
        storeRevisions: false,
        waitForApplied: false,
      },
    })
    const { url } = await serveAgent({}, { transport: store })
    const transport = rest({ url })
    expect(transport.capabilities).toMatchObject({ ttl: true, browser: true })
    await transport.open(realIo())
    expect(transport.capabilities).toMatchObject({
      ttl: false,
      browser: true,
      maxValueBytes: 2_000,
    })
    const agent = client(url)
    await agent.put('/x', value('1'))
    await expect(agent.put('/x', value('1'), { ttlMs: 5 })).rejects.toMatchObject({
      code: 'SYNC_UNSUPPORTED_OPTION',
    })
    await transport.close()
  })

  it('a server that takes less at once is asked for less', async () => {
    const limits = { maxKeys: 3, maxWaitMs: 1_000 }
    const { url, agent: served } = await serveAgent({ limits })
    const agent = client(url)
    await agent.start()
    await agent.put('/s/0', value('0'), { timeoutMs: 5_000 })
    for (let i = 1; i < 10; i++) await served.put(`/s/${i}`, value(String(i)))
    const keys = Array.from({ length: 10 }, (_, i) => `/s/${i}`)
    const transport = rest({ url })
    onTeardown(() => transport.close())
    await transport.open(realIo())
    expect(await transport.get(keys, realIo())).toHaveLength(10)
    const listed: string[] = []
    for await (const { key } of agent.list('/s/')) listed.push(key)
    expect(listed).toEqual(keys)
  })

  it('a list has every write that was acknowledged before, though the shared watch is behind', async () => {
    const store = memory()
    const inner = store.stream.bind(store)
    let behind = true
    store.stream = async function* (...args) {
      for await (const batch of inner(...args)) {
        await waitFor(() => batch.kind !== 'changes' || !behind)
        yield batch
      }
    }
    delete (store as { sharedStream?: unknown }).sharedStream
    const { url, agent: served } = await serveAgent({}, { transport: store })
    const watcher = client(url)
    const seen: string[] = []
    watcher.watch('all', '/l/').handle({ change: ({ key }) => void seen.push(key) })
    await watcher.start()
    await watcher.put('/l/a', value('1'))
    await served.put('/l/b', value('2'))
    const listed: string[] = []
    for await (const { key } of watcher.list('/l/')) listed.push(key)
    expect(listed).toEqual(['/l/a', '/l/b'])
    expect(seen).toEqual([])
    behind = false
    await waitFor(() => seen.length === 2)
  })

  it('a checkpoint goes on without a RESYNC; with another run of the server it begins anew', async () => {
    const path = await tempDir('rest')
    const first = await serveAgent({}, { transport: lmdb({ path }) })
    const before = client(first.url)
    const registration = before.watch('w', '/x/')
    const seen: string[] = []
    registration.handle({ change: ({ key }) => void seen.push(key) })
    await before.start()
    await before.put('/x/a', value('1'))
    await waitFor(() => seen.length === 1)
    const resume = JSON.parse(
      JSON.stringify(await waitFor(() => registration.checkpoint())),
    ) as Checkpoint
    await before.close()
    await first.agent.put('/x/b', value('2'))
    const resumed = async (url: string): Promise<string[]> => {
      const agent = client(url)
      const events: string[] = []
      agent.watch('w', '/x/', { resume }).handle({
        resync: ({ reason, values }) => {
          events.push(`RESYNC ${reason} ${[...(values.get('/x/') ?? [])].length}`)
        },
        change: ({ key }) => void events.push(key),
      })
      await agent.start()
      await waitFor(() => events.length > 0)
      await agent.close()
      return events
    }
    expect(await resumed(first.url)).toEqual(['/x/b'])
    await first.close()
    const second = await serveAgent({}, { transport: lmdb({ path }) })
    expect(await resumed(second.url)).toEqual([expect.stringMatching(/^RESYNC \w+ 2$/u)])
  })

  it('what is no server of ours: said at open; what breaks off: retried', async () => {
    const answers: Record<string, (server: Server) => void> = {
      SYNC_INVALID_OPTION: (server) =>
        server.on('request', (_q, s) => s.writeHead(404).end('nothing here')),
      SYNC_ACCESS_DENIED: (server) =>
        server.on('request', (_q, s) =>
          s.writeHead(302, { location: 'http://elsewhere.example/' }).end(),
        ),
    }
    for (const [code, behave] of Object.entries(answers)) {
      const server = createServer().listen(0, '127.0.0.1')
      onTeardown(() => server.close())
      behave(server)
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      await expect(rest({ url }).open(realIo())).rejects.toMatchObject({ code })
    }
    await using agent = new Agent({ transport: memory() })
    await agent.start()
    await using own = await serveRest(agent)
    await expect(rest({ url: `${own.url}/elsewhere` }).open(realIo())).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option: 'url',
    })
    let status = 502
    let page = '<html>'
    const proxy = createServer((_request, response) => response.writeHead(status).end(page)).listen(
      0,
      '127.0.0.1',
    )
    onTeardown(() => proxy.close())
    await once(proxy, 'listening')
    const transport = rest({ url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` })
    await transport.open(realIo())
    // A proxy that answers in place of the server does not know what became of a write.
    await expect(commitTo(transport, put('/x', '1'))).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'unknown',
    })
    for (const [answer, code] of [
      [413, 'SYNC_PAYLOAD_TOO_LARGE'],
      [429, 'SYNC_OVERFLOW'],
    ] as const) {
      status = answer
      const message = expect.stringContaining(`rest: the server answers ${answer}`)
      await expect(commitTo(transport, put('/x', '1'))).rejects.toMatchObject({ code, message })
    }
    status = 200
    for (page of ['<html>', '', 'null', '{}', '[]', '{"version":1}', '{"versions":[]}']) {
      const lost = { code: 'SYNC_UNAVAILABLE', outcome: 'unknown' }
      const two = commitTo(transport, put('/x', '1'), put('/y', '1'))
      await expect(commitTo(transport, put('/x', '1'))).rejects.toMatchObject(lost)
      await expect(two).rejects.toMatchObject(lost)
      const none = { code: 'SYNC_UNAVAILABLE', outcome: 'not-applied' }
      await expect(transport.get(['/x'], realIo())).rejects.toMatchObject(none)
      const list = listOf(transport, '', realIo())[Symbol.asyncIterator]()
      await expect(list.next()).rejects.toMatchObject(none)
    }
    await transport.close()
    await expect(commitTo(transport, put('/x', '1'))).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })

  it('a list in place of the rest of a transaction: its first part is not told after it', async () => {
    const pair = (key: string): object => ({ key, value: '', version: '1', revision: 1 })
    const changes = (key: string): object => ({ changes: [{ type: 'put', ...pair(key) }] })
    const events = [
      ['resync-begin', { reason: 'startup' }],
      ['resync-end', {}],
      ['changes', { ...changes('/part'), more: true }],
      ['resync-begin', { reason: 'compacted' }],
      ['pairs', { pairs: [pair('/listed')] }],
      ['resync-end', {}],
      ['changes', changes('/behind')],
    ] as const
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const [event, data] of events) {
        response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
      }
      response.end()
    }).listen(0, '127.0.0.1')
    onTeardown(() => server.close())
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const keys: string[] = []
    const read = async (): Promise<void> => {
      for await (const batch of rest({ url }).stream([''], undefined, realIo())) {
        if (batch.kind === 'pairs') for (const each of batch.pairs) keys.push(each.key)
        if (batch.kind !== 'changes') continue
        for (const change of batch.changes) if (change.type === 'put') keys.push(change.pair.key)
      }
    }
    await expect(read()).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    expect(keys).toEqual(['/listed', '/behind'])
  })

  it('a fetch that sends a write again, as browsers may, has it done once', async () => {
    let changes = 0
    const { url } = await serveAgent({}, {}, (agent) => {
      agent.watch('counter', '').handle({ change: () => void changes++ })
    })
    const twice: typeof fetch = async (...request) => {
      await fetch(...request)
      return fetch(...request)
    }
    const transport = rest({ url, fetch: twice })
    await transport.open(realIo())
    const unknown = { code: 'SYNC_UNAVAILABLE', outcome: 'unknown' }
    await expect(commitTo(transport, put('/x', '1'))).rejects.toMatchObject(unknown)
    await expect(commitTo(transport, put('/x', '2'), put('/y', '2'))).rejects.toMatchObject(unknown)
    expect(await transport.get(['/x', '/y'], realIo())).toHaveLength(2)
    await waitFor(() => changes === 3)
    await transport.close()
  })

  it('of a thousand writes at once 256 are under way; those that wait are not applied when their time is over', async () => {
    const { server } = await serveAgent({}, {}, (agent) => {
      agent
        .watch('slow', '/slow/', { doneTimeoutMs: { change: 0 } })
        .handle({ change: () => new Promise(() => {}) })
    })
    const link = await openLink({ port: server.port })
    const agent = client(link.url('http'))
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => agent.put(`/x/${i}`, value('1'))))
    // Of a few that just ended fetch opens a further one.
    expect(link.totalConnections).toBeLessThan(400)
    const held = Array.from({ length: 256 }, () =>
      agent.put('/slow/x', value('1'), { waitFor: 'applied', timeoutMs: 1_500 }).catch(() => {}),
    )
    await expect(agent.put('/x/late', value('1'), { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'SYNC_TIMEOUT',
      outcome: 'not-applied',
    })
    await Promise.all(held)
    expect(await agent.get('/x/late')).toBeUndefined()
    await agent.put('/x/late', value('1'))
  })

  it('a token that no header can have is sent to nobody and shown to nobody', async () => {
    const { url } = await serveAgent()
    const secret = 'secret-token-0123456789'
    for (const token of [`${secret}\nanother line`, `${secret}…`]) {
      for (const options of [{ token: () => token }, { headers: { authorization: token } }]) {
        const transport = rest({ url, ...options })
        const refused = (await transport.open(realIo()).catch((error: unknown) => error)) as Error
        expect(refused).toMatchObject({ code: 'SYNC_UNAVAILABLE', retryable: false })
        expect(inspect(refused)).not.toContain(secret)
        await expect(commitTo(transport, put('/x', '1'))).rejects.toMatchObject({
          code: 'SYNC_UNAVAILABLE',
          outcome: 'not-applied',
        })
        await transport.close()
      }
    }
    // What a file with one line has.
    const transport = rest({ url, token: `${secret}\n` })
    await transport.open(realIo())
    await transport.close()
  })

  it('a function for headers is asked for every request; one that throws is no answer', async () => {
    const { url } = await serveAgent()
    let asked = 0
    const transport = rest({
      url,
      headers: () => {
        asked++
        if (asked === 3) throw new Error('no vault')
        return { 'x-request': String(asked) }
      },
    })
    await transport.open(realIo())
    await commitTo(transport, put('/x', '1'))
    await expect(commitTo(transport, put('/x', '2'))).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'not-applied',
    })
    await commitTo(transport, put('/x', '3'))
    expect(asked).toBe(4)
    await transport.close()
  })
})
