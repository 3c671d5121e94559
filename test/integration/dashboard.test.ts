import { getEventListeners, once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it } from '@jest/globals'
import { EventSink } from '../../src/dashboard/event-sink.ts'
import { serveDashboard } from '../../src/dashboard/index.ts'
import { Agent, memory, raw } from '../../src/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import type { Io } from '../../src/index.ts'
import { silentLogger } from '../../src/api/logger.ts'
import { listOf } from '../../src/kit/list-of.ts'
import { text } from '../../src/testing/text.ts'
import { interfaces, models, networkAgent, settings } from '../browser/network-agent.ts'
import { leakCheck } from '../support/leak-check.ts'
import { describeServer } from '../support/server-suite.ts'
import { onTeardown } from '../support/teardown.ts'
import { SwitchableTransport } from '../support/switchable-transport.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'
import { Listener, servePage } from './dashboard-fixture.ts'

const OPS = { name: 'ops', token: 'a-token-of-operations', read: [''], write: [''] }
const GUEST = { name: 'guest', token: 'a-token-of-somebody', read: ['/config/routes/'] }
const EDITOR = {
  name: 'editor',
  token: 'a-token-of-an-editor',
  read: [''],
  write: ['/config/routes/'],
}

const bearer = ({ token }: { token: string }): Record<string, string> => ({
  Authorization: `Bearer ${token}`,
})
const keyPath = (key: string, more = ''): string => `api/key?key=${encodeURIComponent(key)}${more}`

describe('the page', () => {
  it('is a folder of files that never change, under a policy that allows nothing else', async () => {
    const page = await servePage(networkAgent())
    const moved = await fetch(page.url().slice(0, -1), { redirect: 'manual' })
    expect([moved.status, moved.headers.get('location')]).toEqual([308, './dashboard/'])
    const html = await page.send('')
    expect(html.status).toBe(200)
    expect(html.headers['content-security-policy']).toContain(
      "default-src 'none'; script-src 'self'",
    )
    expect(html.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    })
    expect(html.headers['access-control-allow-origin']).toBeUndefined()
    const files = [...html.text.matchAll(/(?:href|src)="([^"]+)"/gu)].map(([, file = '']) => file)
    expect(files).toHaveLength(3)
    for (const file of files) {
      expect(file).toMatch(/^assets\/\w+-\w{8}\.(?:js|css|svg)$/u)
      const asset = await page.send(file)
      expect(asset.status).toBe(200)
      expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    }
    expect(html.text).not.toMatch(/<script>|<style|style=/u)
    for (const path of ['assets/nothing.js', 'assets/..%2f..%2fpackage.json', 'nothing', 'api/x']) {
      expect(await page.send(path)).toMatchObject({ status: 404, json: { status: 404 } })
    }
  })

  it('needs no web server of the program', async () => {
    const agent = networkAgent()
    onTeardown(() => agent.close())
    await using own = await serveDashboard(agent)
    const answer = await fetch(own.url)
    expect([answer.status, answer.headers.get('x-powered-by')]).toEqual([200, null])
    await expect(serveDashboard(agent, { host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option: 'host',
    })
  })

  it('leaves nothing at the agent, closed or not opened at all', async () => {
    const agent = networkAgent()
    onTeardown(() => agent.close())
    const { io } = agent.served()
    const first = await serveDashboard(agent)
    const before = getEventListeners(io.signal, 'abort').length
    const port = Number(new URL(first.url).port)
    for (let i = 0; i < 3; i++) {
      await expect(serveDashboard(agent, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
      await (await serveDashboard(agent)).close()
    }
    expect(getEventListeners(io.signal, 'abort').length).toBe(before)
    await first.close()
    expect(getEventListeners(io.signal, 'abort').length).toBe(before - 1)
  })

  it.each([
    [{ titel: 'x' }],
    [{ port: -1 }],
    [{ port: '80' }],
    [{ host: 1 }],
    [null],
    [{ maxWatchers: 0 }],
    [{ models: [{}] }],
    [{ access: [{ name: 'short', token: 'x' }] }],
  ])('refuses options that are none: %j', async (options) => {
    const agent = networkAgent()
    onTeardown(() => agent.close())
    await expect(serveDashboard(agent, options as never)).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
    })
  })
})

describe('who may come in', () => {
  it('without access: programs of this machine, by a name of this machine', async () => {
    const page = await servePage(networkAgent())
    for (const Host of ['localhost:80', '127.0.0.1', '[::1]:80']) {
      expect(await page.send('api/state', { headers: { Host } })).toMatchObject({ status: 200 })
    }
    for (const Host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:80']) {
      for (const path of ['', 'api/state']) {
        const answer = await page.send(path, { headers: { Host } })
        expect(answer).toMatchObject({
          status: 403,
          json: { detail: expect.stringContaining('hosts') },
        })
      }
    }
    // A proxy on this machine speaks for anybody.
    const headers = { 'X-Forwarded-For': '198.51.100.7' }
    expect(await page.send('api/state', { headers })).toMatchObject({ status: 403 })
    expect(await page.send('api/state', { headers: { Forwarded: 'for=x' } })).toMatchObject({
      status: 403,
    })
  })

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.internal === false && address.family === 'IPv4')?.address
  const missing = outside === undefined ? 'this machine has no address but loopback' : undefined
  describeServer('by another address of the machine', missing, () => {
    it('without access: nobody', async () => {
      const page = await servePage(networkAgent(), { hosts: [outside ?? ''] }, '0.0.0.0')
      expect(await page.send('api/state', {}, outside)).toMatchObject({ status: 403 })
      const guarded = await servePage(networkAgent(), { access: [OPS] }, '0.0.0.0')
      expect(await guarded.send('api/state', { headers: bearer(OPS) }, outside)).toMatchObject({
        status: 200,
      })
    })
  })

  it('by the names that were given only', async () => {
    const page = await servePage(networkAgent(), { access: [OPS], hosts: ['Board.example'] })
    const headers = bearer(OPS)
    expect(
      await page.send('api/state', { headers: { ...headers, Host: 'board.example:8443' } }),
    ).toMatchObject({ status: 200 })
    expect(await page.send('api/state', { headers })).toMatchObject({ status: 403 })
  })

  it('no page of another origin, neither to read nor to write', async () => {
    const page = await servePage(networkAgent())
    await page.agent.start()
    const body = JSON.stringify({ value: { encoding: 'text', text: 'x' }, ifAbsent: true })
    const write = (headers: Record<string, string>) =>
      page.send(keyPath('/x'), { method: 'PUT', headers, body })
    const { host } = new URL(page.url())
    for (const headers of [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': 'none' },
      { Origin: 'https://evil.example' },
      { Origin: `http://${host}.evil.example` },
      { Origin: 'null' },
    ]) {
      expect(await write(headers as Record<string, string>)).toMatchObject({ status: 403 })
      const resync = { method: 'POST', headers: headers as Record<string, string>, body: '{}' }
      expect(await page.send('api/resync', resync)).toMatchObject({ status: 403 })
    }
    const cross = { 'Sec-Fetch-Site': 'cross-site' }
    expect(await page.send('api/state', { headers: cross })).toMatchObject({ status: 403 })
    // A form of another site can send this without asking.
    expect(await write({ 'Content-Type': 'text/plain' })).toMatchObject({ status: 415 })
    const preflight = await page.send(keyPath('/x'), { method: 'OPTIONS', headers: cross })
    expect(preflight.headers['access-control-allow-origin']).toBeUndefined()
    expect(await page.agent.get('/x')).toBeUndefined()

    expect(await write({ Origin: `http://${host}` })).toMatchObject({ status: 200 })
    expect(await page.agent.get('/x')).toBeDefined()
  })

  it('with a token, for what it is good for', async () => {
    const agent = networkAgent()
    const page = await servePage(agent, { access: [OPS, GUEST, EDITOR], models })
    await agent.put(interfaces.key('eth0'), settings.message({ mtu: 1500 }))
    await agent.put('/config/routes/default', settings.message({ via: 'x' }))
    await agent.start()
    const none = await page.send('api/state')
    expect(none).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } })
    const put = (key: string, headers: Record<string, string>) =>
      page.json(
        keyPath(key),
        'PUT',
        { value: { encoding: 'text', text: '{}' }, ifAbsent: true },
        headers,
      )

    const guest = bearer(GUEST)
    expect(await page.send('api/keys?prefix=/config/routes/', { headers: guest })).toMatchObject({
      status: 200,
    })
    for (const path of [
      'api/keys?prefix=/config/',
      'api/keys',
      keyPath('/config/interfaces/eth0'),
      'api/events?changes=/config/',
    ]) {
      expect(await page.send(path, { headers: guest })).toMatchObject({ status: 403 })
    }
    expect(await put('/config/routes/new', guest)).toMatchObject({ status: 403 })
    expect(await page.json('api/resync', 'POST', {}, guest)).toMatchObject({ status: 403 })

    const editor = bearer(EDITOR)
    expect(await put('/config/routes/new', editor)).toMatchObject({ status: 200 })
    expect(await put('/config/interfaces/new', editor)).toMatchObject({ status: 403 })
    expect(
      await page.send(keyPath('/config/interfaces/eth0', '&ifVersion=x'), {
        method: 'DELETE',
        headers: editor,
      }),
    ).toMatchObject({ status: 403 })
    expect(await page.json('api/resync', 'POST', { names: ['routes'] }, editor)).toMatchObject({
      status: 200,
    })
    expect(await page.json('api/resync', 'POST', { names: ['interfaces'] }, editor)).toMatchObject({
      status: 403,
    })
    expect(await page.json('api/resync', 'POST', {}, bearer(OPS))).toMatchObject({
      status: 200,
      json: { run: { reason: 'requested', turns: [{}, {}, {}, {}] } },
    })
    expect(await page.json('api/resync', 'POST', { names: ['nobody'] }, bearer(OPS))).toMatchObject(
      {
        status: 404,
        json: { code: 'SYNC_NOT_REGISTERED' },
      },
    )
  })

  it('does not tell prefixes, keys and errors of what somebody may not read', async () => {
    const agent = networkAgent()
    const page = await servePage(agent, { access: [OPS, GUEST] })
    await agent.start()
    const listener = await Listener.open(page.url('api/events'), bearer(GUEST))
    const refused = agent.put(interfaces.key('secret'), settings.message({ mtu: 1 }), {
      waitFor: 'applied',
    })
    await expect(refused).rejects.toMatchObject({ code: 'SYNC_REFUSED' })
    await listener.next('refusal')
    await listener.next('patch', (data) => JSON.stringify(data).includes('backing-off'))
    const told =
      JSON.stringify(listener.heard) +
      (await page.send('api/state', { headers: bearer(GUEST) })).text
    expect(told).not.toMatch(/mtu 1|secret|\/config\/interfaces/u)
    expect(told).toContain('/config/routes/')
    expect((await page.send('api/state', { headers: bearer(OPS) })).text).toMatch(
      /mtu 1 is too small/u,
    )
  })

  it('not by guessing', async () => {
    const page = await servePage(networkAgent(), { access: [OPS] })
    const statuses: number[] = []
    for (let i = 0; i < 25; i++) {
      const headers = { Authorization: `Bearer wrong-token-number-${i}` }
      statuses.push((await page.send('api/state', { headers })).status)
    }
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(401))
    expect(statuses.slice(20)).toEqual(Array(5).fill(429))
    // Who knows the token is not kept out by others.
    expect(await page.send('api/state', { headers: bearer(OPS) })).toMatchObject({ status: 200 })
  })

  it('not with a body that says something else', async () => {
    const agent = networkAgent()
    const page = await servePage(agent)
    await agent.start()
    for (const body of [[], ['audit'], { name: ['audit'] }, { names: 'audit' }, { names: [1] }]) {
      expect(await page.json('api/resync', 'POST', body)).toMatchObject({ status: 400 })
    }
    expect(await page.json('api/resync', 'POST', {})).toMatchObject({ status: 200 })
  })

  it('to look only, where nobody may write', async () => {
    const agent = networkAgent()
    const page = await servePage(agent, { readOnly: true })
    await agent.start()
    const body = { value: { encoding: 'text', text: 'x' }, ifAbsent: true }
    expect(await page.json(keyPath('/x'), 'PUT', body)).toMatchObject({ status: 403 })
    expect(await page.json('api/resync', 'POST', {})).toMatchObject({ status: 403 })
    expect(await page.send('api/state')).toMatchObject({ json: { client: { writable: [] } } })
  })

  it('not beyond the prefixes that are served', async () => {
    const agent = networkAgent()
    const page = await servePage(agent, { prefixes: ['/config/'] })
    await agent.put('/private/x', text('secret'))
    await agent.start()
    for (const path of [
      keyPath('/private/x'),
      'api/keys?prefix=/private/',
      'api/keys',
      'api/events?changes=',
    ]) {
      expect(await page.send(path)).toMatchObject({ status: 403 })
    }
  })
})

describe('keys', () => {
  it('are written under a condition only', async () => {
    const agent = networkAgent()
    const page = await servePage(agent, { models })
    await agent.start()
    const put = (key: string, body: object) => page.json(keyPath(key), 'PUT', body)
    const value = { encoding: 'text', text: 'a' }
    expect(await put('/k', { value })).toMatchObject({ status: 400 })
    expect(await put('/k', { value, ifAbsent: true, ifVersion: 'x' })).toMatchObject({
      status: 400,
    })
    const first = await put('/k', { value, ifAbsent: true })
    expect(first).toMatchObject({ status: 200, json: { version: expect.any(String) } })
    expect(await put('/k', { value, ifAbsent: true })).toMatchObject({
      status: 412,
      json: {
        code: 'SYNC_VERSION_CONFLICT',
        current: { key: '/k', value: { encoding: 'text', text: 'a' } },
      },
    })
    expect(await put('/k', { value, ifVersion: 'other' })).toMatchObject({ status: 412 })
    expect(await put('/gone', { value, ifVersion: 'x' })).toMatchObject({
      status: 412,
      json: { current: null },
    })
    expect(await page.send(keyPath('/k'), { method: 'DELETE' })).toMatchObject({ status: 400 })
    const version = encodeURIComponent(String(first.json['version']))
    expect(await page.send(keyPath('/k', '&ifVersion=other'), { method: 'DELETE' })).toMatchObject({
      status: 412,
    })
    expect(
      await page.send(keyPath('/k', `&ifVersion=${version}`), { method: 'DELETE' }),
    ).toMatchObject({ status: 200 })
    expect(await page.send(keyPath('/k'))).toMatchObject({ status: 404 })
  })

  it('are compared by the dashboard where the store cannot', async () => {
    const inner = memory()
    const transport = new Proxy(inner, {
      get: (target, name) => {
        if (name === 'capabilities') return { ...target.capabilities, conditionalPut: false }
        const found: unknown = Reflect.get(target, name)
        return typeof found === 'function' ? (found.bind(target) as unknown) : found
      },
    })
    const agent = new Agent({ transport })
    const page = await servePage(agent)
    await agent.start()
    const put = (body: object) =>
      page.json(keyPath('/k'), 'PUT', { value: { encoding: 'text', text: 'a' }, ...body })
    const { json } = await put({ ifAbsent: true })
    expect(await put({ ifAbsent: true })).toMatchObject({ status: 412 })
    expect(await put({ ifVersion: 'other' })).toMatchObject({ status: 412 })
    expect(await put({ ifVersion: json['version'] })).toMatchObject({ status: 200 })
    expect(await page.send(keyPath('/k', '&ifVersion=other'), { method: 'DELETE' })).toMatchObject({
      status: 412,
    })
    expect(await agent.get('/k')).toBeDefined()
  })

  it('take JSON by their model, text, hex and base64, and say what is wrong', async () => {
    const logged: object[] = []
    const info = (fields: object, message: string): void => {
      if (message === 'written by the dashboard') logged.push(fields)
    }
    const agent = networkAgent({ logger: { ...silentLogger, info } })
    const page = await servePage(agent, { models })
    await agent.start()
    const put = (key: string, encoding: string, value: string, more = {}) =>
      page.json(keyPath(key), 'PUT', { value: { encoding, text: value }, ifAbsent: true, ...more })
    expect(await put('/config/routes/a', 'json', '{"via":1}')).toMatchObject({ status: 200 })
    expect((await agent.get('/config/routes/a'))?.getValue(settings)).toEqual({ via: 1 })
    expect(await put('/b', 'hex', '00 ff')).toMatchObject({ status: 200 })
    expect((await agent.get('/b'))?.bytes).toEqual(Uint8Array.of(0, 255))
    expect(await page.send(keyPath('/b'))).toMatchObject({
      json: { value: { encoding: 'hex', text: '00ff', size: 2 } },
    })
    for (const [encoding, value] of [
      ['json', '{"via":'],
      ['json', '7'],
      ['hex', '0'],
      ['hex', 'xy'],
      ['base64', '*'],
      ['base64', 'AAA'],
    ]) {
      expect(await put('/config/routes/bad', encoding ?? '', value ?? '')).toMatchObject({
        status: 422,
      })
    }
    expect(await put('/no/model', 'json', '{}')).toMatchObject({ status: 422 })
    expect(await put('/c', 'text', '\ud800')).toMatchObject({ status: 422 })
    expect(await put('/c', 'other', '')).toMatchObject({ status: 400 })
    expect(await put('/c', 'text', '', { ttlms: 1 })).toMatchObject({ status: 400 })
    expect(await put('', 'text', '')).toMatchObject({ status: 400 })
    expect(await put('/c', 'text', '', { ttlMs: -1 })).toMatchObject({ status: 400 })
    expect(await page.send('api/key')).toMatchObject({ status: 400 })
    expect(await page.send('api/key?key=a&key=b')).toMatchObject({ status: 400 })
    expect(await page.send('api/keys?transport=other')).toMatchObject({ status: 404 })
    expect(await page.send('api/key?key=%ED%A0%80', { method: 'GET' })).toMatchObject({
      status: 404,
    })
    expect(await page.send(keyPath('/c'), { method: 'PUT', body: '{"value":' })).toMatchObject({
      status: 400,
    })
    expect(
      await put('/config/interfaces/x', 'json', '{"mtu":2}', { waitFor: 'applied' }),
    ).toMatchObject({
      status: 422,
      json: {
        code: 'SYNC_REFUSED',
        outcome: 'stored',
        detail: expect.stringContaining('mtu 2 is too small'),
      },
    })
    // Who wrote what is stored can be seen, whatever receivers say to it.
    expect(logged.at(-1)).toMatchObject({ what: 'put', outcome: 'stored' })
    // An undecodable value is shown as what it is.
    await agent.put('/config/routes/broken', raw(Uint8Array.of(123, 1)))
    expect(await page.send(keyPath('/config/routes/broken'))).toMatchObject({
      json: {
        value: { encoding: 'hex', text: '7b01', problem: expect.stringContaining('not a valid') },
      },
    })
  })

  it('expire when they are told to', async () => {
    const agent = networkAgent()
    const page = await servePage(agent)
    await agent.start()
    const body = { value: { encoding: 'text', text: 'x' }, ifAbsent: true, ttlMs: 50 }
    expect(await page.json(keyPath('/ttl'), 'PUT', body)).toMatchObject({ status: 200 })
    await waitFor(async () => (await agent.get('/ttl')) === undefined)
  })

  it('come in pages, in the order of their bytes', async () => {
    const agent = networkAgent()
    const page = await servePage(agent)
    await agent.start()
    const keys = ['/p/\uff5e', '/p/\u{1f600}', ...Array.from({ length: 25 }, (_, i) => `/p/${i}`)]
    for (const key of keys) await agent.put(key, text('x'))
    const seen: string[] = []
    let after: string | undefined
    for (;;) {
      const query = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
      const { json } = await page.send(`api/keys?prefix=/p/&limit=10${query}`)
      const pairs = json['pairs'] as { key: string }[]
      seen.push(...pairs.map(({ key }) => key))
      after = seen.at(-1)
      if (json['more'] !== true) break
    }
    const expected = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(seen).toEqual(expected)
    for (const limit of ['0', '501', 'x', '1.5']) {
      expect(await page.send(`api/keys?limit=${limit}`)).toMatchObject({ status: 400 })
    }
  })
})

describe('events', () => {
  it('tell the state first, then what changes, runs, refusals and changes of keys', async () => {
    const agent = networkAgent()
    const page = await servePage(agent, { title: 'edge-1', models })
    await agent.put('/config/routes/a', settings.message({ via: 'x' }))
    const listener = await Listener.open(page.url('api/events?changes=/config/'))
    const [first] = [await listener.next('state')]
    expect(listener.heard[0]?.name).toBe('state')
    expect(first).toMatchObject({
      title: 'edge-1',
      status: 'starting',
      plugins: [{ name: 'interfaces', state: 'waiting' }, {}, {}],
      order: ['audit'],
    })
    await agent.start()
    await listener.next('run', ({ reason }) => reason === 'startup')
    await listener.next('patch', ({ status }) => status === 'ok')
    await listener.next('watch', ({ state, pairs }) => state === 'live' && pairs === 1)
    await agent.put('/other', text('x'))
    await agent.put('/config/routes/b', settings.message({ via: 'y' }))
    const { changes } = await listener.next('changes')
    expect(changes).toMatchObject([
      { type: 'put', key: '/config/routes/b', value: { encoding: 'json' } },
    ])
    agent.reportError('routes', new Error('lost the device'))
    await listener.next(
      'refusal',
      ({ kind, error }) => kind === 'reported' && error === 'lost the device',
    )
    await listener.next('beat')
  })

  it('are few, however much happens', async () => {
    const agent = networkAgent()
    const page = await servePage(agent)
    await agent.start()
    const listener = await Listener.open(page.url('api/events?changes='))
    await listener.next('watch')
    const began = performance.now()
    for (let i = 0; i < 20_000; i++) await agent.put(`/load/${i % 100}`, text(`${i}`))
    await agent.put('/fence', text('x'))
    const isFence = ({ changes }: Record<string, unknown>): boolean =>
      JSON.stringify(changes).includes('/fence')
    // The last ones are counted, too, when they are not shown.
    await waitFor(async () => {
      await agent.put('/fence', text('y'))
      return listener.heard.some(({ name, data }) => name === 'changes' && isFence(data))
    })
    const tenths = (performance.now() - began) / 100
    const messages = listener.heard.filter(({ name }) => name === 'changes')
    expect(messages.length).toBeLessThanOrEqual(tenths + 2)
    const shown = messages.map(({ data }) => (data['changes'] as unknown[]).length)
    expect(Math.max(...shown)).toBeLessThanOrEqual(100)
    const skipped = messages.reduce((sum, { data }) => sum + Number(data['skipped']), 0)
    expect(shown.reduce((sum, n) => sum + n, 0) + skipped).toBeGreaterThanOrEqual(20_001)
    const patches = listener.heard.filter(({ name }) => name === 'patch').length
    expect(patches).toBeLessThanOrEqual(tenths / 2.5 + 2)
  })

  it.each([
    ['resumes', false],
    ['lists again', true],
  ])('go on when the store was away, where it %s', async (_title, forgetful) => {
    const inner = memory()
    const transport = new SwitchableTransport(inner, { forgetful })
    const agent = new Agent({ transport })
    const page = await servePage(agent)
    agent.watch('all', '/').handle({})
    await agent.start()
    await agent.put('/before', text('x'))
    const listener = await Listener.open(page.url('api/events?changes=/'))
    await listener.next('watch', ({ state, pairs }) => state === 'live' && pairs === 1)
    transport.cut()
    const transports = (state: string, error: string) => (data: Record<string, unknown>) => {
      const told = JSON.stringify(data['transports'] ?? [])
      return told.includes(`"state":"${state}"`) && told.includes(error)
    }
    await listener.next('patch', transports('stale', 'switched off'))
    transport.restore()
    await listener.next('patch', transports('live', ''))
    await agent.put('/again', text('x'))
    await listener.next('changes', ({ changes }) => JSON.stringify(changes).includes('/again'))
  })

  it('say that a store cannot be watched, where it cannot', async () => {
    const path = await tempDir('dashboard')
    const owner = new Agent({ transport: lmdb({ path }) })
    await owner.start()
    await owner.close()
    const agent = new Agent({ transport: lmdb({ path, readOnly: true }) })
    const page = await servePage(agent)
    await agent.start()
    const listener = await Listener.open(page.url('api/events?changes='))
    await listener.next(
      'watch',
      ({ state, error }) => state === 'lost' && /only be read/u.test(String(error)),
    )
    expect(listener.ended).toBe(false)
  })

  it('go to so many pages only', async () => {
    const page = await servePage(networkAgent(), { maxWatchers: 2 })
    const first = await Listener.open(page.url('api/events'))
    await Listener.open(page.url('api/events'))
    expect(await page.send('api/events')).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
    })
    first.close()
    await waitFor(async () => {
      const response = await fetch(page.url('api/events'))
      await response.body?.cancel()
      return response.ok
    })
  })

  it('end with a connection on which they were asked for one behind the other', async () => {
    const page = await servePage(networkAgent(), { maxWatchers: 2 })
    const socket = connect(Number(new URL(page.url()).port), '127.0.0.1')
    onTeardown(() => socket.destroy())
    socket.on('error', () => {}).resume()
    socket.write('GET /dashboard/api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(2))
    /** Of as many as there may be, asked for together. */
    const statuses = async (): Promise<string> => {
      const all = await Promise.all([1, 2].map(() => fetch(page.url('api/events'))))
      await Promise.all(all.map(async ({ body }) => body?.cancel()))
      return all.map(({ status }) => status).join()
    }
    await waitFor(async () => (await statuses()) === '503,503')
    socket.destroy()
    await waitFor(async () => (await statuses()) === '200,200')
  })

  it('are not kept for a page that never reads: it is cut off, and memory is bounded', async () => {
    const agent = networkAgent()
    const page = await servePage(agent)
    // Every registration is told again when anything of it changes.
    for (let i = 0; i < 2_000; i++)
      agent.watch(`r${i}`, `/r/${'x'.repeat(200)}${i}/`).handle({ change: () => {} })
    await agent.start()
    const { port } = new URL(page.url())
    const socket = connect(Number(port), '127.0.0.1')
    onTeardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.pause()
    socket.write(`GET /dashboard/api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    const connections = (): Promise<number> =>
      new Promise((resolve, reject) => {
        page.server.getConnections((error, count) =>
          error === null ? resolve(count) : reject(error),
        )
      })
    await waitFor(async () => (await connections()) === 1)
    await waitFor(
      async () => {
        await agent.resync()
        return (await connections()) === 0
      },
      { timeoutMs: 60_000 },
    )
  })

  it('begin with a state that may be long: a page that takes its time for it is not cut off', async () => {
    let sink: EventSink | undefined
    const server = createServer((_request, response) => {
      sink = new EventSink(response)
      sink.send('state', JSON.stringify('x'.repeat(16 * 1024 * 1024)))
    })
    onTeardown(() => {
      server.closeAllConnections()
      server.close()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    onTeardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await waitFor(() => sink?.behind === true)
    sink?.send('beat', '{}')
    sink?.send('beat', '{}')
    expect(sink?.signal.aborted).toBe(false)
    // All that comes after it is bounded as ever.
    for (let i = 0; i < 32; i++) sink?.send('patch', JSON.stringify('x'.repeat(1024 * 1024)))
    await waitFor(() => sink?.signal.aborted === true)
  })

  it('end with the agent; then nothing is left', async () => {
    const leaks = await leakCheck()
    const agent = networkAgent()
    const own = await serveDashboard(agent)
    await agent.start()
    const listener = await Listener.open(`${own.url}api/events?changes=`)
    await listener.next('watch')
    await agent.close()
    await waitFor(() => listener.ended)
    expect(listener.heard.at(-1)).toMatchObject({ name: 'patch', data: { status: 'closed' } })
    const after = await fetch(`${own.url}api/keys`)
    expect(after.status).toBe(503)
    await after.body?.cancel()
    await own.close()
    await own.close()
    await leaks.expectNoLeaks()
  })
})

describe('limits', () => {
  it('of a body', async () => {
    const page = await servePage(networkAgent(), { maxBodyBytes: 2_048 })
    await page.agent.start()
    const put = (size: number) =>
      page.json(keyPath('/big'), 'PUT', {
        value: { encoding: 'text', text: 'x'.repeat(size) },
        ifAbsent: true,
      })
    expect(await put(4_096)).toMatchObject({ status: 413 })
    expect(await put(1_024)).toMatchObject({ status: 200 })
  })

  it('of what is shown of a value', async () => {
    const page = await servePage(networkAgent())
    await page.agent.put('/big', raw(new Uint8Array(2 * 1024 * 1024)))
    await page.agent.put('/long', text('ä'.repeat(1024 * 1024)))
    await page.agent.start()
    const big = await page.send(keyPath('/big'))
    expect(big).toMatchObject({
      json: { value: { encoding: 'hex', cut: true, size: 2 * 1024 * 1024 } },
    })
    expect(big.text.length).toBeLessThan(300 * 1024)
    expect(await page.send(keyPath('/long'))).toMatchObject({
      json: { value: { encoding: 'text', cut: true } },
    })
    expect((await page.send('api/keys')).text.length).toBeLessThan(2_000)
  })

  it('of lists under way', async () => {
    let finish = (): void => {}
    const slow = new Promise<void>((resolve) => {
      finish = resolve
    })
    const inner = memory()
    const transport = new Proxy(inner, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name)
        if (typeof found !== 'function') return found
        if (name !== 'list') return found.bind(target) as unknown
        return async function* list(prefix: string, io: Io) {
          await slow
          yield* listOf(target, prefix, io)
        }
      },
    })
    const page = await servePage(new Agent({ transport }))
    await page.agent.start()
    const lists = Array.from({ length: 4 }, () => page.send('api/keys'))
    const more = await waitFor(async () => {
      const answer = await Promise.race([page.send('api/keys'), slow])
      return answer?.status === 503 && answer
    })
    expect(more).toMatchObject({ json: { detail: expect.stringContaining('lists') } })
    finish()
    const statuses = (await Promise.all(lists)).map(({ status }) => status)
    expect(statuses).toEqual([200, 200, 200, 200])
    expect(await page.send('api/keys')).toMatchObject({ status: 200 })
  })
})

it('a socket that says nothing is given up by a server of its own', async () => {
  const agent = networkAgent()
  onTeardown(() => agent.close())
  await using own = await serveDashboard(agent)
  const socket = connect(Number(new URL(own.url).port), '127.0.0.1')
  onTeardown(() => socket.destroy())
  socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')
  const [data] = (await once(socket, 'data')) as [Buffer]
  expect(data.toString()).toMatch(/^HTTP\/1\.1 408 /u)
}, 60_000)
