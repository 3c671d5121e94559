import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import type { RedisOptions, RedisTransport } from '../../src/adapters/redis/index.ts'
import type { Op } from '../../src/api/transport.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis } from '../servers/redis.ts'
import type { RedisServer } from '../servers/redis.ts'
import { openLink } from '../support/link.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, put, realIo, uniquePrefix } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { listOf } from '../../src/kit/list-of.ts'

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex')

describeWithRedis('redis: writes', () => {
  let server: RedisServer
  let reader: Redis

  beforeAll(async () => {
    server = await startRedis()
    reader = new Redis({ host: server.host, port: server.port })
    onTeardown(() => reader.disconnect())
  })

  async function opened(options: RedisOptions = {}): Promise<RedisTransport> {
    const transport = redis({ url: server.url, ...options })
    onTeardown(() => transport.close())
    await transport.open(realIo())
    return transport
  }

  it('puts, gets, lists and deletes', async () => {
    const transport = await opened({ scanCount: 7 })
    const p = uniquePrefix()
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    await commitTo(transport, { type: 'put', key: `${p}bytes`, value: new Uint8Array(bytes) })
    // A view into something longer.
    await commitTo(transport, { type: 'put', key: `${p}part`, value: bytes.subarray(3, 5) })
    await commitTo(transport, put(`${p}empty`, ''))
    for (let i = 0; i < 100; i++) await reader.set(`${p}n/${i}`, `v${i}`)
    await reader.lpush(`${p}n/list`, 'x')
    const pairs = await transport.get(
      [`${p}bytes`, `${p}part`, `${p}empty`, `${p}none`, `${p}n/list`],
      realIo(),
    )
    expect(pairs.map(({ key, value }) => [key, Buffer.from(value)])).toEqual([
      [`${p}bytes`, bytes],
      [`${p}part`, Buffer.from([3, 4])],
      [`${p}empty`, Buffer.alloc(0)],
    ])
    expect(pairs[0]?.version).toBe(createHash('sha1').update(bytes).digest('hex'))
    const keys = []
    for await (const page of listOf(transport, `${p}n/`, realIo()))
      keys.push(...page.map(({ key }) => key))
    expect(keys.sort()).toEqual(Array.from({ length: 100 }, (_, i) => `${p}n/${i}`).sort())
    const many = Array.from({ length: 100 }, (_, i) => `${p}n/${i}`)
    expect(await transport.get(many, realIo())).toHaveLength(100)
    expect(await commitTo(transport, { type: 'delete', key: `${p}bytes` })).toEqual({
      versions: [undefined],
      deleted: 1,
    })
    expect(await commitTo(transport, { type: 'delete', key: `${p}bytes` })).toMatchObject({
      deleted: 0,
    })
  })

  it('gives a value its time, and a put without one takes it away', async () => {
    const transport = await opened()
    const p = uniquePrefix()
    await commitTo(transport, put(`${p}a`, '1', { ttlMs: 90_000 }))
    expect(await reader.pttl(`${p}a`)).toBeGreaterThan(80_000)
    await commitTo(transport, put(`${p}a`, '2'))
    expect(await reader.pttl(`${p}a`)).toBe(-1)
    await commitTo(
      transport,
      put(`${p}a`, '3', { ttlMs: 0.4 }),
      put(`${p}b`, '3', { ttlMs: 50_000 }),
    )
    await waitFor(async () => (await reader.exists(`${p}a`)) === 0)
    expect(await reader.pttl(`${p}b`)).toBeGreaterThan(40_000)
    await commitTo(transport, put(`${p}c`, '3', { ttlMs: 3_000 * 365 * 24 * 3_600 }))
  })

  describe('conditions', () => {
    it('hold or do not, by what the server holds', async () => {
      const transport = await opened()
      const key = `${uniquePrefix()}a`
      const first = await commitTo(transport, put(key, '1', { ifAbsent: true }))
      expect(first.versions).toEqual([sha1('1')])
      await expect(commitTo(transport, put(key, '2', { ifAbsent: true }))).rejects.toMatchObject({
        code: 'SYNC_VERSION_CONFLICT',
        key,
        expected: undefined,
        actual: sha1('1'),
      })
      await expect(commitTo(transport, put(key, '2', { ifVersion: 'old' }))).rejects.toMatchObject({
        expected: 'old',
        actual: sha1('1'),
      })
      await commitTo(transport, put(key, '2', { ifVersion: sha1('1'), ttlMs: 60_000 }))
      expect(await reader.get(key)).toBe('2')
      expect(await reader.pttl(key)).toBeGreaterThan(0)
      await expect(
        commitTo(transport, { type: 'delete', key, ifVersion: sha1('1') }),
      ).rejects.toMatchObject({ actual: sha1('2') })
      expect(
        await commitTo(transport, { type: 'delete', key, ifVersion: sha1('2') }),
      ).toMatchObject({
        deleted: 1,
      })
      await expect(
        commitTo(transport, put(key, '2', { ifVersion: sha1('2') })),
      ).rejects.toMatchObject({
        expected: sha1('2'),
        actual: undefined,
      })
      await expect(
        commitTo(transport, { type: 'delete', key, ifVersion: sha1('2') }),
      ).rejects.toMatchObject({ code: 'SYNC_VERSION_CONFLICT' })
    })

    it('do not hold on what is no string, which stays', async () => {
      const transport = await opened()
      const key = `${uniquePrefix()}list`
      await reader.lpush(key, 'x')
      for (const op of [
        put(key, '1', { ifAbsent: true }),
        put(key, '1', { ifVersion: sha1('x') }),
      ]) {
        await expect(commitTo(transport, op)).rejects.toMatchObject({
          code: 'SYNC_VERSION_CONFLICT',
          actual: 'type:list',
        })
      }
      expect(await reader.llen(key)).toBe(1)
    })

    it('let one of many writers win (case 21)', async () => {
      const key = `${uniquePrefix()}counter`
      const transports = await Promise.all([opened(), opened()])
      await commitTo(transports[0], put(key, 'start'))
      for (let round = 0; round < 20; round++) {
        const [before] = await transports[0].get([key], realIo())
        const results = await Promise.allSettled(
          Array.from({ length: 6 }, (_, i) =>
            commitTo(
              transports[i % 2] as RedisTransport,
              put(key, `${round}.${i}`, { ifVersion: before?.version as string }),
            ),
          ),
        )
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      }
    })
  })

  describe('transactions', () => {
    it('write all', async () => {
      const transport = await opened()
      const p = uniquePrefix()
      await reader.set(`${p}gone`, '1')
      await reader.set(`${p}checked`, 'old')
      const result = await commitTo(
        transport,
        put(`${p}a`, '1'),
        { type: 'delete', key: `${p}gone` },
        put(`${p}checked`, 'new', { ifVersion: sha1('old') }),
        { type: 'delete', key: `${p}never` },
        put(`${p}empty`, '', { ifAbsent: true }),
      )
      expect(result).toEqual({
        versions: [sha1('1'), undefined, sha1('new'), undefined, sha1('')],
        deleted: 1,
      })
      expect(await reader.mget(`${p}a`, `${p}gone`, `${p}checked`, `${p}empty`)).toEqual([
        '1',
        null,
        'new',
        '',
      ])
    })

    it('write nothing when a condition fails, the last one too', async () => {
      const transport = await opened()
      const p = uniquePrefix()
      await reader.set(`${p}b`, 'old')
      await expect(
        commitTo(
          transport,
          put(`${p}a`, '1'),
          { type: 'delete', key: `${p}b` },
          put(`${p}c`, '1', { ifVersion: 'x' }),
        ),
      ).rejects.toMatchObject({ code: 'SYNC_VERSION_CONFLICT', key: `${p}c` })
      expect(await reader.mget(`${p}a`, `${p}b`, `${p}c`)).toEqual([null, 'old', null])
    })

    it('may have any number of operations, and outlive a loss of the script', async () => {
      const transport = await opened()
      const p = uniquePrefix()
      const ops = (value: string): Op[] =>
        Array.from({ length: 40_000 }, (_, i) => put(`${p}${i}`, value))
      await commitTo(transport, ...ops('1'))
      await server.cli('SCRIPT', 'FLUSH')
      await commitTo(transport, ...ops('2'))
      expect(await reader.get(`${p}39999`)).toBe('2')
    })
  })

  describe('prefix delete', () => {
    it('takes the strings under the prefix, and nothing else', async () => {
      const transport = await opened({ scanCount: 50 })
      const p = uniquePrefix()
      for (let i = 0; i < 1_000; i++) await reader.set(`${p}[a]*/${i}`, 'x')
      await reader.set(`${p}aa/1`, 'x')
      await reader.lpush(`${p}[a]*/list`, 'x')
      const result = await commitTo(transport, { type: 'delete-prefix', prefix: `${p}[a]*/` })
      expect(result.deleted).toBe(1_000)
      expect((await reader.keys(`${p}*`)).sort()).toEqual([`${p}[a]*/list`, `${p}aa/1`])
    })

    it('is no part of a transaction', async () => {
      const transport = await opened()
      await expect(
        commitTo(transport, put('/a', '1'), { type: 'delete-prefix', prefix: '/b' }),
      ).rejects.toMatchObject({ code: 'SYNC_UNSUPPORTED_OPTION' })
    })
  })

  describe('limits', () => {
    it('refuses a value that is too large, and goes on', async () => {
      const transport = await opened({ maxValueBytes: 1_000 })
      const key = `${uniquePrefix()}a`
      await expect(commitTo(transport, put(key, 'x'.repeat(1_001)))).rejects.toMatchObject({
        code: 'SYNC_PAYLOAD_TOO_LARGE',
        size: 1_001,
        limit: 1_000,
      })
      await commitTo(transport, put(key, 'x'.repeat(1_000)))
      expect(transport.capabilities.maxValueBytes).toBe(1_000)
    })

    it('says that nothing was applied when the server is full or read-only', async () => {
      const full = await startRedis({
        maxmemory: '3mb',
        config: { 'maxmemory-policy': 'noeviction' },
      })
      const transport = redis({ url: full.url })
      onTeardown(() => transport.close())
      const failed: unknown[] = []
      for (let i = 0; i < 20 && failed.length === 0; i++) {
        await commitTo(transport, put(`/a/${i}`, 'x'.repeat(300_000))).catch((error: unknown) =>
          failed.push(error),
        )
      }
      expect(failed[0]).toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome: 'not-applied',
        retryable: true,
      })
      expect(String(failed[0])).toContain('OOM')
      await full.cli('CONFIG', 'SET', 'maxmemory', '1')
      await expect(commitTo(transport, put('/a/x', '1'), put('/a/y', 'y'))).rejects.toMatchObject({
        outcome: 'not-applied',
      })
      const replica = await startRedis({ config: { 'replica-read-only': 'yes' } })
      await replica.cli('REPLICAOF', server.host, String(server.port))
      const other = redis({ url: replica.url })
      onTeardown(() => other.close())
      await expect(commitTo(other, put('/a', '1'))).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome: 'not-applied',
      })
    })

    it('does not know who has applied a write', async () => {
      const transport = await opened()
      await expect(
        transport.commit([put('/a', '1')], { waitFor: 'applied', timeoutMs: 1_000 }, realIo()),
      ).rejects.toMatchObject({ code: 'SYNC_UNSUPPORTED_OPTION', option: "waitFor: 'applied'" })
    })
  })

  describe('the answer that is lost', () => {
    it('leaves the outcome unknown, and the write is applied once', async () => {
      const link = await openLink({ port: server.port })
      const transport = redis({ url: link.url('redis') })
      onTeardown(() => transport.close())
      const p = uniquePrefix()
      await commitTo(transport, put(`${p}warm`, '1'), put(`${p}up`, '1'))
      const counter = `${p}counter`
      const count = async (): Promise<number> =>
        Number(
          /calls=(\d+)/u.exec(
            (await server.cli('INFO', 'commandstats'))
              .split('\n')
              .find((line) => line.startsWith('cmdstat_set:')) ?? '',
          )?.[1],
        )
      const before = await count()
      link.onUpstream(counter, (connection) => connection.drop())
      await expect(commitTo(transport, put(counter, '1'))).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome: 'unknown',
      })
      await waitFor(async () => (await reader.get(counter)) === '1')
      await waitFor(() => commitTo(transport, put(`${p}after`, '1')).then(() => true))
      expect((await count()) - before).toBe(2)
    })

    it('of a transaction: all or none', async () => {
      const link = await openLink({ port: server.port })
      const transport = redis({ url: link.url('redis') })
      onTeardown(() => transport.close())
      for (let round = 0; round < 10; round++) {
        const p = uniquePrefix()
        await waitFor(() => commitTo(transport, put(`${p}warm`, '1')).then(() => true))
        link.onUpstream(`${p}c`, (connection) => connection.drop(), {
          at: round % 2 ? 'before' : 'sent',
        })
        await expect(
          commitTo(
            transport,
            put(`${p}a`, 'x'.repeat(100_000)),
            put(`${p}b`, '1'),
            put(`${p}c`, '1'),
          ),
        ).rejects.toMatchObject({ outcome: 'unknown' })
        await reader.ping()
        expect([0, 3]).toContain(await reader.exists(`${p}a`, `${p}b`, `${p}c`))
      }
    })

    it('of a prefix delete: unknown', async () => {
      const link = await openLink({ port: server.port })
      const transport = redis({ url: link.url('redis'), scanCount: 10 })
      onTeardown(() => transport.close())
      const p = uniquePrefix()
      for (let i = 0; i < 500; i++) await reader.set(`${p}${i}`, '1')
      await commitTo(transport, put('/warm', '1'))
      let unlinks = 0
      link.onUpstream(
        'UNLINK',
        (connection) => {
          if (++unlinks === 5) connection.drop()
        },
        { times: 5 },
      )
      await expect(commitTo(transport, { type: 'delete-prefix', prefix: p })).rejects.toMatchObject(
        { code: 'SYNC_UNAVAILABLE', outcome: 'unknown' },
      )
    })
  })

  describe('a server that is away', () => {
    it('refuses at once, with not-applied, and is found again', async () => {
      const link = await openLink({ port: server.port })
      const transport = redis({ url: link.url('redis') })
      onTeardown(() => transport.close())
      const key = `${uniquePrefix()}a`
      await commitTo(transport, put(key, '1'))
      await link.cut()
      // The end of the connection may not have been noticed yet.
      await expect(commitTo(transport, put(key, '1'))).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
      })
      for (let i = 0; i < 50; i++) {
        await expect(commitTo(transport, put(key, String(i)))).rejects.toMatchObject({
          code: 'SYNC_UNAVAILABLE',
          outcome: 'not-applied',
        })
      }
      // Fifty refusals were not fifty attempts to connect.
      await link.restore()
      const attempts = link.totalConnections
      await waitFor(() => commitTo(transport, put(key, 'back')).then(() => true))
      expect(link.totalConnections - attempts).toBe(1)
      expect(await reader.get(key)).toBe('back')
    })

    it('is noticed when it holds the line: unknown where it was sent, and the next is not', async () => {
      const link = await openLink({ port: server.port })
      const transport = redis({ url: link.url('redis'), commandTimeoutMs: 200 })
      onTeardown(() => transport.close())
      const key = `${uniquePrefix()}a`
      await commitTo(transport, put(key, '1'))
      link.hold()
      await expect(commitTo(transport, put(key, '2'))).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome: 'unknown',
      })
      await expect(commitTo(transport, put(key, '3'))).rejects.toMatchObject({
        outcome: 'not-applied',
      })
      link.drop()
      link.release()
      await waitFor(() => commitTo(transport, put(key, '4')).then(() => true))
    })

    it('keeps to the time that the caller gives', async () => {
      const link = await openLink({ port: server.port })
      const transport = redis({ url: link.url('redis') })
      onTeardown(() => transport.close())
      const key = `${uniquePrefix()}a`
      const within = (op: Op, timeoutMs: number): Promise<unknown> =>
        transport.commit([op], { waitFor: 'stored', timeoutMs }, realIo())
      link.hold()
      // Not even connected: it is not sent when the link comes back.
      await expect(within(put(key, 'late'), 50)).rejects.toMatchObject({
        code: 'SYNC_TIMEOUT',
        outcome: 'not-applied',
      })
      link.release()
      await within(put(key, '1'), 5_000)
      link.hold('down')
      await expect(within(put(key, '2'), 50)).rejects.toMatchObject({
        code: 'SYNC_TIMEOUT',
        outcome: 'unknown',
      })
      link.release()
      await within(put(`${key}b`, 'fence'), 5_000)
      expect(await reader.get(key)).toBe('2')
    })

    it('is not waited for by a caller that gave up', async () => {
      const link = await openLink({ port: server.port })
      const transport = redis({ url: link.url('redis') })
      onTeardown(() => transport.close())
      link.hold()
      const io = realIo()
      const write = transport.commit([put('/a', '1')], { waitFor: 'stored', timeoutMs: 10_000 }, io)
      const read = transport.get(['/a'], io)
      io.abort()
      await expect(write).rejects.toMatchObject({ name: 'AbortError' })
      await expect(read).rejects.toMatchObject({ name: 'AbortError' })
    })
  })

  it('is closed for good', async () => {
    const transport = await opened()
    const slow = commitTo(transport, put('/slow', '1'))
    await transport.close()
    await transport.close()
    await slow
    for (const call of [
      () => commitTo(transport, put('/a', '1')),
      () => transport.get(['/a'], realIo()),
      () => listOf(transport, '/a', realIo())[Symbol.asyncIterator]().next(),
      () => transport.stream(['/a'], undefined, realIo())[Symbol.asyncIterator]().next(),
      () => transport.open(realIo()),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    }
  })
})
