import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from '@jest/globals'
import { restRouter } from '../../src/adapters/rest/server/index.ts'
import { Agent, codec, memory, model, raw } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { http, rawHttp } from '../support/http.ts'
import { KeptOpen } from '../support/kept-open.ts'
import { OpenApiCheck } from '../support/openapi.ts'
import type { OpenApi } from '../support/openapi.ts'
import { serveAgent } from '../support/rest.ts'
import { openSse } from '../support/sse.ts'

interface Lamp {
  readonly watts: number
}

const lamps = model(
  '/lamp/',
  codec({
    encode: ({ watts }: Lamp) => Uint8Array.of(watts),
    decode: (bytes): Lamp => {
      if (bytes.length !== 1) throw new Error('no lamp')
      return { watts: bytes[0] ?? 0 }
    },
  }),
  {
    json: {
      toJson: ({ watts }) => ({ watts }),
      fromJson: (json) => {
        const { watts } = json as Lamp
        if (typeof watts !== 'number') throw new Error('watts is missing')
        return { watts }
      },
    },
  },
)

const BYTES = { 'content-type': 'application/octet-stream' }
const JSON_BODY = { 'content-type': 'application/json' }
const b64 = (text: string): string => Buffer.from(text).toString('base64')

function put(
  body: string,
  headers: Record<string, string> = BYTES,
): {
  method: string
  body: string
  headers: Record<string, string>
} {
  return { method: 'PUT', body, headers }
}

describe('the routes of REST', () => {
  it('a key: put, get, head, conditions, delete', async () => {
    const { url } = await serveAgent()
    const api = await OpenApiCheck.of(url)
    const at = '/v1/keys?key=%2Fa%2Fkey'
    expect((await api.http(at)).json).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    const made = await api.http(at, put('one', { ...BYTES, 'if-none-match': '*' }))
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({ outcome: 'applied', key: '/a/key', receivers: 0 })
    expect(made.headers['datasync-receivers']).toBe('0')
    const etag = made.headers.etag ?? ''
    expect(etag).toMatch(/^"[^"]+"$/u)
    const again = await api.http(at, put('two', { ...BYTES, 'if-none-match': '*' }))
    expect(again.status).toBe(412)
    expect(again.headers.etag).toBe(etag)
    expect(again.json).toMatchObject({
      code: 'SYNC_VERSION_CONFLICT',
      key: '/a/key',
      outcome: 'not-applied',
    })
    expect(`"${again.json.actual}"`).toBe(etag)
    const read = await api.http(at)
    expect([read.text, read.headers['content-type'], read.headers.etag]).toEqual([
      'one',
      'application/octet-stream',
      etag,
    ])
    expect(read.headers['cache-control']).toBe('no-store')
    expect((await api.http(at, { method: 'HEAD' })).headers).toMatchObject({
      etag,
      'content-length': '3',
    })
    expect((await api.http(at, { headers: { 'if-none-match': `"x", W/${etag}` } })).status).toBe(
      304,
    )
    expect((await api.http(at, { method: 'HEAD', headers: { 'if-none-match': '*' } })).status).toBe(
      304,
    )
    expect((await api.http(at, { headers: { 'if-match': '"x"' } })).status).toBe(412)
    // Weak tags match nothing in If-Match.
    expect((await api.http(at, put('two', { ...BYTES, 'if-match': `W/${etag}` }))).status).toBe(412)
    expect((await api.http(at, put('two', { ...BYTES, 'if-match': `"x", ${etag}` }))).status).toBe(
      200,
    )
    expect((await api.http(at, put('three', { ...BYTES, 'if-match': etag }))).status).toBe(412)
    expect((await api.http(at, put('three', { ...BYTES, 'if-match': '*' }))).status).toBe(200)
    expect(
      (await api.http('/v1/keys?key=/none', put('x', { ...BYTES, 'if-match': '*' }))).status,
    ).toBe(412)
    expect(
      (await api.http('/v1/keys?key=/none', put('x', { ...BYTES, 'if-none-match': '"y"' }))).status,
    ).toBe(200)
    expect((await api.http(at, put('x', { ...BYTES, 'if-match': 'x' }))).status).toBe(400)
    const part = { ...BYTES, 'content-range': 'bytes 0-0/5' }
    expect((await api.http(at, put('x', part))).status).toBe(400)
    const both = { ...BYTES, 'if-match': etag, 'if-none-match': '*' }
    expect((await api.http(at, put('x', both))).status).toBe(400)
    expect((await api.http(at, { method: 'DELETE', headers: { 'if-match': etag } })).status).toBe(
      412,
    )
    const unless = async (tags: string, where = at): Promise<[number, unknown]> => {
      const headers = { 'if-none-match': tags }
      const answer = await api.http(where, { method: 'DELETE', headers })
      return [answer.status, answer.json.deleted]
    }
    for (const tags of ['*', '"x"']) {
      expect(await unless(tags, '/v1/keys?key=/none/at/all')).toEqual([200, 0])
    }
    const present = (await api.http(at)).headers.etag ?? ''
    for (const tags of ['*', `"x", ${present}`]) {
      expect(await unless(tags)).toEqual([412, undefined])
    }
    expect(await unless('"x"', '/v1/keys?key=/none')).toEqual([200, 1])
    expect((await api.http(at, { method: 'DELETE' })).json).toEqual({
      outcome: 'applied',
      key: '/a/key',
      deleted: 1,
      receivers: 0,
    })
    expect((await api.http(at, { method: 'DELETE' })).json).toMatchObject({ deleted: 0 })
    // Zero bytes are a value; so is no body at all.
    expect((await api.http(at, put(''))).status).toBe(200)
    expect((await api.http(at)).body).toHaveLength(0)
    expect((await api.http(at, { method: 'PUT' })).status).toBe(200)
  })

  it('a write under an Idempotency-Key is done once', async () => {
    const { url, agent } = await serveAgent()
    const api = await OpenApiCheck.of(url)
    const headers = { ...BYTES, 'idempotency-key': 'one' }
    expect((await api.http('/v1/keys?key=/i/a', put('1', headers))).status).toBe(200)
    const twice = await api.http('/v1/keys?key=/i/a', put('2', headers))
    expect([twice.status, twice.json]).toMatchObject([
      409,
      { code: 'SYNC_UNAVAILABLE', outcome: 'unknown' },
    ])
    const deleted = await api.http('/v1/keys?key=/i/a', { method: 'DELETE', headers })
    expect(deleted.status).toBe(409)
    expect(Buffer.from((await agent.get('/i/a'))?.bytes ?? []).toString()).toBe('1')
    expect((await api.http('/v1/keys?key=/i/a', { headers })).text).toBe('1')
    // What was refused may be sent again: nothing came of it.
    const again = { ...BYTES, 'idempotency-key': 'two' }
    const other = { ...again, 'if-match': '"other"' }
    expect((await api.http('/v1/keys?key=/i/b', put('1', other))).status).toBe(412)
    expect((await api.http('/v1/keys?key=/i/b&ttl=x', put('1', again))).status).toBe(400)
    expect((await api.http('/v1/keys?key=/i/b', put('2', again))).status).toBe(200)
    expect((await api.http('/v1/keys?key=/i/b', put('3', again))).status).toBe(409)
  })

  it('wait, time and receivers', async () => {
    let refuses = false
    let held: (() => void) | undefined
    const { url } = await serveAgent({}, {}, (agent) => {
      agent.watch('lamps', '/w/', { onRefusal: 'continue' }).handle({
        change: () => {
          if (refuses) throw new Error('too bright')
          return held === undefined ? undefined : new Promise<void>((resolve) => (held = resolve))
        },
      })
    })
    const api = await OpenApiCheck.of(url)
    expect((await api.http('/v1/keys?key=/w/a', put('1'))).json).toMatchObject({
      outcome: 'applied',
      receivers: 1,
    })
    const unawaited = await api.http('/v1/keys?key=/w/a&wait=false', put('2'))
    expect([unawaited.status, unawaited.json.outcome]).toEqual([202, 'stored'])
    refuses = true
    const refused = await api.http('/v1/keys?key=/w/a', put('3'))
    expect(refused.status).toBe(422)
    expect(refused.headers['content-type']).toBe('application/problem+json')
    expect(refused.json).toMatchObject({
      code: 'SYNC_REFUSED',
      outcome: 'stored',
      refusals: [{ registration: 'lamps', error: 'too bright' }],
      type: expect.stringContaining('docs/errors.md#sync_refused'),
    })
    expect(refused.text).not.toContain('    at ')
    expect((await api.http('/v1/keys?key=/w/a')).text).toBe('3')
    refuses = false
    held = () => {}
    const late = await api.http('/v1/keys?key=/w/a&timeoutMs=30', put('4'))
    expect(late.status).toBe(202)
    expect(late.json).toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'stored' })
    held()
    held = undefined
    for (const bad of [
      'timeoutMs=0',
      'timeoutMs=1e3',
      'wait=yes',
      'ttl=0',
      'ttl=5x',
      'nonsense=1',
      'wait=true&wait=true',
    ]) {
      expect([bad, (await api.http(`/v1/keys?key=/w/a&${bad}`, put('x'))).status]).toEqual([
        bad,
        400,
      ])
    }
    expect((await api.http('/v1/keys?key=/w/a&ttl=20ms&wait=false', put('x'))).status).toBe(202)
  })

  it('a condition on several keys is refused, not passed over', async () => {
    const { url, agent } = await serveAgent()
    const api = await OpenApiCheck.of(url)
    for (const header of ['if-match', 'if-none-match']) {
      const headers = { ...JSON_BODY, [header]: '"other"' }
      const replaced = { method: 'PUT', headers, body: '[{"key":"/m/a","value":""}]' }
      const ops = {
        method: 'POST',
        headers,
        body: '{"ops":[{"op":"put","key":"/m/a","value":""}]}',
      }
      const deleted = { method: 'DELETE', headers: { [header]: '*' } }
      for (const answer of [
        await api.http('/v1/keys?prefix=/m/', replaced),
        await api.http('/v1/txn', ops),
        await api.http('/v1/keys?prefix=/m/', deleted),
      ]) {
        expect([answer.status, answer.json.code]).toEqual([400, 'SYNC_INVALID_OPTION'])
      }
    }
    expect(await agent.get('/m/a')).toBeUndefined()
  })

  it('If-Match: * holds among writers that come between; when they do all the time, 503', async () => {
    const store = memory()
    const commit = store.commit.bind(store)
    let between = 0
    store.commit = async (ops, options, io) => {
      const [op] = ops
      if (op?.type === 'put' && op.ifVersion !== undefined && between-- > 0) {
        await commit([{ type: 'put', key: op.key, value: Buffer.from(`${between}`) }], options, io)
      }
      return commit(ops, options, io)
    }
    const { url, agent } = await serveAgent({}, { transport: store })
    const api = await OpenApiCheck.of(url)
    await agent.put('/b/a', raw(Buffer.from('0')))
    const any = put('mine', { ...BYTES, 'if-match': '*' })
    between = 10
    expect((await api.http('/v1/keys?key=/b/a', any)).status).toBe(200)
    between = 1_000
    const crowded = await api.http('/v1/keys?key=/b/a', any)
    expect([crowded.status, crowded.json.outcome]).toEqual([503, 'not-applied'])
    expect((await api.http('/v1/keys?key=/b/none', any)).status).toBe(412)
  })

  it('a write that would wait for longer than is allowed waits as long as that', async () => {
    const { url } = await serveAgent({ limits: { maxWaitMs: 50 } }, {}, (agent) => {
      agent
        .watch('lamps', '/w/', { doneTimeoutMs: { change: 0 } })
        .handle({ change: () => new Promise(() => {}) })
    })
    const api = await OpenApiCheck.of(url)
    const late = await api.http('/v1/keys?key=/w/a&timeoutMs=60000', put('1'))
    expect([late.status, late.json.code, late.json.outcome]).toEqual([
      202,
      'SYNC_TIMEOUT',
      'stored',
    ])
  })

  it('several keys, pages of a prefix, UTF-8 order', async () => {
    const { url } = await serveAgent()
    const api = await OpenApiCheck.of(url)
    const names = ['a', 'b', 'ｅ', '😀', '__proto__', '..', '//x', 'c d', 'e+f', '%41']
    for (const name of names) {
      const answer = await api.http(`/v1/keys?key=${encodeURIComponent(`/p/${name}`)}`, put(name))
      expect(answer.status).toBe(200)
    }
    const sorted = names
      .map((name) => `/p/${name}`)
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const seen: string[] = []
    for (let next = '?prefix=%2Fp%2F&limit=3'; next !== '';) {
      const page = await api.http(`/v1/keys${next}`)
      expect(page.json.pairs.length).toBeLessThanOrEqual(3)
      for (const { key, value, encoding } of page.json.pairs) {
        seen.push(key)
        expect([encoding, Buffer.from(value, 'base64').toString()]).toEqual([
          'base64',
          key.slice(3),
        ])
      }
      next = page.json.next ?? ''
      expect(page.headers['link']).toBe(next === '' ? undefined : `<${next}>; rel="next"`)
    }
    expect(seen).toEqual(sorted)
    expect((await api.http('/v1/keys?prefix=/p/&values=false')).json.pairs[0]).toEqual({
      key: '/p/%41',
      version: expect.any(String),
      revision: expect.any(Number),
    })
    expect((await api.http('/v1/keys?prefix=')).json.pairs).toHaveLength(names.length)
    expect((await api.http('/v1/keys?prefix=/p/', { method: 'HEAD' })).status).toBe(200)
    const some = await api.http('/v1/keys?key=/p/b&key=/p/a&key=/p/none')
    expect(some.json.pairs.map(({ key }: { key: string }) => key)).toEqual(['/p/a', '/p/b'])
    const many = await api.http('/v1/get', {
      method: 'POST',
      headers: JSON_BODY,
      body: JSON.stringify({ keys: ['/p/a', '/p/😀'] }),
    })
    expect(many.json.pairs).toHaveLength(2)
    expect((await api.http('/v1/get', { method: 'POST', headers: BYTES, body: '{}' })).status).toBe(
      415,
    )
    expect(
      (await api.http('/v1/get', { method: 'POST', headers: JSON_BODY, body: '{"keys":[""]}' }))
        .json,
    ).toMatchObject({ status: 400, code: 'SYNC_INVALID_KEY' })
    for (const bad of [
      '',
      '?key=',
      '?limit=3',
      '?prefix=a&limit=0',
      '?prefix=a&prefix=b',
      '?prefix=a&format=xml',
    ]) {
      expect([bad, (await api.http(`/v1/keys${bad}`)).status]).toEqual([bad, 400])
    }
  })

  it('a prefix is replaced: who is not ready gets it later, and 202 says so', async () => {
    const { url } = await serveAgent({}, { acceptTimeoutMs: 20 }, (owner) => {
      owner.watch('absent', '/r/')
      owner.watch('present', '/r/').handle({})
    })
    const api = await OpenApiCheck.of(url)
    const body = JSON.stringify([{ key: '/r/a', value: b64('1') }])
    const replaced = await api.http('/v1/keys?prefix=/r/', put(body, JSON_BODY))
    expect([replaced.status, replaced.json.outcome, replaced.json.turns]).toEqual([
      202,
      'stored',
      [
        { registration: 'absent', outcome: 'passed-over' },
        { registration: 'present', outcome: 'acked' },
      ],
    ])
  })

  it('a prefix is replaced, emptied and deleted', async () => {
    const order: string[] = []
    let refuses = false
    const { url, agent } = await serveAgent({}, {}, (owner) => {
      for (const name of ['one', 'two']) {
        owner.watch(name, '/r/').handle({
          resync: (event) => {
            order.push(`${name} ${event.reason} ${[...(event.values.get('/r/') ?? [])].length}`)
            if (refuses && name === 'two') throw new Error('not these')
          },
        })
      }
    })
    const api = await OpenApiCheck.of(url)
    await api.http('/v1/keys?key=/r/old', put('x'))
    order.length = 0
    const list = [
      { key: '/r/a', value: b64('1') },
      { key: '/r/b', value: b64('2'), ttl: '1h' },
    ]
    const replaced = await api.http('/v1/keys?prefix=/r/', put(JSON.stringify(list), JSON_BODY))
    expect(replaced.json).toMatchObject({
      outcome: 'applied',
      put: 2,
      deleted: 1,
      turns: [
        { registration: 'one', outcome: 'acked' },
        { registration: 'two', outcome: 'acked' },
      ],
    })
    expect(order).toEqual(['one requested 2', 'two requested 2'])
    // What a list says can be put back.
    const { pairs } = (await api.http('/v1/keys?prefix=/r/')).json
    expect(
      (await api.http('/v1/keys?prefix=/r/&wait=false', put(JSON.stringify(pairs), JSON_BODY)))
        .json,
    ).toMatchObject({ put: 0, deleted: 0 })
    refuses = true
    const refused = await api.http('/v1/keys?prefix=/r/', put('[]', JSON_BODY))
    expect([refused.status, refused.json.outcome, refused.json.refusals]).toEqual([
      422,
      'stored',
      [{ registration: 'two', error: 'not these' }],
    ])
    refuses = false
    expect((await api.http('/v1/keys?prefix=/r/')).json.pairs).toEqual([])
    for (const body of [
      '{}',
      '[{"key":"/other","value":""}]',
      '[{"key":"/r/a"}]',
      '[{"key":"/r/a","value":"$"}]',
      '[',
      `${'['.repeat(100)}${']'.repeat(100)}`,
      '[{"key":"/r/a","value":"","x":1}]',
    ]) {
      expect([body, (await api.http('/v1/keys?prefix=/r/', put(body, JSON_BODY))).status]).toEqual([
        body,
        400,
      ])
    }
    expect((await api.http('/v1/keys?prefix=/r/', put('x'))).status).toBe(415)
    await api.http('/v1/keys?key=/r/a', put('x'))
    await api.http('/v1/keys?key=/r/b', put('x'))
    expect((await api.http('/v1/keys?prefix=/r/', { method: 'DELETE' })).json).toMatchObject({
      outcome: 'applied',
      deleted: 2,
      receivers: 2,
    })
    expect(
      (await api.http('/v1/keys?prefix=/r/', { method: 'DELETE', headers: { 'if-match': '*' } }))
        .status,
    ).toBe(400)
    expect(await agent.get('/r/a')).toBeUndefined()
  })

  it('transactions', async () => {
    const { url } = await serveAgent({ limits: { maxOps: 5 } })
    const api = await OpenApiCheck.of(url)
    const txn = (ops: unknown, query = ''): ReturnType<typeof http> =>
      api.http(`/v1/txn${query}`, {
        method: 'POST',
        headers: JSON_BODY,
        body: JSON.stringify({ ops }),
      })
    const first = await txn([
      { op: 'put', key: '/t/a', value: b64('1'), ifAbsent: true },
      { op: 'put', key: '/t/b', value: b64('2'), ttl: '5m' },
      { op: 'delete', key: '/t/c' },
    ])
    expect(first.json).toMatchObject({
      outcome: 'applied',
      versions: [expect.any(String), expect.any(String), null],
    })
    const conflict = await txn([
      { op: 'delete', key: '/t/a', ifVersion: 'x' },
      { op: 'put', key: '/t/d', value: '' },
    ])
    expect([conflict.status, conflict.json.actual]).toEqual([412, first.json.versions[0]])
    expect((await api.http('/v1/keys?key=/t/d')).status).toBe(404)
    expect((await txn([{ op: 'delete-prefix', prefix: '/t/' }], '?wait=false')).json).toMatchObject(
      { outcome: 'stored', deleted: 2 },
    )
    for (const ops of [
      7,
      [{ op: 'move' }],
      [{ op: 'put', key: '/t/a' }],
      [{ op: 'put', key: '/t/a', value: '', prefix: 'x' }],
      [
        { op: 'delete', key: '/t/a' },
        { op: 'delete', key: '/t/a' },
      ],
      Array.from({ length: 6 }, (_, i) => ({ op: 'delete', key: `/t/${i}` })),
    ]) {
      expect([JSON.stringify(ops), (await txn(ops)).status]).toEqual([JSON.stringify(ops), 400])
    }
  })

  it('JSON of models: put, negotiated get, lists, transactions', async () => {
    const { url, agent } = await serveAgent({ models: [lamps] })
    const api = await OpenApiCheck.of(url)
    expect((await api.http('/v1/keys?key=/lamp/a', put('{"watts":60}', JSON_BODY))).status).toBe(
      200,
    )
    expect([...((await agent.get('/lamp/a'))?.bytes ?? [])]).toEqual([60])
    expect((await api.http('/v1/keys?key=/lamp/a')).headers['content-type']).toBe(
      'application/octet-stream',
    )
    const accept = (text: string): ReturnType<typeof http> =>
      api.http('/v1/keys?key=/lamp/a', { headers: { accept: text } })
    expect((await accept('application/json')).json).toEqual({ watts: 60 })
    expect((await accept('application/*;q=0.5, application/json;q=0.9')).json).toEqual({
      watts: 60,
    })
    expect((await accept('application/x-protobuf')).headers['content-type']).toBe(
      'application/x-protobuf',
    )
    expect((await accept('application/json;q=0, text/html')).status).toBe(406)
    expect(
      (await api.http('/v1/keys?key=/lamp/a', put('{"watts":"many"}', JSON_BODY))).json,
    ).toMatchObject({ status: 400, code: 'SYNC_DECODE', reason: 'watts is missing' })
    expect((await api.http('/v1/keys?key=/other', put('{}', JSON_BODY))).status).toBe(415)
    expect(
      (
        await api.http(
          '/v1/keys?key=/other',
          put('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
        )
      ).status,
    ).toBe(415)
    expect(
      (await api.http('/v1/keys?key=/other', put('x', { ...BYTES, 'content-encoding': 'gzip' })))
        .status,
    ).toBe(415)
    const packed = await rawHttp(
      url,
      'PUT /v1/keys?key=/other HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    )
    expect(packed).toContain('HTTP/1.1 415')
    await api.http('/v1/keys?key=/lamp/bad', put('no lamp'))
    expect(
      (await api.http('/v1/keys?key=/lamp/bad', { headers: { accept: 'application/json' } }))
        .status,
    ).toBe(406)
    const { pairs } = (await api.http('/v1/keys?prefix=/lamp/&format=json')).json
    expect(pairs).toMatchObject([
      { value: { watts: 60 }, encoding: 'json' },
      { value: b64('no lamp'), encoding: 'base64' },
    ])
    const ops = [
      { op: 'put', key: '/lamp/b', value: { watts: 7 }, encoding: 'json' },
      { op: 'delete', key: '/lamp/bad' },
    ]
    expect(
      (
        await api.http('/v1/txn', {
          method: 'POST',
          headers: JSON_BODY,
          body: JSON.stringify({ ops }),
        })
      ).status,
    ).toBe(200)
    expect(
      (
        await api.http(
          '/v1/keys?prefix=/lamp/',
          put('[{"key":"/lamp/c","value":{"watts":1},"encoding":"json"}]', JSON_BODY),
        )
      ).json,
    ).toMatchObject({ put: 1, deleted: 2 })
    expect((await api.http('/v1/info')).json.models).toEqual([{ prefix: '/lamp/', json: true }])
  })

  it('a codec that gives what is no JSON spoils its own value only', async () => {
    const type = codec<unknown>({ encode: () => new Uint8Array(), decode: (bytes) => bytes })
    const results: Record<string, unknown> = { big: 1n, none: undefined, fine: { ok: true } }
    let next: unknown
    const json = { toJson: () => next, fromJson: (value: unknown) => value }
    const { url, agent } = await serveAgent({ models: [model('/j/', type, { json })] })
    const api = await OpenApiCheck.of(url)
    const accept = { headers: { accept: 'application/json' } }
    const watch = await openSse(url, '/v1/watch?prefix=/j/&format=json')
    await watch.until('resync-end')
    for (const [name, result] of Object.entries(results)) {
      next = result
      await agent.put(`/j/${name}`, raw(Buffer.from(name)))
      const { data } = await watch.until('changes', Object.keys(results).indexOf(name) + 1)
      const told = name === 'fine' ? ['json', { ok: true }] : ['base64', expect.any(String)]
      expect([data.changes[0].encoding, data.changes[0].value]).toEqual(told)
      const answer = await api.http(`/v1/keys?key=/j/${name}`, accept)
      expect(answer.status).toBe(name === 'fine' ? 200 : 406)
      expect((await api.http('/v1/keys?prefix=/j/&format=json')).status).toBe(200)
    }
    watch.stop()
  })

  it('keys in the path reach the key that was written, or none', async () => {
    const { url, agent } = await serveAgent({ rootKeys: true })
    const api = await OpenApiCheck.of(url)
    for (const base of ['/v1/key', '']) {
      expect((await api.http(`${base}/config/a%20b%C3%A9?ttl=1h`, put(base))).json).toMatchObject({
        key: '/config/a bé',
      })
      expect((await api.http(`${base}/config/a%20b%C3%A9`)).text).toBe(base)
      expect((await api.http(`${base}/config/a%20b%C3%A9`, { method: 'HEAD' })).status).toBe(200)
      expect(
        (await api.http(`${base}/config/a%20b%C3%A9`, { method: 'DELETE' })).json,
      ).toMatchObject({ deleted: 1 })
      expect((await api.http(`${base}/config/none`)).status).toBe(404)
      for (const bad of [
        '/a/../b',
        '/a/./b',
        '/a/..',
        '/..',
        '/a//b',
        '/a%2Fb',
        '/a%2fb',
        '/a/%2e%2e/b',
        '/a/%2E',
        '/a%00',
        '/a%5Cb',
        '/a\\b',
        '/a%',
        '/a%zz',
        '/a%ff',
        '/a%c0%af',
        '/a%ed%a0%80',
        '//a',
        `/${'x'.repeat(1_024)}`,
      ]) {
        for (const method of ['PUT', 'GET', 'DELETE']) {
          expect([base, bad, (await api.http(`${base}${bad}`, { method })).status]).toEqual([
            base,
            bad,
            400,
          ])
        }
      }
    }
    for (const bad of [
      'a%',
      'a%zz',
      '%ff',
      '%c0%af',
      '%ed%a0%80',
      'a&key',
      'a&%6bey=b',
      'ab'.repeat(600),
    ]) {
      expect([bad, (await api.http(`/v1/keys?key=${bad}`, put('x'))).status]).toEqual([bad, 400])
    }
    expect((await api.http('/v1/keys?key=a%2Bb%00', put('x'))).json.key).toBe('a+b\0')
    expect((await agent.get('a+b\0'))?.key).toBe('a+b\0')
    const form = new URLSearchParams({ key: 'a +%&=é😀?#' })
    expect((await api.http(`/v1/keys?${form.toString()}`, put('x'))).json.key).toBe('a +%&=é😀?#')
    expect((await api.http('/v1/keys?key=/v1/keys', put('x'))).status).toBe(200)
    expect((await http(url, '/v1/keys/', put('x'))).status).toBe(404)
    expect((await http(url, '/V1/keys', put('x'))).json.key).toBe('/V1/keys')
  })

  it('a request in the absolute form that proxies are sent reaches the key that was written', async () => {
    for (const path of ['/', '/agents/a']) {
      const { url, agent, server } = await serveAgent({ path, rootKeys: true })
      const host = `localhost:${server.port}`
      for (const [target, key] of [
        ['/v1/key/by/path', '/by/path'],
        ['/v1/keys?key=by%20query', 'by query'],
        ['/by/root?ttl=1h', '/by/root'],
      ] as const) {
        const base = new URL(url).pathname.replace(/\/$/u, '')
        const answer = await rawHttp(
          url,
          `PUT http://${host}${base}${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx`,
        )
        expect(answer).toContain(`"key":${JSON.stringify(key)}`)
        expect((await agent.get(key))?.key).toBe(key)
      }
    }
  })

  it('limits, methods, a store without conditions, not ready', async () => {
    const { url } = await serveAgent({ limits: { maxBodyBytes: 1_000 } })
    const api = await OpenApiCheck.of(url)
    const body = 'x'.repeat(1_001)
    const packed = { 'content-encoding': 'gzip' }
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const at = '/v1/keys?key=/l/a'
      expect((await api.http(at, { method, body })).status).toBe(413)
      expect((await api.http(at, { method, body: 'x', headers: packed })).status).toBe(415)
    }
    const large = await api.http('/v1/keys?key=/l/a', put('x'.repeat(1_001)))
    expect([large.status, large.json]).toMatchObject([
      413,
      { code: 'SYNC_PAYLOAD_TOO_LARGE', size: 1_001, limit: 1_000 },
    ])
    expect((await api.http('/v1/keys?key=/l/a', put('x'.repeat(1_000)))).status).toBe(200)
    for (const target of [
      '/v1/info',
      '/v1/health',
      '/v1/openapi.json',
      '/v1/keys',
      '/v1/key/a',
      '/v1/get',
      '/v1/txn',
      '/v1/watch',
    ]) {
      const answer = await api.http(target, { method: 'PATCH' })
      expect([target, answer.status, answer.headers.allow?.split(', ').length]).toEqual([
        target,
        405,
        expect.any(Number),
      ])
    }
    // A watch is no answer to who asks for no body.
    const head = await http(url, '/v1/watch?prefix=', { method: 'HEAD' })
    expect([head.status, head.headers.allow]).toEqual([405, 'GET, POST'])
    expect((await http(url, '/v1/other')).json).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    expect((await http(url, '/elsewhere')).status).toBe(404)

    const bare = await serveAgent({}, { transport: new Plain(memory()) })
    const plain = await OpenApiCheck.of(bare.url)
    const refused = await plain.http(
      '/v1/keys?key=/l/a',
      put('x', { ...BYTES, 'if-none-match': '*' }),
    )
    expect([refused.status, refused.json.code]).toEqual([501, 'SYNC_UNSUPPORTED_OPTION'])
    // Nothing can be waited for: stored is all there is.
    expect((await plain.http('/v1/keys?key=/l/a', put('x'))).json).toMatchObject({
      outcome: 'stored',
    })
    expect((await plain.http('/v1/keys?key=/l/a&wait=true', put('x'))).status).toBe(501)

    await bare.agent.close()
    const closed = await plain.http('/v1/keys?key=/l/a')
    expect([closed.status, closed.json.code]).toEqual([503, 'SYNC_UNAVAILABLE'])
    expect(Number(closed.headers['retry-after'])).toBeGreaterThan(0)
    expect((await plain.http('/v1/health')).status).toBe(503)
    expect((await api.http('/v1/health')).json).toEqual({ status: 'ok' })
  })

  it('what is no error of ours is told to nobody', async () => {
    const { url } = await serveAgent({}, { transport: new Plain(memory(), 'password=secret') })
    const api = await OpenApiCheck.of(url)
    const answer = await api.http('/v1/keys?key=/a')
    expect(answer.status).toBe(500)
    expect(answer.json).toMatchObject({ code: 'SYNC_BUG', detail: 'internal error' })
    expect(answer.text).not.toContain('secret')
  })
})

describe('the OpenAPI document', () => {
  it('is valid, and has exactly the routes of the router', async () => {
    const agent = new Agent({ transport: memory() })
    for (const rootKeys of [false, true]) {
      const { url } = await serveAgent({ rootKeys })
      const document = (await http(url, '/v1/openapi.json')).json as OpenApi
      const { valid, errors } = await new Validator().validate(structuredClone(document) as never)
      expect([valid, errors]).toEqual([true, undefined])
      const described = Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.keys(methods)
          .filter((method) => method !== 'parameters')
          .map((method) => `${method} ${path}`),
      )
      expect(routesOf(restRouter(agent, { rootKeys })).sort()).toEqual(described.sort())
    }
    await agent.close()
  })

  it('says below which path its routes are', async () => {
    const { url, server } = await serveAgent({ path: '/agents/a' })
    const { json } = await http(url, '/v1/openapi.json')
    expect((await new Validator().validate(structuredClone(json))).valid).toBe(true)
    const [{ url: base }] = json.servers
    const answer = await fetch(`http://127.0.0.1:${server.port}${base}/v1/health`)
    expect(await answer.json()).toEqual({ status: 'ok' })
  })

  it('with access control every operation but the probe and itself asks for credentials', async () => {
    const { url } = await serveAgent({
      access: [{ name: 'a', token: 'a-token-of-twenty-letters', read: ['/a/'] }],
    })
    const api = await OpenApiCheck.of(url)
    const targets = [
      'get /v1/info',
      'get /v1/keys',
      'put /v1/keys',
      'delete /v1/keys',
      'get /v1/key/a',
      'put /v1/key/a',
      'delete /v1/key/a',
      'post /v1/get',
      'post /v1/txn',
      'get /v1/watch',
      'post /v1/watch',
      'head /v1/keys',
      'head /v1/info',
      'head /v1/key/a',
    ]
    for (const each of targets) {
      const [method = '', target = ''] = each.split(' ')
      const answer = await api.http(target, { method: method.toUpperCase() })
      expect([each, answer.status, answer.headers['www-authenticate']]).toEqual([
        each,
        401,
        'Bearer realm="rx-datasync"',
      ])
    }
    expect((await api.http('/v1/health')).status).toBe(200)
  })
})

/** A store that can do little; with a secret, one whose driver fails by an error of its own. */
class Plain extends KeptOpen {
  override readonly capabilities: Transport['capabilities']
  readonly #secret: string | undefined

  constructor(inner: Transport, secret?: string) {
    super(inner)
    this.capabilities = { ...inner.capabilities, conditionalPut: false, waitForApplied: false }
    this.#secret = secret
  }

  override get(...args: Parameters<KeptOpen['get']>): ReturnType<KeptOpen['get']> {
    if (this.#secret !== undefined) return Promise.reject(new Error(`driver: ${this.#secret}`))
    return super.get(...args)
  }
}

/** `get /v1/keys`, as Express has them. */
function routesOf(router: object): string[] {
  const { stack } = (router as { router: { stack: readonly Layer[] } }).router
  return stack.flatMap(({ route }) =>
    route === undefined
      ? []
      : route.stack
          .filter(({ method }) => method !== undefined)
          .map(({ method }) => `${method} ${route.path.replace('*path', '{path}')}`),
  )
}

interface Layer {
  readonly route?: {
    readonly path: string
    readonly stack: readonly { readonly method?: string }[]
  }
}
