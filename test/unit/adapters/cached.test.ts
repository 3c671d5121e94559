import { describe, expect, it } from '@jest/globals'
import { Agent, cached, composite, memory, prefixed, raw } from '../../../src/index.ts'
import type { CachedOptions, Transport } from '../../../src/index.ts'
import { ScriptedTransport } from '../../../src/testing/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'
import { SwitchableTransport } from '../../support/switchable-transport.ts'
import { waitFor } from '../../support/wait-for.ts'

const one = raw(Uint8Array.of(1))
const unsupported = expect.objectContaining({ code: 'SYNC_UNSUPPORTED_OPTION' })
const invalid = expect.objectContaining({ code: 'SYNC_INVALID_OPTION' })

describe('options of cached', () => {
  it.each([
    { historyLimit: -1 },
    { historyBytes: 1.5 },
    { resetJitterMs: -1 },
    { name: 1 },
    { prefixes: '/a/' },
    { history: 1 },
  ])('%j is an error that names it', (options) => {
    const [name = ''] = Object.keys(options)
    expect(() => cached(memory(), options as unknown as CachedOptions)).toThrow(name)
    expect(() => cached(memory(), options as unknown as CachedOptions)).toThrow(invalid)
  })

  it('what is no transport, or a prefix against the rules, is an error', () => {
    expect(() => cached({} as Transport)).toThrow(invalid)
    expect(() => cached(memory(), { prefixes: ['\uD800'] })).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_KEY' }),
    )
    const upstream = cached(memory(), { prefixes: ['/a/'] })
    expect(() => cached(upstream, { prefixes: ['/b/'] })).toThrow(invalid)
    expect(() => cached(upstream, { prefixes: ['/'] })).toThrow(invalid)
  })

  it('can do what its upstream can, resumes, and has revisions', () => {
    const upstream = new ScriptedTransport({
      name: 'u',
      capabilities: { resumable: false, storeRevisions: false, ttl: true, ordered: false },
    })
    const transport = cached(upstream)
    expect(transport.name).toBe('u')
    expect(cached(upstream, { name: 'hub' }).name).toBe('hub')
    expect(transport.livenessMs).toBe(0)
    expect(transport.capabilities).toEqual({
      ...upstream.capabilities,
      resumable: true,
      storeRevisions: true,
    })
  })
})

describe('held prefixes', () => {
  const held = (transport: Transport): readonly string[] | undefined =>
    transport.capabilities.watchablePrefixes

  it('a watch outside of them is refused at once, also by register and through a server', async () => {
    await using agent = new Agent({ transport: cached(memory(), { prefixes: ['/a/', '/b/'] }) })
    expect(() => agent.watch('all', '/')).toThrow(unsupported)
    expect(() => agent.watch('some', ['/a/', '/c/'])).toThrow(
      '"/c/" is not held; what is: "/a/", "/b/"',
    )
    // The name is free.
    const registration = agent.watch('some', ['/a/x/', '/b/'])
    registration.handle({})
    await agent.start()
    await expect(registration.register('/c/')).rejects.toEqual(unsupported)
    await registration.register('/a/y/')
    expect(registration.prefixes).toEqual(['/a/x/', '/b/', '/a/y/'])
    const { signal } = new AbortController()
    expect(() => agent.served().stream([''], undefined, signal)).toThrow(unsupported)
    await agent.put('/c/x', one, { waitFor: 'applied' })
    expect((await agent.get('/c/x'))?.key).toBe('/c/x')
  })

  it('are carried through prefixed, composite and cached', () => {
    const inner = cached(memory(), { prefixes: ['/x/a/', '/x/b/', '/y/'] })
    expect(held(inner)).toEqual(['/x/a/', '/x/b/', '/y/'])
    expect(held(prefixed(inner, '/x/'))).toEqual(['a/', 'b/'])
    expect(held(prefixed(inner, '/y/z/'))).toEqual([''])
    expect(held(prefixed(inner, '/none/'))).toEqual([])
    expect(held(cached(inner))).toEqual(['/x/a/', '/x/b/', '/y/'])
    expect(held(cached(inner, { prefixes: ['/x/a/1', '/y/'] }))).toEqual(['/x/a/1', '/y/'])
    const other = cached(memory({ name: 'other' }), { prefixes: ['/x/', '/y/1/'] })
    expect(held(composite([inner, other, memory({ name: 'all' })]))).toEqual([
      '/x/a/',
      '/x/b/',
      '/y/1/',
    ])
    expect(held(composite([memory(), memory()]))).toBeUndefined()
    expect(held(cached(memory(), { prefixes: ['/a/', ''] }))).toBeUndefined()
  })

  it('only they are watched upstream, from the first reader on, by one stream to the end', async () => {
    const s = new ScriptedTransport()
    const agent = new Agent({ transport: cached(s, { prefixes: ['/a/', '/a/b/', '/c/'] }) })
    await agent.start()
    await agent.put('/a/x', one)
    expect(s.script.streams).toHaveLength(0)
    s.script.stream(0).listed('p')
    const first = agent.watch('first', '/a/')
    first.handle({})
    await waitFor(() => first.status.state === 'live')
    const second = agent.watch('second', '/c/')
    second.handle({})
    await waitFor(() => second.status.state === 'live')
    await Promise.all([first.close(), second.close()])
    expect(s.script.streams.map(({ prefixes }) => prefixes)).toEqual([['/a/', '/c/']])
    expect(s.script.stream(0).isClosed).toBe(false)
    await agent.close()
    expect(s.script.stream(0).isClosed).toBe(true)
    expect(s.script.closes).toBe(1)
  })

  it('a composite with a part that holds less refuses what that part cannot watch', async () => {
    await using agent = new Agent({
      transport: composite([memory(), cached(memory({ name: 'b' }), { prefixes: ['/b/'] })]),
    })
    expect(() => agent.watch('a', '/a/')).toThrow(unsupported)
    agent.watch('b', '/b/').handle({})
    await agent.start()
  })
})

describe('reads', () => {
  it('have the revisions that watchers see, where the upstream has none', async () => {
    const s = new ScriptedTransport({ capabilities: { storeRevisions: false } })
    s.script.holds([
      ['/a', '1'],
      ['/b', 'old'],
      ['/new', '1'],
    ])
    await using agent = new Agent({ transport: cached(s) })
    s.script
      .stream(0)
      .pairs([
        ['/a', '1'],
        ['/b', '1'],
      ])
      .listed()
    const revisions = new Map<string, number>()
    agent.watch('all', '').handle({
      resync: ({ values }) => {
        for (const { key, revision } of values.get('') ?? []) revisions.set(key, revision)
      },
    })
    await agent.start()
    expect((await agent.get('/a'))?.revision).toBe(revisions.get('/a'))
    const listed = new Map<string, number>()
    for await (const { key, revision } of agent.list('')) listed.set(key, revision)
    // Values that no watcher has seen yet are behind what they have seen.
    const last = Math.max(...revisions.values())
    expect([...listed]).toEqual([
      ['/a', revisions.get('/a')],
      ['/b', last],
      ['/new', last],
    ])
  })

  it('go to the upstream: a read sees the write before it, whatever the watch has seen', async () => {
    const s = new ScriptedTransport()
    const agent = new Agent({ transport: cached(s) })
    s.script.stream(0).listed('p')
    agent.watch('all', '').handle({})
    await agent.start()
    s.script.holds([['/a', '1', 1]])
    expect((await agent.get('/a'))?.revision).toBe(1)
    const keys: string[] = []
    for await (const { key } of agent.list('')) keys.push(key)
    expect(keys).toEqual(['/a'])
    await agent.close()
  })
})

describe('health', () => {
  it('shows a lost upstream and its reconnects, while its watchers stay live', async () => {
    const upstream = new SwitchableTransport(memory(), { livenessMs: 1_000 })
    await using agent = new Agent({ transport: cached(upstream), random: () => 0 })
    const registration = agent.watch('all', '')
    registration.handle({})
    await agent.start()
    const shown = (): unknown[] => {
      const { status, transports } = agent.health()
      return [status, transports[0]?.state, registration.status.state]
    }
    expect(shown()).toEqual(['ok', 'live', 'live'])
    upstream.cut()
    await waitFor(() => agent.health().transports[0]?.state === 'stale')
    expect(shown()).toEqual(['degraded', 'stale', 'live'])
    upstream.restore()
    await waitFor(() => agent.health().transports[0]?.state === 'live')
    expect(agent.health().transports[0]?.reconnects).toBeGreaterThan(0)
    expect(shown()).toEqual(['ok', 'live', 'live'])
  })

  it('without a watch shows what reads and writes have found', async () => {
    const upstream = new SwitchableTransport(memory(), { livenessMs: 1_000 })
    await using agent = new Agent({ transport: cached(upstream) })
    await agent.start()
    upstream.cut()
    await expect(agent.get('/a')).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    expect(agent.health().transports[0]?.state).toBe('stale')
    upstream.restore()
    await agent.put('/a', one)
    expect(agent.health().transports[0]?.state).toBe('live')
  })

  it('without a watch does not take a store for live that was never reached', async () => {
    const upstream = new SwitchableTransport(memory(), { livenessMs: 1_000 })
    upstream.cut()
    await using agent = new Agent({ transport: cached(upstream), random: () => 0 })
    await agent.start()
    const state = () => agent.health().transports[0]?.state
    expect(state()).toBe('connecting')
    expect(agent.health().status).toBe('degraded')
    await waitFor(() => agent.health().transports[0]?.lastError !== undefined)
    expect(state()).toBe('connecting')
    upstream.restore()
    await agent.put('/a', one)
    expect(state()).toBe('live')
  })

  it('without a watch and before any read finds out by itself whether the store is there', async () => {
    const upstream = new SwitchableTransport(memory(), { livenessMs: 1_000 })
    await using agent = new Agent({ transport: cached(upstream) })
    await agent.start()
    await waitFor(() => agent.health().status === 'ok')
  })

  it('C11: with a fake clock no timer is left after close', async () => {
    const s = new ScriptedAgent()
    const agent = new Agent({ transport: cached(s.transport), clock: s.clock })
    s.stream().listed('p')
    agent.watch('all', '').handle({})
    await agent.start()
    expect(s.clock.pending).toBeGreaterThan(0)
    await agent.close()
    expect(s.clock.pending).toBe(0)
  })

  it('a stream after close fails, and so does open', async () => {
    const transport = cached(memory())
    await transport.close()
    const agent = new Agent({ transport })
    await expect(agent.start()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })
})
