import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { redis } from '../../src/adapters/redis/index.ts'
import type { RedisOptions, RedisTransport } from '../../src/adapters/redis/index.ts'
import { isSyncError } from '../../src/api/errors.ts'
import type { Logger } from '../../src/api/logger.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis } from '../servers/redis.ts'
import type { RedisServer } from '../servers/redis.ts'
import { freePort } from '../support/free-port.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, probeStream, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

function transportOf(options: RedisOptions): RedisTransport {
  const transport = redis(options)
  onTeardown(() => transport.close())
  return transport
}

function asUser(server: RedisServer, login: string): string {
  return server.url.replace('://', `://${login}@`)
}

/** Everything but CONFIG. */
const NO_CONFIG = 'app on >secret ~* &* +@all -config'

describeWithRedis('redis: open', () => {
  it('switches notifications on and keeps what others have set', async () => {
    const server = await startRedis({ config: { 'notify-keyspace-events': 'Exm' } })
    await transportOf({ url: server.url }).open(realIo())
    const [, flags = ''] = (await server.cli('CONFIG', 'GET', 'notify-keyspace-events')).split('\n')
    expect(new Set(flags)).toEqual(new Set('AKEm'))
  })

  it('leaves a setting alone that announces all that can happen to a string', async () => {
    const server = await startRedis({ config: { 'notify-keyspace-events': 'K$gxelsz' } })
    const transport = transportOf({ url: server.url })
    await transport.open(realIo())
    const [, flags = ''] = (await server.cli('CONFIG', 'GET', 'notify-keyspace-events')).split('\n')
    expect(new Set(flags)).toEqual(new Set('K$gxelsz'))
    const probe = probeStream(transport, ['/x'])
    await probe.untilListed()
    await server.cli('SET', '/x', '1')
    await probe.until((state) => state.get('/x') === '1')
  })

  it('is one run, however often it is called', async () => {
    const server = await startRedis()
    const transport = transportOf({ url: server.url })
    await Promise.all([transport.open(realIo()), transport.open(realIo())])
    await transport.open(realIo())
    const clients = await server.cli('CLIENT', 'LIST')
    expect(clients.split('\n').filter((line) => line.includes('name=datasync-redis'))).toHaveLength(
      1,
    )
  })

  describe('without the right to CONFIG', () => {
    it('rejects where the setting is not known, and names it', async () => {
      const server = await startRedis({ users: [NO_CONFIG] })
      const error = await transportOf({ url: asUser(server, 'app:secret') })
        .open(realIo())
        .catch(String)
      expect(error).toContain('NotificationsDisabledError')
      expect(error).toContain('set notify-keyspace-events KA on the server')
    })

    it('rejects where CONFIG has no such name', async () => {
      const server = await startRedis({ renameCommands: { CONFIG: '' } })
      await expect(transportOf({ url: server.url }).open(realIo())).rejects.toMatchObject({
        code: 'SYNC_NOTIFICATIONS_DISABLED',
        setting: 'notify-keyspace-events KA',
      })
    })

    it('rejects where it may be read and says no, but not set', async () => {
      const server = await startRedis({ users: ['app on >secret ~* &* +@all -config +config|get'] })
      await expect(
        transportOf({ url: asUser(server, 'app:secret') }).open(realIo()),
      ).rejects.toMatchObject({ code: 'SYNC_NOTIFICATIONS_DISABLED' })
    })

    it('works where it may be read and is set', async () => {
      const server = await startRedis({
        users: ['app on >secret ~* &* +@all -config +config|get'],
        config: { 'notify-keyspace-events': 'KEA' },
      })
      const transport = transportOf({ url: asUser(server, 'app:secret') })
      await transport.open(realIo())
      const probe = probeStream(transport, ['/x'])
      await probe.untilListed()
      await server.cli('SET', '/x', '1')
      await probe.until((state) => state.get('/x') === '1')
    })

    it('works with assumeNotifications', async () => {
      const server = await startRedis({
        users: [NO_CONFIG],
        config: { 'notify-keyspace-events': 'KEA' },
      })
      const transport = transportOf({
        url: asUser(server, 'app:secret'),
        assumeNotifications: true,
      })
      await transport.open(realIo())
      const probe = probeStream(transport, ['/x'])
      await probe.untilListed()
      await server.cli('SET', '/x', '1')
      await probe.until((state) => state.get('/x') === '1')
    })

    it('works by tracking', async () => {
      const server = await startRedis({ users: [NO_CONFIG] })
      const transport = transportOf({
        url: asUser(server, 'app:secret'),
        notifications: 'tracking',
      })
      await transport.open(realIo())
      const probe = probeStream(transport, ['/x'])
      await probe.untilListed()
      await server.cli('SET', '/x', '1')
      await probe.until((state) => state.get('/x') === '1')
    })
  })

  describe('access', () => {
    it('rejects a wrong password, a wrong user and none, and tells no secret', async () => {
      const server = await startRedis({ password: 'right-secret', users: [NO_CONFIG] })
      const attempts: RedisOptions[] = [
        { url: asUser({ ...server, url: `redis://127.0.0.1:${server.port}` }, ':wrong-secret') },
        {
          url: `redis://127.0.0.1:${server.port}`,
          options: { username: 'app', password: 'wrong-secret' },
        },
        {
          url: `redis://127.0.0.1:${server.port}`,
          options: { username: 'nobody', password: 'wrong-secret' },
        },
        { url: `redis://127.0.0.1:${server.port}` },
      ]
      for (const options of attempts) {
        const { logger, text } = recordingLogger()
        const transport = transportOf(options)
        const error: unknown = await transport
          .open(realIo({ logger }))
          .catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: 'SYNC_ACCESS_DENIED', transport: 'redis' })
        const probe = probeStream(transport, [''], { logger })
        expect(await probe.failure()).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
        const write: unknown = await commitTo(transport, put('/a', '1')).catch(
          (thrown: unknown) => thrown,
        )
        expect(write).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
        const said = [error, probe.error, write]
          .map((thrown) => inspect(thrown, { depth: 10 }))
          .join()
        expect(said + text()).not.toContain('secret')
      }
    })

    it('asks for the password at every attempt (W17)', async () => {
      const server = await startRedis({ password: 'first' })
      let secret = 'first'
      const transport = transportOf({
        url: `redis://127.0.0.1:${server.port}`,
        options: { password: async () => secret },
      })
      await transport.open(realIo())
      await server.cli('CONFIG', 'SET', 'requirepass', 'second')
      secret = 'second'
      const probe = probeStream(transport, ['/x'])
      await probe.untilListed()
    })

    it('says that the function for the password failed, and asks again', async () => {
      const server = await startRedis({ password: 'first' })
      const cause = new Error('the vault is sealed')
      let sealed = true
      const transport = transportOf({
        url: `redis://127.0.0.1:${server.port}`,
        options: {
          password: async () => {
            if (sealed) throw cause
            return 'first'
          },
        },
      })
      await transport.open(realIo())
      const refused = transport.stream(['/x'], undefined, realIo())[Symbol.asyncIterator]()
      await expect(refused.next()).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        message: expect.stringContaining('password'),
        cause,
      })
      sealed = false
      await probeStream(transport, ['/x']).untilListed()
    })

    it('goes on with a password that the server does not want', async () => {
      const server = await startRedis()
      const transport = transportOf({ url: server.url, options: { password: 'needless' } })
      await transport.open(realIo())
      await probeStream(transport, ['/x']).untilListed()
    })

    it('works with the rights that docs/adapters/redis.md lists', async () => {
      const docs = await readFile('docs/adapters/redis.md', 'utf8')
      const rules = [...docs.matchAll(/^ACL SETUSER (app-\w+) (.+)$/gmu)]
      expect(rules.map(([, name]) => name)).toEqual(['app-keyspace', 'app-tracking'])
      for (const [, user = '', rule = ''] of rules) {
        const server = await startRedis({ users: [`${user} ${rule}`] })
        const transport = transportOf({
          url: asUser(server, `${user}:secret`),
          notifications: user === 'app-tracking' ? 'tracking' : 'keyspace',
          reconcileMs: 200,
          livenessMs: 400,
        })
        await transport.open(realIo())
        const probe = probeStream(transport, ['/config/'])
        await probe.untilListed()
        await commitTo(transport, put('/config/a', '1', { ifAbsent: true }))
        await commitTo(transport, put('/config/a', '2'), put('/config/b', '2', { ttlMs: 60_000 }))
        await probe.until((state) => state.get('/config/a') === '2' && state.has('/config/b'))
        await commitTo(transport, { type: 'delete', key: '/config/a' })
        await probe.until((state) => !state.has('/config/a'))
        await commitTo(transport, { type: 'delete-prefix', prefix: '/config/' })
        await probe.until((state) => state.size === 0)
        expect(await transport.get(['/config/a'], realIo())).toEqual([])
        await probe.untilListed(3)
        await waitFor(() => probe.progress > 2)
      }
    })

    it('a prefix beyond the rights of the user is an error of that stream', async () => {
      const server = await startRedis({
        users: ['app on >secret ~/mine/* &__keyspace@0__:/mine/* +@all'],
      })
      const transport = transportOf({ url: asUser(server, 'app:secret') })
      await transport.open(realIo())
      const mine = probeStream(transport, ['/mine/'])
      await mine.untilListed()
      const other = probeStream(transport, ['/other/'])
      expect(await other.failure()).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
      await server.cli('SET', '/mine/x', '1')
      await mine.until((state) => state.get('/mine/x') === '1')
    })
  })

  describe('the server', () => {
    it('may be away: it is watched when it comes', async () => {
      const port = await freePort()
      const transport = transportOf({ url: `redis://127.0.0.1:${port}` })
      await transport.open(realIo())
      expect(await probeStream(transport, ['/x']).failure()).toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        retryable: true,
      })
      expect(
        isSyncError(await commitTo(transport, put('/x', '1')).catch((error: unknown) => error)),
      ).toBe(true)
    })

    it('must have the database', async () => {
      const server = await startRedis()
      await expect(transportOf({ url: `${server.url}/99` }).open(realIo())).rejects.toMatchObject({
        code: 'SYNC_INVALID_OPTION',
        option: 'options.db',
      })
    })

    it('must be a primary: a replica is not watched, and watched when it becomes one', async () => {
      const server = await startRedis()
      const replica = await startRedis()
      await replica.cli('REPLICAOF', server.host, String(server.port))
      const transport = transportOf({ url: replica.url })
      await transport.open(realIo())
      const error = await probeStream(transport, ['/x']).failure()
      expect(error).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      expect(String(error)).toContain('no primary but a slave')
      await replica.cli('REPLICAOF', 'NO', 'ONE')
      await probeStream(transport, ['/x']).untilListed()
    })

    it('must be no node of a cluster, unless one is expected', async () => {
      const node = await startRedis({ config: { 'cluster-enabled': 'yes' } })
      await expect(transportOf({ url: node.url }).open(realIo())).rejects.toMatchObject({
        code: 'SYNC_INVALID_OPTION',
        option: 'cluster',
      })
      const server = await startRedis()
      await expect(
        transportOf({ url: server.url, cluster: true }).open(realIo()),
      ).rejects.toMatchObject({ code: 'SYNC_INVALID_OPTION', option: 'cluster' })
    })
  })

  describe('TLS', () => {
    it('trusts the given authority and nobody else', async () => {
      const server = await startRedis({ tls: true, password: 'secret' })
      const ca = await readFile(server.ca as string)
      const transport = transportOf({ url: server.url, options: { tls: { ca } } })
      await transport.open(realIo())
      const probe = probeStream(transport, ['/x'])
      await probe.untilListed()
      await commitTo(transport, put('/x', 'over tls'))
      await probe.until((state) => state.get('/x') === 'over tls')
      await expect(transportOf({ url: server.url }).open(realIo())).rejects.toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
      })
      const tls = { ca, servername: 'other.example' }
      await expect(
        transportOf({ url: server.url, options: { tls } }).open(realIo()),
      ).rejects.toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    })

    it('gives up on a server that does not speak it', async () => {
      const server = await startRedis()
      const url = server.url.replace('redis:', 'rediss:')
      const transport = transportOf({ url, connectTimeoutMs: 300 })
      await transport.open(realIo())
      const error = await probeStream(transport, ['/x']).failure()
      expect(String(error)).toContain('took longer than 300 ms')
    })
  })
})

function recordingLogger(): { logger: Logger; text: () => string } {
  const lines: string[] = []
  const write = (fields: object, message: string): void => {
    lines.push(message + inspect(fields, { depth: 10 }))
  }
  return {
    logger: { debug: write, info: write, warn: write, error: write },
    text: () => lines.join('\n'),
  }
}
