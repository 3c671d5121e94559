import { beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import type { RedisOptions, RedisTransport } from '../../src/adapters/redis/index.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis } from '../servers/redis.ts'
import type { RedisServer } from '../servers/redis.ts'
import { onTeardown } from '../support/teardown.ts'
import { probeStream, realIo, uniquePrefix } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

describeWithRedis('redis: what is seen', () => {
  let server: RedisServer
  let writer: Redis

  beforeAll(async () => {
    server = await startRedis()
    writer = new Redis({ host: server.host, port: server.port })
    onTeardown(() => writer.disconnect())
  })

  async function opened(options: RedisOptions = {}): Promise<RedisTransport> {
    const transport = redis({ url: server.url, ...options })
    onTeardown(() => transport.close())
    await transport.open(realIo())
    return transport
  }

  describe.each(['keyspace', 'tracking'] as const)('by %s', (notifications) => {
    it('lists what is there, and says so when nothing is', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const empty = probeStream(transport, [p])
      await empty.untilListed()
      expect(empty.batches).toEqual([{ kind: 'listed' }])
      await writer.mset(`${p}a`, '1', `${p}b`, '2')
      const full = probeStream(transport, [p])
      await full.untilListed()
      expect(full.state).toEqual(
        new Map([
          [`${p}a`, '1'],
          [`${p}b`, '2'],
        ]),
      )
    })

    it('sees every way to write, change and lose a string', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      await writer.set(`${p}old`, 'x')
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      const becomes = (key: string, value: string | undefined): Promise<void> =>
        probe.until((state) => state.get(p + key) === value, `${key} = ${value}`)

      await server.cli('SET', `${p}a`, '1')
      await becomes('a', '1')
      await server.cli('MSET', `${p}a`, '2', `${p}b`, '1')
      await becomes('a', '2')
      await becomes('b', '1')
      await server.cli('APPEND', `${p}a`, '3')
      await becomes('a', '23')
      await server.cli('INCR', `${p}a`)
      await becomes('a', '24')
      await server.cli('SETRANGE', `${p}a`, '1', 'x')
      await becomes('a', '2x')
      await server.cli('RENAME', `${p}a`, `${p}renamed`)
      await becomes('a', undefined)
      await becomes('renamed', '2x')
      await server.cli('COPY', `${p}renamed`, `${p}copied`)
      await becomes('copied', '2x')
      await server.cli('GETDEL', `${p}copied`)
      await becomes('copied', undefined)
      const dump = await writer.dumpBuffer(`${p}renamed`)
      await writer.restore(`${p}restored`, 0, dump)
      await becomes('restored', '2x')
      await server.cli('PEXPIRE', `${p}restored`, '20')
      await becomes('restored', undefined)
      await server.cli('SET', `${p}short`, '1', 'PX', '20')
      await becomes('short', undefined)
      await server.cli('EXPIRE', `${p}b`, '-1')
      await becomes('b', undefined)
      await server.cli('UNLINK', `${p}renamed`, `${p}old`)
      await becomes('old', undefined)
      await server.cli('EVAL', `redis.call('SET', KEYS[1], 'by script')`, '1', `${p}scripted`)
      await becomes('scripted', 'by script')
      await server.cli('MOVE', `${p}scripted`, '1')
      await becomes('scripted', undefined)
      await server.cli('BITOP', 'NOT', `${p}bits`, `${p}none`)
      await server.cli('SETBIT', `${p}bits`, '0', '1')
      await becomes('bits', '\x80')
    })

    it('takes a string that became something else for deleted', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const names = ['set', 'list', 'zset', 'geo']
      for (const name of names) await writer.set(p + name, 'string')
      await writer.sadd(`${p}source`, '3', '1')
      await writer.zadd(`${p}zsource`, 1, 'a')
      await writer.geoadd(`${p}places`, 13.3, 38.1, 'Palermo')
      await writer.hset(`${p}hash`, 'f', 'v')
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      expect([...probe.state.keys()].sort()).toEqual(names.map((name) => p + name).sort())
      await server.cli('SUNIONSTORE', `${p}set`, `${p}source`)
      await server.cli('SORT', `${p}source`, 'STORE', `${p}list`)
      await server.cli('ZUNIONSTORE', `${p}zset`, '1', `${p}zsource`)
      await server.cli(
        'GEOSEARCHSTORE',
        `${p}geo`,
        `${p}places`,
        'FROMLONLAT',
        '13',
        '38',
        'BYRADIUS',
        '100',
        'km',
      )
      await probe.until((state) => state.size === 0, 'all are gone')
      await writer.set(`${p}set`, 'again')
      await probe.until((state) => state.get(`${p}set`) === 'again')
      expect(transport.skipped.values).toBeGreaterThanOrEqual(4)
    })

    it('takes keys and prefixes as they are', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const keys = [
        '*',
        '?',
        '[',
        '[a]',
        '\\',
        '\\*',
        'a b',
        'a\nb',
        '"',
        '..',
        '//',
        '__proto__',
        '{tag}',
        '😀',
        '\uff5e',
        '\ufffd',
        'é',
        '\u0000',
        `${'x'.repeat(900)}`,
      ].map((name) => p + name)
      for (const key of keys) await writer.set(key, `before ${key}`)
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      expect(new Set(probe.state.keys())).toEqual(new Set(keys))
      for (const key of keys) await writer.set(key, 'after')
      await probe.until((state) => keys.every((key) => state.get(key) === 'after'))
      for (const name of ['*', '[a]', '\\', '😀', 'a b']) {
        const narrow = probeStream(transport, [p + name])
        await narrow.untilListed()
        await writer.set(`${p}${name}/sub`, '1')
        await writer.set(`${p}other`, '1')
        await narrow.until((state) => state.get(`${p}${name}/sub`) === '1')
        const covered = [...keys, `${p}\\*`].filter((key) => key.startsWith(p + name))
        expect(new Set(narrow.state.keys())).toEqual(new Set([...covered, `${p}${name}/sub`]))
        await narrow.stop()
      }
    })

    it('skips and counts names that are no keys', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const broken = Buffer.concat([Buffer.from(p), Buffer.from([0xff, 0xfe])])
      const long = p + 'x'.repeat(1_100)
      await writer.set(broken, '1')
      await writer.set(long, '1')
      await writer.set(`${p}ok`, '1')
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      expect([...probe.state.keys()]).toEqual([`${p}ok`])
      expect(transport.skipped.keys).toBe(2)
      await writer.set(broken, '2')
      await writer.set(long, '2')
      await writer.set(`${p}ok`, '2')
      await probe.until((state) => state.get(`${p}ok`) === '2')
      expect(transport.skipped.keys).toBe(4)
    })

    it('passes values of any bytes and of 8 MiB, and the empty one', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      const big = Buffer.alloc(8 * 2 ** 20, 'abc')
      await writer.set(`${p}big`, big)
      await writer.set(`${p}empty`, '')
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      expect(probe.state.get(`${p}big`) === big.toString('latin1')).toBe(true)
      expect(probe.state.get(`${p}empty`)).toBe('')
      await writer.set(`${p}bytes`, bytes)
      await writer.set(`${p}big2`, big)
      await writer.set(`${p}bytes`, '')
      await probe.until(
        (state) => state.get(`${p}big2`)?.length === big.length && state.get(`${p}bytes`) === '',
      )
    })

    it('tells nothing apart from its prefixes and each change once, however the prefixes overlap', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const probe = probeStream(transport, [`${p}a/`, `${p}a/b/`, `${p}c`])
      await probe.untilListed()
      await writer.set(`${p}a/b/x`, '1')
      await writer.set(`${p}b/x`, '1')
      await writer.set(`${p}c`, '1')
      await probe.until((state) => state.has(`${p}c`))
      expect(new Set(probe.state.keys())).toEqual(new Set([`${p}a/b/x`, `${p}c`]))
      expect(probe.history(`${p}a/b/x`)).toEqual(['1'])
    })

    it('watches everything by the empty prefix', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const probe = probeStream(transport, [''])
      await probe.untilListed()
      await writer.set(`${p}x`, '1')
      await probe.until((state) => state.get(`${p}x`) === '1')
      await writer.del(`${p}x`)
      await probe.until((state) => !state.has(`${p}x`))
    })

    it('loses nothing and tells nothing old while a writer runs (W8)', async () => {
      const transport = await opened({ notifications, scanCount: 50, reconcileMs: 150 })
      const p = uniquePrefix()
      const count = 2_000
      const last = new Map<string, number>()
      const key = (i: number): string => `${p}${i % count}`
      for (let i = 0; i < count; i++) last.set(key(i), i)
      await writer.mset(...[...last].flatMap(([name, value]) => [name, String(value)]))
      let writing = true
      const done = (async () => {
        for (let i = count; writing; i += 20) {
          const batch = Array.from({ length: 20 }, (_, j) => i + ((j * 97) % 20))
          await Promise.all(
            batch.map((n) => {
              const name = key(n * 31)
              if (n % 7 === 0) {
                last.delete(name)
                return writer.del(name)
              }
              last.set(name, n)
              return writer.set(name, String(n))
            }),
          )
        }
      })()
      const probe = probeStream(transport, [p])
      // The first list and some reconciles, all while values change.
      await probe.untilListed(5)
      writing = false
      await done
      await probe.until(
        (state) =>
          state.size === last.size &&
          [...last].every(([name, value]) => state.get(name) === String(value)),
        'the last values',
      )
      for (const name of [...last.keys()].slice(0, 200)) {
        const values = probe
          .history(name)
          .filter((value) => value !== undefined)
          .map(Number)
        const ascending = values.every((value, i) => i === 0 || value >= (values[i - 1] as number))
        expect({ name, ascending, values }).toEqual({ name, ascending: true, values })
      }
    })

    it('reads a key that changes often once in a while, and its last value always', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      await Promise.all(Array.from({ length: 20_000 }, (_, i) => writer.set(`${p}hot`, String(i))))
      await probe.until((state) => state.get(`${p}hot`) === '19999')
      expect(probe.history(`${p}hot`).length).toBeLessThan(10_000)
    })

    it('watches more prefixes than there are patterns', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const prefixes = Array.from({ length: 100 }, (_, i) => `${p}${i % 3}/tenant-${i}/`)
      const probe = probeStream(transport, prefixes)
      await probe.untilListed()
      const clients = await server.cli('CLIENT', 'LIST')
      for (const [, patterns] of clients.matchAll(/psub=(\d+)/gu)) {
        expect(Number(patterns)).toBeLessThanOrEqual(16)
      }
      for (const prefix of prefixes) await writer.set(`${prefix}x`, '1')
      await writer.set(`${p}0/tenant-none/x`, '1')
      await writer.set(`${prefixes[0]}last`, '1')
      await probe.until((state) => state.size === 101)
      expect(probe.state.has(`${p}0/tenant-none/x`)).toBe(false)
    })

    it('serves streams that come and go over the same connections', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const first = probeStream(transport, [`${p}a/`])
      await first.untilListed()
      const sockets = async (): Promise<number> =>
        (await server.cli('CLIENT', 'LIST'))
          .split('\n')
          .filter((line) => line.includes('name=datasync-')).length
      const before = await sockets()
      const others = Array.from({ length: 40 }, (_, i) => probeStream(transport, [`${p}${i}/`]))
      for (const other of others) await other.untilListed()
      expect(await sockets()).toBe(before)
      const sub = probeStream(transport, [`${p}a/b/`])
      const above = probeStream(transport, [p])
      await sub.untilListed()
      await above.untilListed()
      await writer.set(`${p}a/b/x`, '1')
      await writer.set(`${p}7/x`, '1')
      for (const probe of [first, sub, above])
        await probe.until((state) => state.get(`${p}a/b/x`) === '1')
      await others[7]?.until((state) => state.get(`${p}7/x`) === '1')
      await above.stop()
      for (const other of others) await other.stop()
      await writer.set(`${p}a/b/x`, '2')
      for (const probe of [first, sub]) await probe.until((state) => state.get(`${p}a/b/x`) === '2')
      await sub.stop()
      await first.stop()
      const again = probeStream(transport, [`${p}a/`])
      await again.untilListed()
      expect(again.state).toEqual(new Map([[`${p}a/b/x`, '2']]))
    })

    it('keeps no watch of one database in another', async () => {
      const one = await opened({ notifications, options: { db: 3 } })
      const p = uniquePrefix()
      const probe = probeStream(one, [p])
      await probe.untilListed()
      await writer.set(`${p}x`, 'in 0')
      await server.cli('-n', '3', 'SET', `${p}x`, 'in 3')
      await probe.until((state) => state.get(`${p}x`) === 'in 3')
      expect(probe.history(`${p}x`)).not.toContain('in 0')
    })
  })

  describe('what nobody announces', () => {
    it('keyspace: FLUSHDB and SWAPDB are found by the reconcile', async () => {
      const own = await startRedis()
      const transport = redis({ url: own.url, reconcileMs: 200 })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      await own.cli('MSET', '/f/a', '1', '/f/b', '2')
      await own.cli('-n', '1', 'MSET', '/f/b', '3', '/f/c', '4')
      const probe = probeStream(transport, ['/f/'])
      await probe.untilListed()
      await own.cli('SWAPDB', '0', '1')
      await probe.until(
        (state) => state.get('/f/b') === '3' && state.get('/f/c') === '4' && !state.has('/f/a'),
      )
      await own.cli('FLUSHDB')
      await probe.until((state) => state.size === 0)
      expect(probe.resets).toBe(0)
    })

    it('tracking: FLUSHALL and FLUSHDB list anew at once', async () => {
      const own = await startRedis()
      const transport = redis({ url: own.url, notifications: 'tracking', reconcileMs: 0 })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      await own.cli('MSET', '/f/a', '1', '/f/b', '2')
      const probe = probeStream(transport, ['/f/'])
      await probe.untilListed()
      await own.cli('FLUSHALL')
      await probe.until((state) => state.size === 0)
      expect(probe.resets).toBe(1)
      await own.cli('SET', '/f/a', '1')
      await probe.until((state) => state.size === 1)
      await own.cli('FLUSHDB', 'ASYNC')
      await probe.until((state) => state.size === 0)
    })

    it('a setting that was taken back is set again by the reconcile, which finds what was missed', async () => {
      const own = await startRedis()
      const transport = redis({ url: own.url, reconcileMs: 300 })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      const probe = probeStream(transport, ['/f/'])
      await probe.untilListed()
      await own.cli('CONFIG', 'SET', 'notify-keyspace-events', 'Ex')
      await own.cli('SET', '/f/a', '1')
      await probe.until((state) => state.get('/f/a') === '1')
      const flags = await own.cli('CONFIG', 'GET', 'notify-keyspace-events')
      expect(new Set(flags.split('\n')[1])).toEqual(new Set('AKE'))
    })

    it('keyspace: evicted keys are deletes', async () => {
      const own = await startRedis({
        maxmemory: '6mb',
        config: { 'maxmemory-policy': 'allkeys-lru' },
      })
      const transport = redis({ url: own.url, reconcileMs: 0 })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      const client = new Redis({ host: own.host, port: own.port })
      onTeardown(() => client.disconnect())
      const probe = probeStream(transport, ['/e/'])
      await probe.untilListed()
      for (let i = 0; i < 400; i++) await client.set(`/e/${i}`, Buffer.alloc(20_000))
      await waitFor(
        async () => Number(/evicted_keys:(\d+)/u.exec(await own.cli('INFO', 'stats'))?.[1]) > 0,
      )
      await waitFor(async () => probe.state.size === Number(await own.cli('DBSIZE')))
      const left = new Set(await client.keys('*'))
      await probe.until(
        (state) => state.size === left.size && [...left].every((key) => state.has(key)),
      )
    })
  })
})
