import { connect } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { EventSource } from 'eventsource'
import { Registry } from 'prom-client'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { codec, model, raw } from '../../src/index.ts'
import type { Instrumentation } from '../../src/index.ts'
import { metrics } from '../../src/telemetry/index.ts'
import { http } from '../support/http.ts'
import { serveAgent } from '../support/rest.ts'
import { openSse } from '../support/sse.ts'
import { tempDir } from '../support/temp-dir.ts'
import { onTeardown } from '../support/teardown.ts'
import { waitFor } from '../support/wait-for.ts'

const value = (text: string): ReturnType<typeof raw> => raw(Buffer.from(text))
const b64 = (text: string): string => Buffer.from(text).toString('base64')

describe('a watch over REST', () => {
  it('begin, pairs, end with an id; then changes, an id behind each transaction', async () => {
    const { url, agent } = await serveAgent()
    await agent.put('/w/a', value('1'))
    await agent.put('/other', value('1'))
    const watch = await openSse(url, '/v1/watch?prefix=/w/')
    await watch.until('resync-end')
    expect(watch.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    })
    await agent.txn().put('/w/b', value('2')).put('/w/c', value('3')).delete('/w/a').commit()
    await agent.put('/other', value('2'))
    await agent.put('/w/b', value('4'))
    await watch.until('changes', 2)
    const told = watch.events.filter(({ event }) => event !== 'progress')
    expect(told.map(({ event, id, data }) => [event, id !== undefined, data])).toEqual([
      ['info', false, expect.objectContaining({ name: 'rx-datasync', readable: [''] })],
      ['resync-begin', false, { reason: 'startup' }],
      [
        'pairs',
        false,
        {
          pairs: [
            {
              key: '/w/a',
              value: b64('1'),
              encoding: 'base64',
              version: expect.any(String),
              revision: 1,
            },
          ],
        },
      ],
      ['resync-end', true, {}],
      [
        'changes',
        true,
        {
          changes: [
            expect.objectContaining({ type: 'put', key: '/w/b', value: b64('2') }),
            expect.objectContaining({ type: 'put', key: '/w/c', value: b64('3') }),
            { type: 'delete', key: '/w/a', revision: expect.any(Number) },
          ],
        },
      ],
      ['changes', true, { changes: [expect.objectContaining({ key: '/w/b', value: b64('4') })] }],
    ])
    watch.stop()
  })

  it('Last-Event-ID, and lastEventId in the query, go on; what is too old or unknown begins anew', async () => {
    const { url, agent } = await serveAgent()
    await agent.put('/w/a', value('1'))
    const first = await openSse(url, '/v1/watch?prefix=/w/')
    await first.until('resync-end')
    const id = first.lastId ?? ''
    first.stop()
    await agent.put('/w/b', value('2'))
    for (const [query, headers] of [
      ['', { 'last-event-id': id }],
      [`&lastEventId=${encodeURIComponent(id)}`, {}],
    ] as const) {
      const again = await openSse(url, `/v1/watch?prefix=/w/${query}`, headers)
      await again.until('changes')
      expect(again.events.map(({ event }) => event)).toEqual(['info', 'changes'])
      expect(again.fold()).toEqual(new Map([['/w/b', b64('2')]]))
      again.stop()
    }
    // More than the history of what is served holds; a watcher that goes along says when it is through.
    const along = await openSse(url, '/v1/watch?prefix=/w/&values=false')
    await along.until('resync-end')
    for (let round = 0; round < 13; round++) {
      const txn = agent.txn()
      for (let i = 0; i < 2_100; i++) txn.put(`/w/${i}`, value(String(round)))
      await txn.commit()
      await along.until('changes', round + 1)
    }
    along.stop()
    for (const [old, reason] of [
      [id, 'compacted'],
      ['elsewhere:5', 'reconnected'],
      ['%zz%', 'reconnected'],
      [encodeURIComponent('\0😀'), 'reconnected'],
    ] as const) {
      const late = await openSse(url, '/v1/watch?prefix=/w/', { 'last-event-id': old })
      await late.until('resync-end')
      expect(late.events[1]).toMatchObject({ event: 'resync-begin', data: { reason } })
      expect(late.fold().size).toBe(2_102)
      late.stop()
    }
  })

  it('an id of an earlier run of the server begins anew, and misses nothing', async () => {
    const path = await tempDir('rest')
    const before = await serveAgent({}, { transport: lmdb({ path }) })
    await before.agent.put('/w/a', value('1'))
    const first = await openSse(before.url, '/v1/watch?prefix=/w/')
    await first.until('resync-end')
    await before.close()
    expect((await first.until('closed')).data.code).toBe('SYNC_CLOSED')
    await waitFor(() => first.ended)
    const after = await serveAgent({}, { transport: lmdb({ path }) })
    await after.agent.delete('/w/a')
    await after.agent.put('/w/b', value('2'))
    const again = await openSse(after.url, '/v1/watch?prefix=/w/', {
      'last-event-id': first.lastId ?? '',
    })
    await again.until('resync-end')
    expect(again.events[1]).toMatchObject({ data: { reason: 'reconnected' } })
    expect(again.fold()).toEqual(new Map([['/w/b', b64('2')]]))
    again.stop()
  })

  it('several prefixes, keys only, JSON of models; POST for many prefixes', async () => {
    const text = codec({
      encode: (json: unknown) => Buffer.from(JSON.stringify(json)),
      decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as unknown,
    })
    const models = [model('/j/', text, { json: { toJson: (v) => v, fromJson: (json) => json } })]
    const { url, agent } = await serveAgent({ models })
    await agent.put('/j/a', value('{"x":1}'))
    await agent.put('/k/a', value('k'))
    await agent.put('/other', value('o'))
    const json = await openSse(url, '/v1/watch?prefix=/j/&prefix=/k/&format=json')
    await json.until('resync-end')
    expect(json.fold()).toEqual(
      new Map<string, unknown>([
        ['/j/a', { x: 1 }],
        ['/k/a', b64('k')],
      ]),
    )
    const keys = await openSse(url, '/v1/watch?prefix=/j/&values=false')
    await keys.until('resync-end')
    expect(keys.events.find(({ event }) => event === 'pairs')?.data.pairs).toEqual([
      { key: '/j/a', version: expect.any(String), revision: 1 },
    ])
    json.stop()
    keys.stop()
    for (const bad of ['', '?prefix=a&heartbeatMs=1', '?key=a', '?prefix=%ff']) {
      expect([bad, (await http(url, `/v1/watch${bad}`)).status]).toEqual([bad, 400])
    }
    const body = JSON.stringify({ prefixes: 7 })
    const post = await http(url, '/v1/watch', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    expect(post.status).toBe(400)
    expect(
      (await http(url, '/v1/watch?prefix=a', { headers: { accept: 'application/json' } })).status,
    ).toBe(406)
  })

  it('heartbeats, counted watchers, an end with the agent', async () => {
    let watchers = 0
    const instrumentation: Instrumentation = {
      watchers: ({ server, change }) => {
        expect(server).toBe('rest')
        watchers += change
      },
    }
    const { url, agent } = await serveAgent({ heartbeatMs: 50 }, { instrumentation })
    const watch = await openSse(url, '/v1/watch?prefix=/w/')
    await watch.until('resync-end')
    const before = watch.comments
    await waitFor(() => watch.comments >= before + 3)
    expect(watchers).toBe(1)
    const other = await openSse(url, '/v1/watch?prefix=/w/')
    await waitFor(() => watchers === 2)
    other.stop()
    await waitFor(() => watchers === 1)
    await agent.close()
    expect((await watch.until('closed')).data).toMatchObject({ code: 'SYNC_CLOSED' })
    await waitFor(() => watch.ended && watchers === 0)
  })

  it('watches sent one behind the other on a connection end with it, and give back their places', async () => {
    let watchers = 0
    let most = 0
    const instrumentation: Instrumentation = {
      watchers: ({ change }) => {
        watchers += change
        most = Math.max(most, watchers)
      },
    }
    const limits = { maxWatchers: 5 }
    const { url, server } = await serveAgent({ limits }, { instrumentation })
    const socket = connect(server.port, '127.0.0.1')
    onTeardown(() => socket.destroy())
    socket.on('error', () => {}).resume()
    const requests = ['/v1/watch?prefix=', '/v1/keys?prefix=', '/v1/watch?prefix=']
    socket.write(requests.map((path) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`).join(''))
    await waitFor(() => most === 2)
    socket.destroy()
    await waitFor(() => watchers === 0)
    const all = await Promise.all(
      Array.from({ length: limits.maxWatchers }, () => openSse(url, '/v1/watch?prefix=')),
    )
    expect(all.map(({ status }) => status)).toEqual(all.map(() => 200))
    for (const each of all) each.stop()
  })

  it('remote watchers show in the metrics', async () => {
    const register = new Registry()
    const { url } = await serveAgent({}, { instrumentation: metrics({ register }) })
    const watch = await openSse(url, '/v1/watch?prefix=/w/')
    const shown = async (): Promise<string> =>
      /^datasync_remote_watchers.*$/mu.exec(await register.metrics())?.[0] ?? ''
    expect(await shown()).toBe('datasync_remote_watchers{transport="memory",server="rest"} 1')
    watch.stop()
    await waitFor(async () => (await shown()).endsWith(' 0'))
  })

  it('limits of watchers, in all and per client', async () => {
    const { url } = await serveAgent({ limits: { maxWatchers: 3, maxWatchersPerClient: 2 } })
    const open = [await openSse(url, '/v1/watch?prefix='), await openSse(url, '/v1/watch?prefix=')]
    const third = await http(url, '/v1/watch?prefix=')
    expect([third.status, third.json.code]).toEqual([429, 'SYNC_OVERFLOW'])
    expect(Number(third.headers['retry-after'])).toBeGreaterThan(0)
    open[0]?.stop()
    await waitFor(async () => {
      const again = await openSse(url, '/v1/watch?prefix=')
      again.stop()
      return again.status === 200
    })
    const few = await serveAgent({ limits: { maxWatchers: 1 } })
    const only = await openSse(few.url, '/v1/watch?prefix=')
    expect((await http(few.url, '/v1/watch?prefix=')).status).toBe(503)
    only.stop()
    open[1]?.stop()
  })

  it('a transaction that is larger than an event comes in parts, the id behind the last', async () => {
    const { url, agent } = await serveAgent()
    const watch = await openSse(url, '/v1/watch?prefix=/w/')
    await watch.until('resync-end')
    const txn = agent.txn()
    for (let i = 0; i < 40; i++) txn.put(`/w/${i}`, raw(Buffer.alloc(100_000, i)))
    await txn.commit()
    await waitFor(() => watch.fold().size === 40)
    const parts = watch.events.filter(({ event }) => event === 'changes')
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.map(({ id, data }) => [id !== undefined, data.more])).toEqual(
      parts.map((_, i) => (i === parts.length - 1 ? [true, undefined] : [false, true])),
    )
    watch.stop()
  })

  it('a third-party client: EventSource reads it, and goes on by itself after a lost connection', async () => {
    const { url, agent, server } = await serveAgent()
    await agent.put('/w/a', value('1'))
    const source = new EventSource(`${url}/v1/watch?prefix=/w/`)
    onTeardown(() => source.close())
    const seen: string[] = []
    for (const name of ['resync-begin', 'resync-end'])
      source.addEventListener(name, () => seen.push(name))
    source.addEventListener('changes', ({ data }: { data: string }) => {
      for (const { key } of (JSON.parse(data) as { changes: { key: string }[] }).changes)
        seen.push(key)
    })
    await waitFor(() => seen.includes('resync-end'))
    await agent.put('/w/b', value('2'))
    await waitFor(() => seen.includes('/w/b'))
    // It is told to wait for 1 to 5 seconds, and to come back with the id of what it has.
    server.closeWatches()
    await agent.put('/w/c', value('3'))
    await waitFor(() => seen.includes('/w/c'), { timeoutMs: 20_000 })
    expect(seen).toEqual(['resync-begin', 'resync-end', '/w/b', '/w/c'])
    source.close()
  })
})
