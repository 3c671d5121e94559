import { createConnection, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import type { Connection } from '../../src/adapters/redis/connection.ts'
import { dialer } from '../../src/adapters/redis/dial.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import type { RedisOptions, RedisTransport } from '../../src/adapters/redis/index.ts'
import { NotificationHub } from '../../src/adapters/redis/notification-hub.ts'
import { readOptions } from '../../src/adapters/redis/options.ts'
import { TrackingAnnouncer } from '../../src/adapters/redis/tracking-announcer.ts'
import { WatchStream } from '../../src/adapters/redis/watch-stream.ts'
import { systemClock } from '../../src/api/clock.ts'
import type { Clock } from '../../src/api/clock.ts'
import { isSyncError } from '../../src/api/errors.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis } from '../servers/redis.ts'
import type { RedisServer } from '../servers/redis.ts'
import { leakCheck } from '../support/leak-check.ts'
import { openLink } from '../support/link.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, probeStream, put, realIo, uniquePrefix } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

describeWithRedis('redis: links', () => {
  let server: RedisServer
  let writer: Redis

  beforeAll(async () => {
    server = await startRedis()
    writer = new Redis({ host: server.host, port: server.port })
    onTeardown(() => writer.disconnect())
  })

  async function opened(options: RedisOptions): Promise<RedisTransport> {
    const transport = redis(options)
    onTeardown(() => transport.close())
    await transport.open(realIo())
    return transport
  }

  describe.each(['keyspace', 'tracking'] as const)('by %s', (notifications) => {
    it('a lost link ends all streams, and the next one lists again', async () => {
      const link = await openLink({ port: server.port })
      const transport = await opened({ url: link.url('redis'), notifications })
      const p = uniquePrefix()
      const probes = [probeStream(transport, [p]), probeStream(transport, [`${p}a`])]
      for (const probe of probes) await probe.untilListed()
      link.drop()
      for (const probe of probes) {
        expect(await probe.failure()).toMatchObject({ code: 'SYNC_UNAVAILABLE', retryable: true })
      }
      await writer.set(`${p}a`, 'meanwhile')
      const next = probeStream(transport, [p])
      await next.untilListed()
      expect(next.state.get(`${p}a`)).toBe('meanwhile')
    })

    it('any of its connections that is killed ends the stream', async () => {
      const transport = await opened({ url: server.url, notifications, name: uniquePrefix() })
      const p = uniquePrefix()
      const own = async (): Promise<string[]> => {
        const name = `name=datasync-${transport.name} `
        const lines = (await server.cli('CLIENT', 'LIST'))
          .split('\n')
          .filter((line) => line.includes(name))
        return lines.map((line) => /id=(\d+)/u.exec(line)?.[1] ?? '')
      }
      const commands = new Set(await own())
      for (let i = 0; ; i++) {
        const probe = probeStream(transport, [p])
        await probe.untilListed()
        const ids = (await own()).filter((id) => !commands.has(id))
        const victim = ids[i]
        if (victim === undefined) {
          expect(ids).toHaveLength(notifications === 'tracking' ? 3 : 2)
          return
        }
        await server.cli('CLIENT', 'KILL', 'ID', victim)
        expect(await probe.failure()).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      }
    })

    it('a link that is held is noticed, its sockets are destroyed', async () => {
      const link = await openLink({ port: server.port })
      const transport = await opened({ url: link.url('redis'), notifications, livenessMs: 300 })
      const p = uniquePrefix()
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      await waitFor(() => probe.progress > 0)
      link.hold()
      const held = performance.now()
      expect(await probe.failure(2_000)).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      expect(performance.now() - held).toBeLessThan(600 + 200)
      // The one for commands does not know yet.
      await waitFor(() => link.connections <= 1)
      link.release()
      await probeStream(transport, [p]).untilListed()
    })

    it('one held direction is enough to notice', async () => {
      for (const direction of ['up', 'down'] as const) {
        const link = await openLink({ port: server.port })
        const transport = await opened({ url: link.url('redis'), notifications, livenessMs: 200 })
        const probe = probeStream(transport, [uniquePrefix()])
        await probe.untilListed()
        link.hold(direction)
        expect(await probe.failure(2_000)).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      }
    })

    it('a server that hangs is noticed, and seen again when it goes on', async () => {
      const own = await startRedis()
      const transport = await opened({
        url: own.url,
        notifications,
        livenessMs: 300,
        commandTimeoutMs: 300,
      })
      const probe = probeStream(transport, ['/x'])
      await probe.untilListed()
      own.pause()
      expect(await probe.failure(2_000)).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      own.resume()
      await probeStream(transport, ['/x']).untilListed()
    })

    it('a slow link is no lost one: a value that takes longer than livenessMs arrives', async () => {
      const link = await openLink({ port: server.port })
      const transport = await opened({ url: link.url('redis'), notifications, livenessMs: 200 })
      const p = uniquePrefix()
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      const value = 'x'.repeat(400_000)
      link.trickle(400, 1, 'down')
      const before = probe.progress
      await writer.set(`${p}big`, value)
      await probe.until((state) => state.get(`${p}big`) === value)
      expect(probe.progress).toBeGreaterThan(before + 3)
    })

    it('streams that end leave nothing on the server', async () => {
      const transport = await opened({ url: server.url, notifications, name: uniquePrefix() })
      const count = async (): Promise<number> =>
        (await server.cli('CLIENT', 'LIST')).split(`name=datasync-${transport.name} `).length - 1
      const probes = [probeStream(transport, ['/a']), probeStream(transport, ['/b'])]
      for (const probe of probes) await probe.untilListed()
      expect(await count()).toBeGreaterThan(1)
      for (const probe of probes) await probe.stop()
      await waitFor(async () => (await count()) === 1)
      await transport.close()
      await waitFor(async () => (await count()) === 0)
    })

    it('a stream that goes while the connections are made takes nothing from another', async () => {
      const p = uniquePrefix()
      for (let i = 0; i < 30; i++) {
        const transport = await opened({ url: server.url, notifications })
        const short = probeStream(transport, [`${p}other/`])
        const long = probeStream(transport, [p])
        for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve))
        await short.stop()
        await long.untilListed()
        await writer.set(`${p}x`, String(i))
        await long.until((state) => state.get(`${p}x`) === String(i))
        await transport.close()
      }
    })

    it('an abort at any moment of the start leaves nothing', async () => {
      const transport = await opened({ url: server.url, notifications, name: uniquePrefix() })
      const leaks = await leakCheck()
      for (let i = 0; i < 40; i++) {
        const probe = probeStream(transport, ['/a'])
        for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve))
        await probe.stop()
        expect(probe.error).toBeUndefined()
      }
      await leaks.expectNoLeaks()
    })
  })

  it('200 reconnects leak no socket, timer or listener', async () => {
    const link = await openLink({ port: server.port })
    const clock = countingClock()
    const transport = redis({ url: link.url('redis') })
    onTeardown(() => transport.close())
    const io = realIo({ clock })
    let listeners = 0
    const add = io.signal.addEventListener.bind(io.signal)
    const remove = io.signal.removeEventListener.bind(io.signal)
    io.signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    io.signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    await transport.open(io)
    const leaks = await leakCheck()
    const timers = clock.running
    for (let i = 0; i < 200; i++) {
      const stream = transport.stream(['/x'], undefined, io)
      await expect(
        (async () => {
          for await (const batch of stream) if (batch.kind === 'listed') link.drop()
        })(),
      ).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    }
    await leaks.expectNoLeaks()
    expect(listeners).toBe(0)
    // That of the back-off of the connection for commands.
    expect(clock.running).toBeLessThanOrEqual(timers + 1)
    await transport.close()
    expect(clock.running).toBe(0)
  }, 60_000)

  it('close ends streams, and nothing is left', async () => {
    const leaks = await leakCheck()
    const clock = countingClock()
    const transport = redis({ url: server.url })
    await transport.open(realIo({ clock }))
    const probes = [
      probeStream(transport, ['/a'], { clock }),
      probeStream(transport, ['/b'], { clock }),
    ]
    for (const probe of probes) await probe.untilListed()
    await transport.close()
    for (const probe of probes) expect(await probe.failure()).toMatchObject({ code: 'SYNC_CLOSED' })
    expect(clock.running).toBe(0)
    await leaks.expectNoLeaks()
  })

  it('close is soon over when the link is held', async () => {
    const link = await openLink({ port: server.port })
    const leaks = await leakCheck()
    const transport = redis({ url: link.url('redis') })
    await transport.open(realIo())
    const probe = probeStream(transport, ['/a'])
    await probe.untilListed()
    link.hold()
    const begun = performance.now()
    await transport.close()
    expect(performance.now() - begun).toBeLessThan(500)
    link.drop()
    await leaks.expectNoLeaks()
  })

  it('a subscriber that falls behind is cut off by the server: a lost stream', async () => {
    const own = await startRedis({
      config: { 'client-output-buffer-limit': 'pubsub 100kb 100kb 1' },
    })
    const link = await openLink({ port: own.port })
    const transport = await opened({ url: link.url('redis'), livenessMs: 60_000 })
    const probe = probeStream(transport, ['/x/'])
    await probe.untilListed()
    link.hold('down')
    const client = new Redis({ host: own.host, port: own.port })
    onTeardown(() => client.disconnect())
    const subscribers = async (): Promise<boolean> =>
      (await own.cli('CLIENT', 'LIST', 'TYPE', 'pubsub')) !== ''
    for (let i = 0; await subscribers(); i++) {
      await Promise.all(
        Array.from({ length: 5_000 }, (_, j) => client.set(`/x/${i}/${j}/${'y'.repeat(500)}`, '1')),
      )
      if (i === 50) throw new Error('the subscriber is still there')
    }
    link.release()
    expect(await probe.failure()).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    const next = probeStream(transport, ['/x/'])
    await next.untilListed()
    expect(next.state.size).toBe(Number(await own.cli('DBSIZE')))
  })

  it('a consumer that takes nothing while many keys change gets a new list (W24)', async () => {
    const io = realIo()
    const settings = readOptions({ url: server.url })
    const p = uniquePrefix()
    const hub = new NotificationHub({
      settings,
      io,
      dial: dialer(settings, io),
      discover: () => Promise.reject(new Error('no cluster')),
      skipped: () => {},
      ended: () => {},
    })
    onTeardown(() => hub.close())
    const stream = new WatchStream({
      settings,
      prefixes: [p],
      io,
      hub,
      skipped: () => {},
      maxMarked: 100,
    })
    const batches = stream.run()
    expect((await batches.next()).value).toEqual({ kind: 'listed' })
    for (let i = 0; i < 300; i++) await writer.set(`${p}${i}`, '1')
    for (const session of hub.sessions.values()) await session.hearOut()
    const kinds: string[] = []
    let listed = 0
    while (listed < 300) {
      const { value } = await batches.next()
      if (value === undefined) throw new Error('the stream has ended')
      kinds.push(value.kind)
      if (value.kind === 'pairs') listed += value.pairs.length
    }
    expect(kinds[0]).toBe('reset')
    expect(kinds).not.toContain('changes')
    io.abort()
    expect((await batches.next()).done).toBe(true)
  })

  it('a server that becomes a replica is not watched on', async () => {
    const own = await startRedis()
    const transport = await opened({ url: own.url, livenessMs: 300 })
    const probe = probeStream(transport, ['/x'])
    await probe.untilListed()
    await own.cli('REPLICAOF', server.host, String(server.port))
    const error = await probe.failure()
    expect(error).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    expect(String(error)).toContain('became a slave')
    await own.cli('REPLICAOF', 'NO', 'ONE')
    await probeStream(transport, ['/x']).untilListed()
  })

  it('connections that lead to different servers are no watch', async () => {
    const other = await startRedis()
    const balancer = await balance([server.port, other.port])
    const transport = redis({ url: `redis://127.0.0.1:${balancer.port}` })
    onTeardown(() => transport.close())
    const probe = probeStream(transport, ['/x'])
    const error = await probe.failure()
    expect(error).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    expect(String(error)).toContain('is another server')
    balancer.only(other.port)
    const next = probeStream(transport, ['/x'])
    await next.untilListed()
    await other.cli('SET', '/x', '1')
    await next.until((state) => state.get('/x') === '1')
  })

  it('tracking: a redirect that is lost is noticed by the probe', async () => {
    const transport = await opened({
      url: server.url,
      notifications: 'tracking',
      name: uniquePrefix(),
      livenessMs: 300,
    })
    const probe = probeStream(transport, ['/x'])
    await probe.untilListed()
    const lines = (await server.cli('CLIENT', 'LIST')).split('\n')
    const tracked = lines.find(
      (line) => line.includes(`name=datasync-${transport.name} `) && /flags=\w*t/u.test(line),
    )
    expect(tracked).toContain('redir=')
    const target = /redir=(\d+)/u.exec(tracked ?? '')?.[1] as string
    expect(lines.find((line) => line.startsWith(`id=${target} `))).toContain('sub=1')
    await server.cli('CLIENT', 'KILL', 'ID', target)
    expect(await probe.failure()).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
  })

  it('tracking: what the server says of a lost redirect is heard, should the loss itself not be', async () => {
    const settings = readOptions({ url: server.url, livenessMs: 5_000 })
    const dial = dialer(settings, realIo())
    const open = (): Promise<Connection> =>
      dial({ host: server.host, port: server.port }, 5_000, new AbortController().signal)
    const subscriber = await open()
    const tracked: Connection[] = []
    const announcer = await TrackingAnnouncer.start({
      transport: 'redis',
      subscriber,
      sink: { changed: () => {}, flushed: () => {} },
      open: async () => {
        const connection = await open()
        tracked.push(connection)
        return connection
      },
      release: () => {},
    })
    onTeardown(() => tracked.map((connection) => connection.destroy()))
    await announcer.cover(['/a/'])
    await announcer.check()
    subscriber.destroy()
    // The server finds out when it has something to tell.
    await writer.set('/a/x', '1')
    await waitFor(() =>
      announcer.check().then(
        () => false,
        (error: unknown) => isSyncError(error, 'SYNC_UNAVAILABLE'),
      ),
    )
  })

  it('a server killed and started empty is listed empty (case 16)', async () => {
    const own = await startRedis()
    const transport = await opened({ url: own.url })
    await commitTo(transport, put('/x', '1'))
    const probe = probeStream(transport, ['/x'])
    await probe.untilListed()
    await own.restart({ keepData: false })
    await probe.failure()
    const next = probeStream(transport, ['/x'])
    await next.untilListed()
    expect(next.state.size).toBe(0)
    await waitFor(() => commitTo(transport, put('/x', '2')).then(() => true))
    await next.until((state) => state.get('/x') === '2')
  })
})

function countingClock(): Clock & { readonly running: number } {
  const timers = new Set<object>()
  return {
    now: () => systemClock.now(),
    after(delayMs, task, options) {
      const timer = systemClock.after(
        delayMs,
        () => {
          timers.delete(timer)
          task()
        },
        options,
      )
      timers.add(timer)
      return {
        stop: () => {
          timers.delete(timer)
          timer.stop()
        },
      }
    },
    get running() {
      return timers.size
    },
  }
}

/** As a name with two addresses, or a balancer: connections go to the servers in turn. */
async function balance(
  ports: readonly number[],
): Promise<{ port: number; only(port: number): void }> {
  let targets = ports
  let turn = 0
  const sockets = new Set<Socket>()
  const front = createServer((client) => {
    const upstream = createConnection(targets[turn++ % targets.length] as number, '127.0.0.1')
    for (const [a, b] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(a)
      a.on('error', () => {})
      a.once('close', () => {
        sockets.delete(a)
        b.destroy()
      })
      a.pipe(b)
    }
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  onTeardown(() => {
    for (const socket of sockets) socket.destroy()
    front.close()
  })
  return {
    port: (front.address() as AddressInfo).port,
    only(port) {
      targets = [port]
      for (const socket of sockets) socket.destroy()
    },
  }
}
