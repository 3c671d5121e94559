import { describe, expect, it } from '@jest/globals'
import { status } from '@grpc/grpc-js'
import { dataChangeReply, dataChangeRequest } from '../../src/adapters/grpc/datamsg-schema.ts'
import { dataMsgClient } from '../../src/adapters/grpc/index.ts'
import type { DataChange, DataMsgClient, DataResult } from '../../src/adapters/grpc/index.ts'
import type { GrpcServerOptions } from '../../src/adapters/grpc/server/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import type { Agent, ChangeEvent, KeyVal, ResyncEvent } from '../../src/index.ts'
import { codec, model, raw } from '../../src/index.ts'
import { frame, rawCall, rawSession } from '../support/grpc-frames.ts'
import { serveAgent } from '../support/grpc.ts'
import type { ServedAgent } from '../support/grpc.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'

async function setUp(
  watch: (agent: Agent) => void = () => {},
  options: GrpcServerOptions = {},
): Promise<ServedAgent & { readonly go: DataMsgClient }> {
  const served = await serveAgent({}, options, watch)
  const go = dataMsgClient({ url: served.url })
  onTeardown(() => go.close())
  return { ...served, go }
}

const text = (value: string): Uint8Array => Buffer.from(value)

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

function show(pairs: Iterable<KeyVal> | undefined): string[] {
  return Array.from(pairs ?? [], ({ key, bytes }) => `${key}=${Buffer.from(bytes).toString()}`)
}

describe('dataChanges', () => {
  it('one reply per request, in their order, after done of all who watch; then it is stored', async () => {
    const events: string[] = []
    const open: ChangeEvent[] = []
    const { agent, go } = await setUp((agent) => {
      agent.watch('fast', '/a/').handle({ change: ({ key }) => void events.push(key) })
      const slow = agent.watch('slow', '/a/slow/', { doneTimeoutMs: { change: 0 } })
      slow.resyncs$.subscribe((event) => event.done())
      slow.changes$.subscribe((event) => void open.push(event))
    })
    const replies: DataResult[] = []
    const changes: DataChange[] = [
      { key: '/a/slow/1', content: text('1') },
      { key: '/a/2', content: text('2') },
      { key: '/nobody', content: text('3') },
      { key: '/a/2' },
    ]
    const finished = (async () => {
      for await (const reply of go.dataChanges(changes)) replies.push(reply)
    })()
    // All that is behind the first one is done; its reply is not, so theirs are not either.
    await waitFor(() => open.length === 1 && events.filter((key) => key === '/a/2').length === 2)
    expect(replies).toEqual([])
    expect((await agent.get('/a/slow/1'))?.bytes).toEqual(new Uint8Array(text('1')))
    open[0]?.done()
    await finished
    expect(replies).toEqual(changes.map(({ key }) => ({ key, result: 0 })))
    expect(await agent.get('/a/2')).toBeUndefined()
    expect(show([(await agent.get('/nobody')) as KeyVal])).toEqual(['/nobody=3'])
  })

  it('a refusal, a bad key, a foreign content: each is a reply, and the stream goes on', async () => {
    const { agent, go } = await setUp(
      (agent) => {
        agent.watch('refuser', '/r/', { onRefusal: 'continue' }).handle({
          change: ({ key }) => {
            if (key.includes('bad')) throw new Error('not this one')
          },
        })
      },
      { prefixes: ['/r/', '/s/'] },
    )
    const replies = await all(
      go.dataChanges([
        { key: '/r/good', content: text('1') },
        { key: '/r/bad', content: text('2') },
        { key: '', content: text('3') },
        { key: '/elsewhere', content: text('4') },
        { key: '/r/json', content: text('{}'), contentType: 'application/json' },
        { key: '/r/absent' },
        { key: '/s/last', content: new Uint8Array() },
      ]),
    )
    expect(replies.map(({ result }) => result)).toEqual([0, 9, 7, 7, 12, 0, 0])
    // What was refused stays stored (datasync.md §5).
    expect((await agent.get('/r/bad'))?.bytes).toEqual(new Uint8Array(text('2')))
    expect((await agent.get('/s/last'))?.bytes).toEqual(new Uint8Array())
    expect(await agent.get('/elsewhere')).toBeUndefined()
  })

  it('a receiver that does not answer in time is a refusal of that change only', async () => {
    const { go } = await setUp((agent) => {
      const registration = agent.watch('silent', '/q/', {
        doneTimeoutMs: { change: 50 },
        onRefusal: 'continue',
      })
      registration.resyncs$.subscribe((event) => event.done())
      registration.changes$.subscribe((event) => {
        if (event.key !== '/q/1') event.done()
      })
    })
    const replies = await all(
      go.dataChanges(['/q/1', '/q/2', '/x'].map((key) => ({ key, content: text('x') }))),
    )
    expect(replies.map(({ result }) => result)).toEqual([9, 0, 0])
  })

  it('out of time for the write: a reply, too, and the rest goes on', async () => {
    const { go } = await setUp(
      (agent) => {
        const registration = agent.watch('silent', '/q/', { doneTimeoutMs: { change: 0 } })
        registration.resyncs$.subscribe((event) => event.done())
        registration.changes$.subscribe(() => {})
      },
      { appliedTimeoutMs: 50 },
    )
    const replies = await all(
      go.dataChanges(['/q/1', '/x'].map((key) => ({ key, content: text('x') }))),
    )
    expect(replies.map(({ result }) => result)).toEqual([4, 0])
  })

  it('changes of one key are applied in their order, also when many are under way', async () => {
    const seen: string[] = []
    const { agent, go } = await setUp((agent) => {
      agent.watch('all', '/k/').handle({
        change: async (event) => {
          if (event.changeType === 'put') seen.push(Buffer.from(event.bytes).toString())
        },
      })
    })
    const changes = Array.from({ length: 500 }, (_, i) => ({
      key: `/k/${i % 3}`,
      content: text(`${i}`),
    }))
    const replies = await all(go.dataChanges(changes))
    expect(replies).toEqual(changes.map(({ key }) => ({ key, result: 0 })))
    for (const rest of [0, 1, 2]) {
      const own = seen.map(Number).filter((n) => n % 3 === rest)
      expect(own).toEqual([...own].sort((a, b) => a - b))
      expect(own).toHaveLength(rest === 2 ? 166 : 167)
    }
    expect(show([(await agent.get('/k/0')) as KeyVal])).toEqual(['/k/0=498'])
  })

  it('W24: with maxInFlight under way nothing more is read', async () => {
    const open: ChangeEvent[] = []
    const { agent, go } = await setUp(
      (agent) => {
        const registration = agent.watch('blocked', '/b/first', { doneTimeoutMs: { change: 0 } })
        registration.resyncs$.subscribe((event) => event.done())
        registration.changes$.subscribe((event) => void open.push(event))
      },
      { maxInFlight: 4 },
    )
    let taken = 0
    function* changes(): Generator<DataChange> {
      for (let i = 0; i < 2_000; i++) {
        taken++
        yield { key: i === 0 ? '/b/first' : `/b/${i}`, content: Buffer.alloc(10_000) }
      }
    }
    const replies: DataResult[] = []
    const finished = (async () => {
      for await (const reply of go.dataChanges(changes())) replies.push(reply)
    })()
    await waitFor(() => open.length === 1)
    // What may be stored: those under way. A fence through another call shows that nothing else is on its way.
    await waitFor(async () => (await all(agent.list('/b/'))).length === 4)
    await agent.put('/fence', raw(text('1')))
    await go.ping()
    expect(await all(agent.list('/b/'))).toHaveLength(4)
    expect(replies).toEqual([])
    expect(taken).toBeLessThan(2_000)
    open[0]?.done()
    await finished
    expect(replies).toHaveLength(2_000)
    expect(replies.every(({ result }) => result === 0)).toBe(true)
  })

  it('what is no request ends the stream, behind the replies to those before it', async () => {
    const open: ChangeEvent[] = []
    const { agent, server } = await setUp((agent) => {
      const slow = agent.watch('slow', '/s/', { doneTimeoutMs: { change: 0 } })
      slow.resyncs$.subscribe((event) => event.done())
      slow.changes$.subscribe((event) => void open.push(event))
    })
    const call = rawCall(rawSession(server.port), '/msg.DataMsgService/dataChanges')
    const request = (key: string): Buffer =>
      frame(
        dataChangeRequest.encode({ key, operationType: 0, content: text('x'), content_type: '' }),
      )
    const nothing = frame(Uint8Array.of(0xff, 0xff))
    call.stream.end(Buffer.concat([request('/s/1'), request('/2'), nothing, request('/3')]))
    await waitFor(() => open.length === 1)
    expect(call.messages).toEqual([])
    open[0]?.done()
    expect((await call.ended)['grpc-status']).toBe(String(status.INVALID_ARGUMENT))
    expect(call.messages.map((bytes) => dataChangeReply.decode(bytes))).toMatchObject([
      { key: '/s/1', result: 0 },
      { key: '/2', result: 0 },
    ])
    expect(await agent.get('/3')).toBeUndefined()
  })

  it('an operation of no known kind is no put: a reply, and the stream goes on', async () => {
    const { agent, server } = await setUp()
    const call = rawCall(rawSession(server.port), '/msg.DataMsgService/dataChanges')
    for (const operationType of [2, 0]) {
      const change = { key: `/${operationType}`, operationType, content: text('x') }
      call.stream.write(frame(dataChangeRequest.encode({ ...change, content_type: '' })))
    }
    call.stream.end()
    expect((await call.ended)['grpc-status']).toBe('0')
    expect(call.messages.map((bytes) => dataChangeReply.decode(bytes))).toMatchObject([
      { key: '/2', operationType: 2, result: status.INVALID_ARGUMENT },
      { key: '/0', result: 0 },
    ])
    expect(await agent.get('/2')).toBeUndefined()
  })

  it('a stream that the server ends: what was taken and not replied to is unknown', async () => {
    const { agent, go } = await setUp(
      (agent) => {
        const silent = agent.watch('silent', '/q/', { doneTimeoutMs: { change: 0 } })
        silent.resyncs$.subscribe((event) => event.done())
        silent.changes$.subscribe(() => {})
      },
      { limits: { maxBodyBytes: 10_000 } },
    )
    const replies = all(
      go.dataChanges([
        { key: '/q/1', content: text('x') },
        { key: '/large', content: Buffer.alloc(20_000) },
      ]),
    )
    await expect(replies).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'unknown' })
    expect(await agent.get('/q/1')).toBeDefined()
  })

  describe('a source that waits for its next change holds nobody', () => {
    /** As a generator does it: what it waits for comes before its end. */
    const waiting = (ended: () => void): AsyncIterable<DataChange> => {
      let key = '/1'
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            if (key === '') return new Promise<never>(() => {})
            const value = { key, content: text('x') }
            key = ''
            return { value }
          },
          return: () => {
            ended()
            return new Promise<never>(() => {})
          },
        }),
      }
    }

    it('who leaves', async () => {
      const { go } = await setUp()
      let ended = 0
      for await (const { result } of go.dataChanges(waiting(() => ended++))) {
        expect(result).toBe(0)
        break
      }
      expect(ended).toBe(1)
    })

    it.each(['server', 'client'])('when the %s closes', async (side) => {
      const { server, go } = await setUp()
      let ended = 0
      const replies = (async () => {
        for await (const _ of go.dataChanges(waiting(() => ended++))) {
          void (side === 'server' ? server.close() : go.close())
        }
      })()
      await expect(replies).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      expect(ended).toBe(1)
    })
  })

  it('JSON content becomes the message of its model', async () => {
    const json = codec<{ n: number }>({
      encode: ({ n }) => Uint8Array.of(n),
      decode: ([n = 0]) => ({ n }),
    })
    const numbers = model('/n/', json, {
      json: {
        toJson: ({ n }) => ({ n }),
        fromJson: (value) => ({ n: (value as { n: number }).n }),
      },
    })
    const { agent, go } = await setUp(() => {}, { models: [numbers] })
    const replies = await all(
      go.dataChanges([
        { key: '/n/a', content: text('{"n":7}'), contentType: 'application/json' },
        { key: '/n/b', content: text('{"n":'), contentType: 'application/json; charset=utf-8' },
        { key: '/n/c', content: Uint8Array.of(9), contentType: 'application/protobuf' },
      ]),
    )
    expect(replies.map(({ result }) => result)).toEqual([0, 3, 0])
    expect((await agent.get('/n/a'))?.bytes).toEqual(Uint8Array.of(7))
    expect(await agent.get('/n/b')).toBeUndefined()
    expect((await agent.get('/n/c'))?.bytes).toEqual(Uint8Array.of(9))
  })
})

describe('dataResyncs', () => {
  const stores = [
    { name: 'memory', options: async () => ({}) },
    { name: 'LMDB', options: async () => ({ transport: lmdb({ path: await tempDir() }) }) },
  ]

  it.each(stores)(
    'on $name: all is replaced in one step, what is absent is deleted, RESYNCs come in order',
    async ({ options }) => {
      const events: string[] = []
      const record = (name: string) => ({
        resync: async (event: ResyncEvent) => {
          events.push(`${name} ${event.reason} ${show(event.values.get('/c/')).join()}`)
          await Promise.resolve()
        },
        change: (event: ChangeEvent) => void events.push(`${name} change ${event.key}`),
      })
      const { agent, url } = await serveAgent(await options(), {}, (agent) => {
        agent.watch('one', '/c/').handle(record('one'))
        agent.watch('two', '/c/').handle(record('two'))
      })
      const go = dataMsgClient({ url })
      onTeardown(() => go.close())
      await agent.put('/c/old', raw(text('old')))
      await agent.put('/c/same', raw(text('same')))
      await waitFor(() => events.filter((event) => event.endsWith('/c/same')).length === 2)
      events.length = 0
      const result = await go.dataResyncs([
        { key: '/c/same', content: text('same') },
        { key: '/c/new', content: text('new') },
      ])
      expect(result).toEqual({
        replies: [
          { key: '/c/same', result: 0 },
          { key: '/c/new', result: 0 },
        ],
        error: undefined,
      })
      expect(events).toEqual([
        'one requested /c/new=new,/c/same=same',
        'two requested /c/new=new,/c/same=same',
      ])
      expect(show(await all(agent.list('')))).toEqual(['/c/new=new', '/c/same=same'])
    },
  )

  it('a refusal stands in error and at the keys it is about', async () => {
    const { agent, go } = await setUp((agent) => {
      let first = true
      agent.watch('refuser', '/c/r/').handle({
        resync: () => {
          if (first) first = false
          else throw new Error('cannot')
        },
      })
    })
    const { replies, error } = await go.dataResyncs([
      { key: '/c/r/1', content: text('1') },
      { key: '/c/2', content: text('2') },
    ])
    expect(replies.map(({ result }) => result)).toEqual([9, 0])
    expect(error).toBe('stored, but refused by refuser (cannot)')
    expect(await all(agent.list('/c/'))).toHaveLength(2)
  })

  it('who is not ready gets it later: the reply does not say that it is applied', async () => {
    const { agent, url } = await serveAgent({ acceptTimeoutMs: 20 }, {}, (agent) => {
      agent.watch('absent', '/c/a/')
      agent.watch('present', '/c/p/').handle({})
    })
    const go = dataMsgClient({ url })
    onTeardown(() => go.close())
    const items = ['/c/a/1', '/c/p/1', '/c/2'].map((key) => ({ key, content: text('1') }))
    const { replies, error } = await go.dataResyncs(items)
    expect(replies.map(({ result }) => result)).toEqual([4, 0, 0])
    expect(error).toBe('stored, but not yet applied by absent (passed-over)')
    expect(await all(agent.list('/c/'))).toHaveLength(3)
  })

  it('an empty list is refused, unless it is allowed', async () => {
    const { agent, go } = await setUp()
    await agent.put('/a', raw(text('1')))
    await expect(go.dataResyncs([])).rejects.toMatchObject({ code: 'SYNC_INVALID_OPTION' })
    expect(await agent.get('/a')).toBeDefined()
    const allowed = await setUp(() => {}, { allowEmptyResync: true })
    await allowed.agent.put('/a', raw(text('1')))
    expect(await allowed.go.dataResyncs([])).toEqual({ replies: [], error: undefined })
    expect(await allowed.agent.get('/a')).toBeUndefined()
  })

  it('a key twice, or a bad one: nothing is replaced', async () => {
    const { agent, go } = await setUp(() => {}, { prefixes: ['/p/'] })
    await agent.put('/p/kept', raw(text('1')))
    const item = { key: '/p/x', content: text('1') }
    await expect(go.dataResyncs([item, item])).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
    })
    await expect(go.dataResyncs([{ ...item, key: '/q/x' }])).rejects.toMatchObject({
      code: 'SYNC_ACCESS_DENIED',
    })
    expect(show(await all(agent.list('')))).toEqual(['/p/kept=1'])
  })
})

it('ping says what the Go library says', async () => {
  const { go } = await setUp()
  expect(await go.ping()).toBe('it works')
})
