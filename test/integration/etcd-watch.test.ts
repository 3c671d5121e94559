import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { Agent, prefixed, raw } from '../../src/index.ts'
import type { Batch, Checkpoint } from '../../src/index.ts'
import { listOf } from '../../src/kit/list-of.ts'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { startEtcd } from '../servers/etcd.ts'
import type { EtcdServer } from '../servers/etcd.ts'
import { EtcdWriter } from '../support/etcd-writer.ts'
import { Follower } from '../support/follower.ts'
import { openLink } from '../support/link.ts'
import { probeStream, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const text = (value: string): ReturnType<typeof raw> => raw(Buffer.from(value))

describeWithEtcd('etcd, watch and list', () => {
  let server: EtcdServer
  let writer: EtcdWriter

  beforeAll(async () => {
    server = await startEtcd()
    writer = new EtcdWriter(server)
  }, 60_000)
  afterEach(() => writer.clear('/'))
  afterAll(() => server.stop())

  it('etcdctl put, del and txn arrive as changes; it reads what we put', async () => {
    const seen = new Follower(etcd({ url: server.url }))
    await seen.agent.start()
    await server.ctl('put', '/f/a', 'one')
    await server.ctl('put', '/f/b', 'two')
    await server.ctl('del', '/f/a')
    await server.ctlInput('\nput /f/c three\nput /f/d four\ndel /f/b\n\n\n', 'txn')
    await seen.converges({ '/f/c': 'three', '/f/d': 'four' })
    expect(seen.changes.slice(0, 3)).toEqual(['/f/a=one', '/f/b=two', '-/f/a'])
    expect(new Set(seen.changes.slice(3))).toEqual(new Set(['/f/c=three', '/f/d=four', '-/f/b']))
    expect(new Set(seen.revisions.slice(3)).size).toBe(1)
    const { version } = await seen.agent.put('/f/ours', text('hé😀'))
    expect(await server.ctl('get', '/f/ours', '--print-value-only')).toBe('hé😀')
    expect(await server.ctl('get', '/f/ours', '-w', 'fields')).toContain(
      `"ModRevision" : ${version}`,
    )
    await seen.agent.close()
  })

  it('with etcdctl lease and keep-alive away, the end comes as a delete', async () => {
    const seen = new Follower(etcd({ url: server.url }))
    await seen.agent.start()
    const [, id = ''] = /lease (\w+) granted/u.exec(await server.ctl('lease', 'grant', '2')) ?? []
    await server.ctl('put', '/f/leased', 'x', `--lease=${id}`)
    await seen.converges({ '/f/leased': 'x' })
    await seen.converges({})
    expect(seen.changes).toEqual(['/f/leased=x', '-/f/leased'])
    await seen.agent.close()
  })

  it('an agent behind its label: the same keys as /vnf-agent/<label>/…', async () => {
    const agent = new Agent({ transport: prefixed(etcd({ url: server.url }), '/vnf-agent/vpp1/') })
    const events: string[] = []
    agent.watch('interfaces', 'config/vpp/v2/interfaces/').handle({
      resync: ({ values }) => {
        for (const { key } of values.get('config/vpp/v2/interfaces/') ?? [])
          events.push(`has ${key}`)
      },
      change: ({ changeType, key }) => void events.push(`${changeType} ${key}`),
    })
    await server.ctl('put', '/vnf-agent/vpp1/config/vpp/v2/interfaces/loop1', '{}')
    await server.ctl('put', '/vnf-agent/vpp2/config/vpp/v2/interfaces/loop2', '{}')
    await agent.start()
    await server.ctl('del', '/vnf-agent/vpp2/', '--prefix')
    await server.ctl('del', '/vnf-agent/vpp1/config/vpp/v2/interfaces/loop1')
    await agent.put('status/vpp/v2/interface/loop1', text('down'))
    await waitFor(() => events.length === 2)
    expect(events).toEqual([
      'has config/vpp/v2/interfaces/loop1',
      'delete config/vpp/v2/interfaces/loop1',
    ])
    expect(
      await server.ctl(
        'get',
        '/vnf-agent/vpp1/status/vpp/v2/interface/loop1',
        '--print-value-only',
      ),
    ).toBe('down')
    await agent.close()
  })

  it('C2: changes under several prefixes come in the order of the store', async () => {
    const agent = new Agent({ transport: etcd({ url: server.url }) })
    const seen: string[] = []
    agent.watch('all', ['/a/', '/m/x', '/z/']).handle({
      resync: () => {},
      change: ({ key }) => void seen.push(key),
    })
    await agent.start()
    const expected: string[] = []
    for (let i = 0; i < 60; i++) {
      const prefix = ['/z/', '/m/x', '/a/', '/between/', '/m/y'][i % 5] ?? ''
      await writer.put(`${prefix}${i}`, 'x')
      if (prefix !== '/between/' && prefix !== '/m/y') expected.push(`${prefix}${i}`)
    }
    await waitFor(() => seen.length === expected.length)
    expect(seen).toEqual(expected)
    await agent.close()
  })

  it('keys that break the rules are skipped and counted, in the list and live; resume still works', async () => {
    const transport = etcd({ url: server.url })
    const invalid = Buffer.from([0x2f, 0x66, 0x2f, 0xff, 0xfe])
    const long = Buffer.from(`/f/${'x'.repeat(1_100)}`)
    await writer.client.put(invalid).value('1')
    await writer.client.put(long).value('1')
    await writer.put('/f/�', 'a real U+FFFD')
    const batches: Batch[] = []
    const io = realIo()
    const reading = (async () => {
      for await (const batch of transport.stream(['/f/'], undefined, io)) batches.push(batch)
    })()
    await waitFor(() => batches.some(({ kind }) => kind === 'progress'))
    expect(transport.skipped.keys).toBe(2)
    await writer.client.put(invalid).value('2')
    await writer.client.delete().key(long)
    await writer.put('/f/a', '1')
    await waitFor(() => batches.some(({ kind }) => kind === 'changes'))
    expect(transport.skipped.keys).toBe(4)
    const last = batches.at(-1)
    io.abort()
    await reading
    const from = last?.kind === 'changes' ? last.position : undefined
    const next = realIo()
    const again: Batch[] = []
    const resumed = (async () => {
      for await (const batch of transport.stream(['/f/'], from, next)) again.push(batch)
    })()
    await writer.put('/f/b', '1')
    await waitFor(() => again.some(({ kind }) => kind === 'changes'))
    next.abort()
    await resumed
    expect(again.map(({ kind }) => kind)).toEqual(['progress', 'changes'])
    await transport.close()
  })

  it('a position of other prefixes of the same server is gone on from; nonsense leads to a list', async () => {
    const transport = etcd({ url: server.url })
    await writer.put('/f/a/1', 'x')
    await writer.put('/f/b/1', 'x')
    const positionOf = async (prefix: string): Promise<string> => {
      const io = realIo()
      for await (const batch of transport.stream([prefix], undefined, io)) {
        if (batch.kind === 'listed' && batch.position !== undefined) return batch.position
      }
      throw new Error('no list')
    }
    const firstKind = async (prefix: string, from: string): Promise<string> => {
      const io = realIo()
      for await (const batch of transport.stream([prefix], from, io)) return batch.kind
      throw new Error('no batch')
    }
    const wide = await positionOf('/f/')
    expect(await firstKind('/f/b/', wide)).toBe('progress')
    expect(await firstKind('/f/a/', wide)).toBe('progress')
    expect(await firstKind('/g/', wide)).toBe('progress')
    expect(await firstKind('/f/', 'nonsense')).toBe('reset')
    expect(await firstKind('/f/', wide.replace(/^[\da-f]+/u, 'abc'))).toBe('reset')
    expect(await firstKind('/f/a/', wide.replace('/f/b/1', '/f/b/2'))).toBe('reset')
    await transport.close()
  })

  it('case 31: checkpoints of registrations on different prefixes resume each on its own', async () => {
    const agents: Agent[] = []
    const start = async (
      checkpoints: Readonly<Record<string, Checkpoint>>,
    ): Promise<{ seen: string[]; checkpoint: (name: string) => Checkpoint }> => {
      const agent = new Agent({ transport: etcd({ url: server.url }) })
      agents.push(agent)
      const seen: string[] = []
      const registrations = new Map(
        ['/f/a/', '/f/c/'].map((prefix) => {
          const resume = checkpoints[prefix]
          const options = resume === undefined ? {} : { resume }
          const registration = agent.watch(prefix, prefix, options)
          registration.handle({
            resync: ({ reason }) => void seen.push(reason),
            change: ({ key }) => void seen.push(key),
          })
          return [prefix, registration]
        }),
      )
      await agent.start()
      return {
        seen,
        checkpoint: (name) =>
          JSON.parse(JSON.stringify(registrations.get(name)?.checkpoint())) as Checkpoint,
      }
    }
    await writer.put('/f/c/1', 'x')
    const first = await start({})
    // The last change is under one of them.
    await writer.put('/f/a/1', 'x')
    await waitFor(() => first.seen.includes('/f/a/1'))
    const kept = { '/f/a/': first.checkpoint('/f/a/'), '/f/c/': first.checkpoint('/f/c/') }
    await agents[0]?.close()
    await writer.put('/f/a/2', 'x')
    await writer.put('/f/c/2', 'x')
    const second = await start(kept)
    await waitFor(() => second.seen.length >= 2)
    expect(second.seen.sort()).toEqual(['/f/a/2', '/f/c/2'])
    await agents[1]?.close()
  })

  it('a list of which the revision is compacted away goes on', async () => {
    const link = await openLink(server)
    await writer.fill(3_000, 'x')
    const agent = new Agent({ transport: etcd({ url: link.url('etcd'), pageBytes: 10_000 }) })
    const hook = link.onDownstream(/\/f\/\d+/, async () => {
      await server.ctl('compact', String(await writer.put('/f/0', 'new')))
    })
    const keys = new Set<string>()
    for await (const { key } of agent.list('/f/')) keys.add(key)
    await hook.matched
    expect(keys.size).toBe(3_000)
    await agent.close()
    await link.close()
  })

  it('a list of many pages of large and small values is complete, at one revision', async () => {
    const transport = etcd({ url: server.url, pageBytes: 100_000 })
    for (let i = 0; i < 2_000; i += 100) {
      await writer.txn(
        Object.fromEntries(
          Array.from({ length: 100 }, (_, j) => [
            `/f/${i + j}`,
            j === 0 ? 'x'.repeat(200_000) : 'x',
          ]),
        ),
      )
    }
    const probe = probeStream(transport, ['/f/'])
    await probe.untilListed()
    expect(probe.state.size).toBe(2_000)
    const pages = probe.batches.filter(({ kind }) => kind === 'pairs').length
    expect(pages).toBeGreaterThan(5)
    await probe.stop()
    const keys: string[] = []
    for await (const page of listOf(transport, '/f/', realIo()))
      keys.push(...page.map(({ key }) => key))
    expect(new Set(keys).size).toBe(2_000)
    await transport.close()
  })

  it('no more than one message is too large: a page is asked for again in smaller parts', async () => {
    const transport = etcd({ url: server.url, maxMessageBytes: 2 * 2 ** 20 })
    for (let i = 0; i < 20; i++) await writer.put(`/f/${i}`, 'x'.repeat(900_000))
    const probe = probeStream(transport, ['/f/'])
    await probe.untilListed()
    expect(probe.state.size).toBe(20)
    await probe.stop()
    await transport.close()
  })
})
