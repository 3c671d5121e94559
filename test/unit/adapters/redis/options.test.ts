import { describe, expect, it } from '@jest/globals'
import { redis } from '../../../../src/adapters/redis/index.ts'
import { readOptions } from '../../../../src/adapters/redis/options.ts'

describe('redis(options)', () => {
  it('fills in defaults, and contacts nobody', () => {
    expect(readOptions({})).toMatchObject({
      name: 'redis',
      endpoints: [{ host: '127.0.0.1', port: 6379 }],
      cluster: false,
      db: 0,
      tls: undefined,
      password: undefined,
      connectionName: 'datasync-redis',
      notifications: 'keyspace',
      livenessMs: 10_000,
      reconcileMs: 300_000,
      connectTimeoutMs: 10_000,
      commandTimeoutMs: 10_000,
      maxValueBytes: 8 * 2 ** 20,
      scanCount: 1_000,
    })
    const transport = redis({ name: 'mine', livenessMs: 500, maxValueBytes: 9 })
    expect(transport.name).toBe('mine')
    expect(transport.livenessMs).toBe(500)
    expect(transport.capabilities).toEqual({
      resumable: false,
      storeRevisions: false,
      ttl: true,
      conditionalPut: true,
      transactions: true,
      prefixDelete: false,
      waitForApplied: false,
      browser: false,
      ordered: false,
      maxValueBytes: 9,
    })
    expect(transport.skipped).toEqual({ keys: 0, values: 0 })
  })

  it('lets options go before the URL', async () => {
    const settings = readOptions({
      url: 'rediss://me:old@host/2',
      options: { password: 'new', db: 5, tls: { servername: 'x' }, connectionName: 'my app\n1' },
    })
    expect(settings).toMatchObject({
      db: 5,
      username: 'me',
      tls: { servername: 'x' },
      connectionName: 'my-app-1',
    })
    expect(await settings.password?.()).toBe('new')
    expect(readOptions({ url: 'rediss://host' }).tls).toEqual({})
  })

  it('knows a cluster by its URLs', () => {
    expect(readOptions({ urls: ['redis://a', 'redis://b:1'] })).toMatchObject({
      cluster: true,
      endpoints: [
        { host: 'a', port: 6379 },
        { host: 'b', port: 1 },
      ],
    })
    expect(readOptions({ urls: ['redis://a'], cluster: true }).cluster).toBe(true)
    expect(readOptions({ url: 'redis+cluster://a' }).cluster).toBe(true)
    expect(
      readOptions({ options: { natMap: { '10.0.0.1:6379': 'a:1', 'inner:2': '[::1]:2' } } }).natMap,
    ).toEqual(
      new Map([
        ['10.0.0.1:6379', { host: 'a', port: 1 }],
        ['inner:2', { host: '::1', port: 2 }],
      ]),
    )
  })

  it.each([
    [{ uri: 'redis://a' }, 'uri'],
    [{ url: 5 }, 'url'],
    [{ url: 'mysql://a' }, 'url'],
    [{ url: 'redis://a', urls: ['redis://a'] }, 'urls'],
    [{ urls: [] }, 'urls'],
    [{ url: 'redis+cluster://a', cluster: false }, 'cluster'],
    [{ url: 'redis+cluster://a/1' }, 'options.db'],
    [{ cluster: true, options: { db: 1 } }, 'options.db'],
    [{ url: 'redis://me@host' }, 'options.password'],
    [{ options: { host: 'a' } }, 'options.host'],
    [{ options: { natMap: { a: 'b c' } } }, 'options.natMap'],
    [{ notifications: 'polling' }, 'notifications'],
    [{ livenessMs: 0 }, 'livenessMs'],
    [{ reconcileMs: -1 }, 'reconcileMs'],
    [{ scanCount: 1.5 }, 'scanCount'],
    [{ maxValueBytes: 2 ** 30 }, 'maxValueBytes'],
    [{ connectTimeoutMs: '5' }, 'connectTimeoutMs'],
  ])('refuses %j', (options, option) => {
    expect(() => redis(options as never)).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option }),
    )
  })
})
