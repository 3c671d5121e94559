import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import type { EtcdOptions } from '../../src/adapters/etcd/index.ts'
import { Agent, raw } from '../../src/index.ts'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { startEtcd } from '../servers/etcd.ts'
import type { EtcdServer } from '../servers/etcd.ts'
import { EtcdWriter } from '../support/etcd-writer.ts'
import { Follower } from '../support/follower.ts'
import { openLink } from '../support/link.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const text = (value: string): ReturnType<typeof raw> => raw(Buffer.from(value))

describeWithEtcd('etcd, writes', () => {
  let server: EtcdServer
  let writer: EtcdWriter
  let agent: Agent

  beforeAll(async () => {
    server = await startEtcd()
    writer = new EtcdWriter(server)
    agent = new Agent({ transport: etcd({ url: server.url }) })
  }, 60_000)
  afterAll(() => agent.close())

  it('1 000 puts with the same time to live use few leases, and all end', async () => {
    const seen = new Follower(etcd({ url: server.url }))
    await seen.agent.start()
    const startedAt = performance.now()
    await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => agent.put(`/f/${i}`, text('x'), { ttlMs: 1_500 })),
    )
    const seconds = Math.ceil((performance.now() - startedAt) / 1_000)
    const leases = (await server.ctl('lease', 'list')).split('\n').length - 1
    expect(leases).toBeGreaterThan(0)
    expect(leases).toBeLessThanOrEqual(1 + seconds)
    await seen.converges({})
    // As deletes, with the previous value.
    expect(seen.changes).toHaveLength(2_000)
    expect(seen.resyncs).toEqual(['startup'])
    await seen.agent.close()
  })

  it('a lease that was taken away meanwhile is granted anew', async () => {
    await agent.put('/f/a', text('1'), { ttlMs: 60_000 })
    const [, id = ''] = (await server.ctl('lease', 'list')).split('\n')
    await server.ctl('lease', 'revoke', id)
    await agent.put('/f/b', text('1'), { ttlMs: 60_000 })
    await agent.txn().put('/f/c', text('1'), { ttlMs: 60_000 }).commit()
    expect(await writer.stored()).toEqual({ '/f/b': '1', '/f/c': '1' })
    await writer.clear()
  })

  it('a lease that many puts share is taken away: all are stored, with one new lease', async () => {
    await agent.put('/f/a', text('1'), { ttlMs: 90_000 })
    const before = (await server.ctl('lease', 'list')).split('\n').slice(1)
    for (const id of before) await server.ctl('lease', 'revoke', id)
    const startedAt = performance.now()
    await Promise.all(
      Array.from({ length: 500 }, (_, i) => agent.put(`/f/${i}`, text('x'), { ttlMs: 90_000 })),
    )
    const seconds = Math.ceil((performance.now() - startedAt) / 1_000)
    const leases = (await server.ctl('lease', 'list')).split('\n').length - 1
    expect(leases).toBeLessThanOrEqual(1 + seconds)
    expect(Object.keys(await writer.stored())).toHaveLength(500)
    await writer.clear()
  })

  it('times to live are whole seconds, rounded up, and at most one more', async () => {
    await agent.put('/f/a', text('1'), { ttlMs: 10_001 })
    const answer = await server.ctl('get', '/f/a', '-w', 'json')
    const { kvs } = JSON.parse(answer.replace(/"lease":(\d+)/u, '"lease":"$1"')) as {
      kvs: { lease: string }[]
    }
    const lease = BigInt(kvs[0]?.lease ?? 0).toString(16)
    expect(await server.ctl('lease', 'timetolive', lease)).toMatch(/TTL\(12s\)/)
    await writer.clear()
  })

  it('a transaction of 128 operations passes, of 129 is too large; the next one works', async () => {
    const txn = (count: number): ReturnType<Agent['txn']> => {
      const made = agent.txn()
      for (let i = 0; i < count; i++) made.put(`/f/${i}`, text('x'))
      return made
    }
    expect((await txn(128).commit()).versions.size).toBe(128)
    await writer.clear()
    await expect(txn(129).commit()).rejects.toMatchObject({
      code: 'SYNC_PAYLOAD_TOO_LARGE',
      size: 129,
      limit: 128,
    })
    expect(await writer.stored()).toEqual({})
    await txn(1).commit()
    await writer.clear()
  })

  it('the server has lower limits than we were told: its word is translated, nothing is stored', async () => {
    const small = await startEtcd({ flags: { 'max-txn-ops': 4, 'max-request-bytes': 100_000 } })
    const other = new Agent({ transport: etcd({ url: small.url }) })
    const five = other.txn()
    for (let i = 0; i < 5; i++) five.put(`/f/${i}`, text('x'))
    await expect(five.commit()).rejects.toMatchObject({ code: 'SYNC_PAYLOAD_TOO_LARGE', size: 5 })
    for (const size of [200_000, 1_000_000]) {
      const large = other.put('/f/large', raw(Buffer.alloc(size)))
      await expect(large).rejects.toMatchObject({ code: 'SYNC_PAYLOAD_TOO_LARGE' })
    }
    expect(await new EtcdWriter(small).stored()).toEqual({})
    await other.put('/f/a', text('1'))
    await other.close()
    await small.stop()
  })

  it('the largest value that is claimed passes, with the longest key; a transaction above the limit does not', async () => {
    const transport = etcd({ url: server.url })
    const { maxValueBytes = Infinity } = transport.capabilities
    expect(maxValueBytes).toBeGreaterThan(2 ** 20)
    const key = `/f/${'k'.repeat(1_021)}`
    await commitTo(transport, put(key, 'v'.repeat(maxValueBytes)))
    const [pair] = await transport.get([key], realIo())
    expect(pair?.value).toHaveLength(maxValueBytes)
    const half = 'v'.repeat(800_000)
    await expect(commitTo(transport, put('/f/a', half), put('/f/b', half))).rejects.toMatchObject({
      code: 'SYNC_PAYLOAD_TOO_LARGE',
    })
    expect(await transport.get(['/f/a', '/f/b'], realIo())).toEqual([])
    await transport.close()
    await writer.clear()
  })

  it('many keys are read in few requests, however large they are', async () => {
    const transport = etcd({ url: server.url, maxMessageBytes: 2 * 2 ** 20 })
    const value = 'v'.repeat(100_000)
    const keys = Array.from({ length: 300 }, (_, i) => `/f/${i}`)
    for (let i = 0; i < 300; i += 10) {
      await commitTo(transport, ...keys.slice(i, i + 10).map((key) => put(key, value)))
    }
    const pairs = await transport.get([...keys, '/f/none'], realIo())
    expect(pairs.map(({ key }) => key).sort()).toEqual([...keys].sort())
    await transport.close()
    await writer.clear()
  })

  it('prefix delete is one revision and says how many', async () => {
    await writer.fill(250, 'x')
    const before = await server.revision()
    expect(await agent.delete('/f/', { prefix: true })).toMatchObject({ deleted: 250 })
    expect(await server.revision()).toBe(before + 1)
    expect(await agent.delete('/f/', { prefix: true })).toMatchObject({ deleted: 0 })
  })

  it('a prefix is replaced in one transaction: what is put stays, the rest goes', async () => {
    const transport = etcd({ url: server.url })
    await writer.txn({ '/f/a': '0', '/f/b': '0', '/f/c': '0', '/f/c/': '0', '/g': '0' })
    const before = await server.revision()
    const { versions, deleted } = await commitTo(
      transport,
      { type: 'delete-prefix', prefix: '/f/' },
      put('/f/b', '1'),
      put('/f/c', '1'),
      put('/f/', '1'),
    )
    expect(await writer.stored()).toEqual({ '/f/': '1', '/f/b': '1', '/f/c': '1' })
    expect(deleted).toBe(2)
    expect(versions).toEqual([undefined, ...Array(3).fill(String(before + 1))])
    await expect(
      commitTo(transport, put('/f/x', '1'), { type: 'delete-prefix', prefix: '/f/' }),
    ).rejects.toMatchObject({ code: 'SYNC_UNSUPPORTED_OPTION' })
    await transport.close()
    await writer.clear('/')
  })

  it('a conflict names the key and the version found; 0 and other words are no versions', async () => {
    const { version } = await agent.put('/f/a', text('1'))
    for (const wrong of ['0', '-1', 'x', '', '99999999999999999999', String(Number(version) + 1)]) {
      await expect(agent.put('/f/a', text('2'), { ifVersion: wrong })).rejects.toMatchObject({
        code: 'SYNC_VERSION_CONFLICT',
        key: '/f/a',
        actual: version,
      })
      await expect(agent.put('/f/none', text('2'), { ifVersion: wrong })).rejects.toMatchObject({
        code: 'SYNC_VERSION_CONFLICT',
        key: '/f/none',
        actual: undefined,
      })
    }
    const txn = agent.txn().put('/f/b', text('1'), { ifAbsent: true })
    txn.put('/f/a', text('2'), { ifAbsent: true }).delete('/f/c')
    await expect(txn.commit()).rejects.toMatchObject({ key: '/f/a', actual: version })
    expect(await writer.stored()).toEqual({ '/f/a': '1' })
    await writer.clear()
  })

  it('the store is full: SYNC_UNAVAILABLE, not applied; reads go on', async () => {
    const full = await startEtcd({ flags: { 'quota-backend-bytes': 1_000_000 } })
    const other = new Agent({ transport: etcd({ url: full.url }) })
    await other.put('/f/a', text('1'))
    let i = 0
    const refusal = (): Promise<unknown> =>
      other.put(`/f/big${i++}`, raw(Buffer.alloc(100_000))).then(
        () => undefined,
        (error: unknown) => error,
      )
    const error = await waitFor(refusal)
    expect(error).toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'not-applied' })
    expect((await other.get('/f/a'))?.bytes).toHaveLength(1)
    await other.close()
    await full.stop()
  })

  it('hundreds of writes at once on one signal warn of no leak', async () => {
    const warnings: unknown[] = []
    const onWarning = (warning: unknown): void => void warnings.push(warning)
    process.on('warning', onWarning)
    await Promise.all(Array.from({ length: 500 }, (_, i) => agent.put(`/f/${i}`, text('x'))))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
    await writer.clear()
  })

  it('a write that its caller gives up: unknown once it was sent, not applied before', async () => {
    const link = await openLink(server)
    const transport = etcd({ url: link.url('etcd') })
    await commitTo(transport, put('/f/a', '1'))
    link.hold()
    const io = realIo()
    const write = transport.commit([put('/f/b', '1')], { waitFor: 'stored', timeoutMs: 10_000 }, io)
    io.abort()
    await expect(write).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'unknown' })
    const late = realIo()
    late.abort()
    const options = { waitFor: 'stored', timeoutMs: 10_000 } as const
    await expect(transport.commit([put('/f/c', '1')], options, late)).rejects.toThrow()
    link.release()
    await transport.close()
    expect((await writer.stored())['/f/c']).toBeUndefined()
    await writer.clear()
  })

  it('waitFor applied is refused: other processes watch, too', async () => {
    const options: EtcdOptions = { url: server.url }
    const other = new Agent({ transport: etcd(options) })
    await expect(other.put('/f/a', text('1'), { waitFor: 'applied' })).rejects.toMatchObject({
      code: 'SYNC_UNSUPPORTED_OPTION',
    })
    await other.close()
  })
})
