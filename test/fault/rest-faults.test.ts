import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { rest } from '../../src/adapters/rest/index.ts'
import type { RestOptions } from '../../src/adapters/rest/index.ts'
import { Agent, memory, raw } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { Follower } from '../support/follower.ts'
import { Followers } from '../support/followers.ts'
import { footprint, openSockets } from '../support/footprint.ts'
import { freePort } from '../support/free-port.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { serveAgent } from '../support/rest.ts'
import type { RestWorld } from '../support/rest.ts'
import { spawnNode } from '../support/spawn-node.ts'
import type { NodeProgram } from '../support/spawn-node.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { probeStream } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const LIVENESS_MS = 900
const value = (text: string): ReturnType<typeof raw> => raw(Buffer.from(text))

describe('REST faults, the link', () => {
  let world: RestWorld
  let link: Link
  let url: string
  let writes = 0
  const followers = new Followers()

  function follow(options: Partial<RestOptions> = {}): Promise<Follower> {
    return followers.follow(rest({ url, livenessMs: LIVENESS_MS, ...options }))
  }

  async function stored(): Promise<Record<string, string>> {
    const pairs: Record<string, string> = {}
    for await (const pair of world.agent.list('/f/')) {
      pairs[pair.key] = Buffer.from(pair.bytes).toString()
    }
    return pairs
  }

  async function fill(count: number, text: string): Promise<void> {
    const txn = world.agent.txn()
    for (let i = 0; i < count; i++) txn.put(`/f/${i}`, value(text))
    await txn.commit()
  }

  beforeAll(async () => {
    world = await serveAgent(
      { closeTimeoutMs: 100 },
      { transport: memory({ historyLimit: 5_000 }) },
      (agent) => {
        agent.watch('counter', '/f/').handle({ change: () => void writes++ })
      },
    )
    link = await openLink({ port: world.server.port })
    url = link.url('http')
  })
  afterEach(async () => {
    await followers.close()
    await link.restore()
    link.release()
    link.trickle(Infinity)
    await world.agent.delete('/f/', { prefix: true })
  })

  it('cut in the list: another list, nothing partial is seen', async () => {
    await fill(3_000, 'a value that is not so short')
    const hook = link.onDownstream('/f/2500', async () => {
      await link.cut()
      await world.agent.put('/f/0', value('new'))
      await world.agent.delete('/f/1')
      await link.restore()
    })
    const follower = await follow()
    await hook.matched
    await follower.converges(await stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('cut between list and changes, and amid changes: each once, no RESYNC', async () => {
    const hook = link.onDownstream('resync-end', () => link.drop())
    const follower = await follow()
    await hook.matched
    for (let round = 0; round < 3; round++) {
      await link.cut()
      for (let i = 0; i < 200; i++) await world.agent.put(`/f/${i}`, value(`${round} ${i}`))
      const amid = link.onDownstream(`/f/${60 + round}`, () => link.drop())
      await link.restore()
      await amid.matched
      await follower.converges(await stored())
    }
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.changes).toHaveLength(600)
  })

  it('W9: a transaction in parts, cut amid them: back to back, or not at all', async () => {
    const follower = await follow()
    const long = 'v'.repeat(100_000)
    const hook = link.onDownstream('"more":true', () => link.drop())
    const txn = world.agent.txn()
    for (let i = 0; i < 30; i++) txn.put(`/f/${i}`, value(long))
    await txn.commit()
    await hook.matched
    await follower.converges(await stored())
    expect(follower.changes).toHaveLength(30)
    expect(new Set(follower.revisions).size).toBe(1)
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('half-open: noticed within 2 × livenessMs, and what was missed arrives', async () => {
    await fill(10, 'old')
    const follower = await follow()
    link.hold()
    const heldAt = performance.now()
    await world.agent.put('/f/0', value('missed'))
    await world.agent.delete('/f/1')
    await follower.becomes('stale')
    expect(performance.now() - heldAt).toBeLessThan(2 * LIVENESS_MS + 300)
    await link.cut()
    await link.restore()
    link.release()
    await follower.converges(await stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('a slow link: the list takes longer than the liveness bound, nobody gives up', async () => {
    await fill(400, 'x'.repeat(100))
    link.trickle(2_048, 40, 'down')
    const startedAt = performance.now()
    const follower = await follow()
    await follower.converges(await stored())
    expect(performance.now() - startedAt).toBeGreaterThan(LIVENESS_MS)
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.agent.health().transports[0]?.reconnects).toBe(0)
  })

  it('quiet for many times the liveness bound: one connection is enough', async () => {
    const transport = rest({ url, livenessMs: 150 })
    const probe = probeStream(transport, ['/f/'])
    await probe.untilListed()
    const before = link.totalConnections
    await waitFor(() => probe.progress > 30)
    expect([probe.ended, link.totalConnections]).toEqual([false, before])
    await probe.stop()
    await transport.close()
  })

  it('a proxy that buffers: the list is seen at once, and each reconnect brings what it held back', async () => {
    await fill(5, 'old')
    const proxy = createServer((client) => {
      const server = connect(world.server.port, '127.0.0.1')
      let held: Buffer[] = []
      server.on('data', (chunk) => {
        held.push(chunk)
        // As a proxy with a buffer of 2 KiB that ignores what it is asked for.
        if (held.reduce((sum, each) => sum + each.length, 0) < 2_048) return
        client.write(Buffer.concat(held))
        held = []
      })
      const end = (): void => {
        if (!client.destroyed) client.end(Buffer.concat(held))
        server.destroy()
      }
      server.on('end', end).on('error', end)
      client.pipe(server).on('error', end)
      client.on('error', () => server.destroy())
      client.on('close', () => server.destroy())
    }).listen(0, '127.0.0.1')
    onTeardown(() => proxy.close())
    await waitFor(() => proxy.listening)
    const { port } = proxy.address() as AddressInfo
    const startedAt = performance.now()
    const behind = { url: `http://127.0.0.1:${port}`, livenessMs: LIVENESS_MS }
    const probe = probeStream(rest({ ...behind, livenessMs: 60_000 }), ['/f/'])
    await probe.untilListed()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    await probe.stop()
    // Short answers are held back for good: open gives up, the watch goes on all the same.
    const follower = await followers.follow(rest({ ...behind, commandTimeoutMs: 200 }))
    await world.agent.put('/f/0', value('new'))
    await follower.converges(await stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('a writer goes on all the time while the link is dropped again and again', async () => {
    const follower = await follow()
    for (let round = 0; round < 60; round++) {
      const key = `/f/${round % 7}`
      if (round % 5 === 4) await world.agent.delete(key)
      else await world.agent.put(key, value(String(round)))
      if (round % 3 === 0) link.drop()
    }
    await follower.converges(await stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('100 reconnects leave nothing behind, on either side', async () => {
    const follower = await follow()
    const reconnect = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        link.drop()
        await world.agent.put('/f/0', value(`${times} ${i}`))
        await waitFor(() => follower.fold.get('/f/0') === `${times} ${i}`)
      }
    }
    await reconnect(20)
    const before = footprint(link)
    await reconnect(100)
    await waitFor(() => footprint(link).sockets <= before.sockets + 2)
    const after = footprint(link)
    expect(after.connections).toBeLessThanOrEqual(before.connections + 1)
    expect(after.timers).toBeLessThanOrEqual(before.timers + 5)
    expect(after.heapMb).toBeLessThan(before.heapMb + 10)
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('the answer to a write is lost: unknown, and it was applied once', async () => {
    const agent = new Agent({ transport: rest({ url, livenessMs: LIVENESS_MS }), random: () => 0 })
    try {
      await agent.put('/f/first', value('1'))
      writes = 0
      for (const [sent, write] of [
        ['%2Ff%2Flost', () => agent.put('/f/lost', value('1'))],
        [
          '/f/lost2',
          () => agent.txn().put('/f/lost', value('2')).put('/f/lost2', value('2')).commit(),
        ],
        ['%2Ff%2Flost', () => agent.delete('/f/lost')],
      ] as const) {
        link.onUpstream(sent, () => link.cut(), { at: 'answered' })
        const lost = { code: 'SYNC_UNAVAILABLE', outcome: 'unknown' }
        await expect(write()).rejects.toMatchObject(lost)
        const never = { code: 'SYNC_UNAVAILABLE', outcome: 'not-applied' }
        await expect(agent.put('/f/never', value('1'))).rejects.toMatchObject(never)
        await link.restore()
        await waitFor(() => agent.get('/f/first'))
      }
      expect(await stored()).toEqual({ '/f/first': '1', '/f/lost2': '2' })
      // One put, two of the transaction, one delete.
      await waitFor(() => writes >= 4)
      await world.agent.put('/f/fence', value('1'), { waitFor: 'applied' })
      expect(writes).toBe(5)
    } finally {
      await agent.close()
    }
  })

  it('a write on a held link: out of time, unknown', async () => {
    const agent = new Agent({ transport: rest({ url, livenessMs: LIVENESS_MS }), random: () => 0 })
    try {
      await agent.put('/f/a', value('0'))
      link.hold()
      await expect(agent.put('/f/b', value('1'), { timeoutMs: 100 })).rejects.toMatchObject({
        code: 'SYNC_TIMEOUT',
        outcome: 'unknown',
      })
      link.drop()
      link.release()
      await waitFor(() => agent.put('/f/d', value('1')))
    } finally {
      await agent.close()
    }
  })
})

describe('REST faults, readers that do not read', () => {
  it('a watcher that never reads is cut off, and costs the others nothing', async () => {
    let watchers = 0
    const world = await serveAgent(
      { writeTimeoutMs: 500, heartbeatMs: 100 },
      { instrumentation: { watchers: ({ change }) => (watchers += change) } },
    )
    const follower = new Follower(rest({ url: world.url }))
    onTeardown(() => follower.agent.close())
    await follower.agent.start()
    const socket = connect(world.server.port, '127.0.0.1')
    socket.pause()
    onTeardown(() => socket.destroy())
    let closed = false
    socket.on('error', () => {}).on('close', () => (closed = true))
    socket.write('GET /v1/watch?prefix=/f/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await waitFor(() => watchers === 2)
    const long = raw(Buffer.alloc(500_000, 'x'))
    for (let i = 0; i < 40; i++) await world.agent.put(`/f/${i}`, long)
    await waitFor(() => follower.fold.size === 40)
    await waitFor(() => watchers === 1, { describe: 'the end of the watcher that never reads' })
    expect(follower.state).toBe('live')
    socket.resume()
    await waitFor(() => closed)
  })

  it('a reader of a large answer that stops is cut off', async () => {
    const world = await serveAgent({ writeTimeoutMs: 300, limits: { maxBodyBytes: 2 ** 26 } })
    await world.agent.put('/f/large', raw(Buffer.alloc(2 ** 25, 'x')))
    const socket = connect(world.server.port, '127.0.0.1')
    onTeardown(() => socket.destroy())
    socket.pause()
    socket.on('error', () => {})
    socket.write('GET /v1/keys?key=/f/large HTTP/1.1\r\nHost: localhost\r\n\r\n')
    let received = 0
    let closed = false
    let most = 0
    await waitFor(() => {
      most = Math.max(most, openSockets())
      return openSockets() < most
    })
    socket.on('data', (chunk) => (received += chunk.length)).on('close', () => (closed = true))
    socket.resume()
    await waitFor(() => closed)
    expect(received).toBeLessThan(2 ** 25)
  })
})

describe('REST faults, the server', () => {
  async function start(port: number, path?: string): Promise<NodeProgram> {
    const program = spawnNode('test/contract/rest-agent.program.ts', {
      args: [String(port), ...(path === undefined ? [] : [path])],
    })
    await program.nextLine()
    return program
  }

  it('killed during a watch, restarted with its data: another epoch, a RESYNC (reconnected)', async () => {
    const port = await freePort()
    const path = await tempDir('rest')
    const first = await start(port, path)
    const url = `http://127.0.0.1:${port}`
    const follower = new Follower(rest({ url, livenessMs: LIVENESS_MS }))
    onTeardown(() => follower.agent.close())
    await follower.agent.start()
    await follower.agent.put('/f/a', value('1'))
    await follower.converges({ '/f/a': '1' })
    await first.kill('SIGKILL')
    await follower.becomes('stale')
    const second = await start(port, path)
    await waitFor(() => follower.agent.put('/f/b', value('2')))
    await follower.converges({ '/f/a': '1', '/f/b': '2' })
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
    await follower.agent.close()
    await second.kill()
  })

  it('killed, restarted empty: RESYNC (reconnected); one that stands still is noticed', async () => {
    const port = await freePort()
    const first = await start(port)
    const follower = new Follower(
      rest({ url: `http://127.0.0.1:${port}`, livenessMs: LIVENESS_MS }),
    )
    onTeardown(() => follower.agent.close())
    await follower.agent.start()
    for (let i = 0; i < 5; i++) await follower.agent.put(`/f/${i}`, value('1'))
    await first.kill('SIGKILL')
    const second = await start(port)
    await follower.converges({})
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
    await second.kill('SIGSTOP')
    await follower.becomes('stale')
    await second.kill('SIGCONT')
    await waitFor(() => follower.agent.put('/f/x', value('2')))
    await follower.converges({ '/f/x': '2' })
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
    await follower.agent.close()
    await second.kill()
  })

  it('away at the start: open is no error, the first list comes when it is there', async () => {
    const port = await freePort()
    const follower = new Follower(
      rest({ url: `http://127.0.0.1:${port}`, livenessMs: LIVENESS_MS }),
    )
    onTeardown(() => follower.agent.close())
    const started = follower.agent.start()
    await waitFor(() => (follower.agent.health().transports[0]?.reconnects ?? 0) > 1)
    const program = await start(port)
    await started
    expect(follower.resyncs).toEqual(['startup'])
    await follower.agent.close()
    await program.kill()
  })
})

describe('REST faults, 1 000 watchers lose their server at once', () => {
  const WATCHERS = 1_000
  const AWAY_MS = 4_000
  const WINDOW_MS = 100

  it('W14: those who come back to it, whenever that is, come spread', async () => {
    const world = await serveAgent()
    // Real sockets, but a clock that does not stall with the machine.
    const clock = new FakeClock()
    let away = false
    /** When each tried again, in ms after the loss. */
    const tries = Array.from({ length: WATCHERS }, (): number[] => [])
    const lostAt = clock.now()
    const agents = tries.map((own) => {
      const transport = rest({
        url: world.url,
        fetch: (...request) => {
          if (!away) return fetch(...request)
          own.push(clock.now() - lostAt)
          return Promise.reject(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } }))
        },
      })
      const agent = new Agent({ transport, clock })
      agent.watch('own', '/f/').handle({})
      return agent
    })
    onTeardown(() => Promise.all(agents.map((agent) => agent.close())))
    for (let i = 0; i < WATCHERS; i += 100) {
      await Promise.all(agents.slice(i, i + 100).map((agent) => agent.start()))
    }
    away = true
    await world.close()
    await waitFor(() => agents.every((agent) => agent.health().transports[0]?.state === 'stale'))
    const backAt = (own: readonly number[]): number | undefined => own.find((at) => at > AWAY_MS)
    while (tries.some((own) => backAt(own) === undefined) && clock.now() < lostAt + 20_000) {
      await clock.run(1_000)
    }
    expect(tries.filter((own) => backAt(own) === undefined)).toEqual([])
    // Were it there again after that time, who would come when?
    const windows = new Map<number, number>()
    for (const own of tries) {
      const window = Math.floor((backAt(own) ?? 0) / WINDOW_MS)
      windows.set(window, (windows.get(window) ?? 0) + 1)
    }
    expect(Math.max(...windows.values())).toBeLessThan(WATCHERS / 8)
    expect(windows.size).toBeGreaterThan(10)
    // Nobody has tried more often than the back-off lets them: 100 ms, doubled each time, a tenth of it at least.
    for (const own of tries) expect(own.filter((at) => at < AWAY_MS).length).toBeLessThan(10)
  }, 90_000)
})
