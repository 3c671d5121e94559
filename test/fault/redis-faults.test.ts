import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { Agent, compareKeys } from '../../src/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import type { RedisOptions } from '../../src/adapters/redis/index.ts'
import { startRedis, startRedisCluster } from '../servers/redis.ts'
import type { RedisServer } from '../servers/redis.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { footprint } from '../support/footprint.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { waitFor } from '../support/wait-for.ts'

const LIVENESS_MS = 600

const followers: Follower[] = []
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.agent.close()))
})

/** A receiver that keeps its fold and checks C1, C2, C4 and C5 on the way. */
class Follower {
  readonly agent: Agent
  readonly fold = new Map<string, string>()
  readonly resyncs: string[] = []
  readonly violations: string[] = []
  changes = 0
  #revision = 0

  constructor(options: RedisOptions) {
    this.agent = new Agent({ transport: redis({ livenessMs: LIVENESS_MS, ...options }) })
    followers.push(this)
    this.agent.watch('follower', '/f/').handle({
      resync: (event) => {
        this.resyncs.push(event.reason)
        this.fold.clear()
        for (const pair of event.values.get('/f/') ?? []) {
          this.fold.set(pair.key, Buffer.from(pair.bytes).toString())
        }
        this.#revision = 0
      },
      change: (event) => {
        this.changes++
        if (this.resyncs.length === 0) this.violations.push('C1: a change first')
        if (event.revision <= this.#revision) this.violations.push(`C2: ${event.key}`)
        this.#revision = event.revision
        const prev = event.prev === undefined ? undefined : Buffer.from(event.prev.bytes).toString()
        if (prev !== this.fold.get(event.key)) this.violations.push(`C4: ${event.key}`)
        if (event.changeType === 'delete') {
          if (!this.fold.delete(event.key)) this.violations.push(`C5: ${event.key}`)
        } else {
          this.fold.set(event.key, Buffer.from(event.bytes).toString())
        }
      },
    })
  }

  get state(): string | undefined {
    return this.agent.health().transports[0]?.state
  }

  /** C3: the fold becomes what the server holds. */
  async converges(expected: Readonly<Record<string, string>>, timeoutMs = 15_000): Promise<void> {
    const want = Object.entries(expected).sort(byKey)
    await waitFor(() => JSON.stringify([...this.fold].sort(byKey)) === JSON.stringify(want), {
      timeoutMs,
      describe: () =>
        `the fold to equal the store: ${this.fold.size} of ${want.length} keys, RESYNCs ${this.resyncs.join(', ')}, ${JSON.stringify(this.agent.health().transports)}`,
    })
    expect(this.violations).toEqual([])
  }
}

function byKey(a: readonly [string, string], b: readonly [string, string]): number {
  return compareKeys(a[0], b[0])
}

async function follow(options: RedisOptions): Promise<Follower> {
  const follower = new Follower(options)
  await follower.agent.start()
  return follower
}

async function fill(
  server: RedisServer,
  count: number,
  value: string,
): Promise<Record<string, string>> {
  const pairs = Object.fromEntries(Array.from({ length: count }, (_, i) => [`/f/${i}`, value]))
  for (let i = 0; i < count; i += 500) {
    await server.cli(
      'MSET',
      ...Object.entries(pairs)
        .slice(i, i + 500)
        .flat(),
    )
  }
  return pairs
}

for (const notifications of ['keyspace', 'tracking'] as const) {
  describeWithRedis(`Redis faults, ${notifications}`, () => {
    let server: RedisServer
    let link: Link
    let url: string

    beforeAll(async () => {
      server = await startRedis({ persistent: true })
      link = await openLink(server)
      url = link.url('redis')
    })
    afterEach(async () => {
      await link.restore()
      link.release()
      link.delay(0)
      link.trickle(Infinity)
      if (!server.running) await server.restart({ keepData: false })
      await server.cli('FLUSHALL')
    })

    it('the link is cut during the list', async () => {
      const pairs = await fill(server, 5_000, 'old')
      const hook = link.onDownstream(/\/f\/\d+/, async () => {
        await link.cut()
        await server.cli('SET', '/f/0', 'new')
        await server.cli('DEL', '/f/1')
        await link.restore()
      })
      const follower = await follow({ url, notifications })
      await hook.matched
      const { '/f/1': _gone, ...rest } = pairs
      await follower.converges({ ...rest, '/f/0': 'new' })
      expect(follower.resyncs[0]).toBe('startup')
    })

    it('the link is cut between subscribe and list', async () => {
      await fill(server, 100, 'old')
      const hook = link.onDownstream(/subscribe/i, async () => {
        await server.cli('SET', '/f/0', 'new')
        link.drop()
      })
      const follower = await follow({ url, notifications })
      await hook.matched
      const { ...expected } = await fill(server, 100, 'newer')
      await follower.converges(expected)
    })

    it('changes and deletes while the link is cut', async () => {
      await fill(server, 100, 'old')
      const follower = await follow({ url, notifications })
      for (let round = 0; round < 3; round++) {
        await link.cut()
        await server.cli('SET', '/f/0', `round ${round}`)
        await server.cli('DEL', '/f/1')
        await server.cli('SET', `/f/new ${round}`, 'x')
        await link.restore()
        await waitFor(() => follower.fold.get('/f/0') === `round ${round}`)
      }
      expect(follower.fold.has('/f/1')).toBe(false)
      expect(follower.fold.get('/f/new 0')).toBe('x')
      expect(follower.resyncs.slice(1).every((reason) => reason === 'reconnected')).toBe(true)
      expect(follower.violations).toEqual([])
    })

    it('the server is killed and restarted with its data, then without', async () => {
      const pairs = await fill(server, 200, 'kept')
      const follower = await follow({ url, notifications })
      await server.kill('SIGKILL')
      await waitFor(() => follower.state === 'stale')
      await server.restart({ keepData: true })
      await server.cli('SET', '/f/0', 'after')
      await follower.converges({ ...pairs, '/f/0': 'after' })
      await server.restart({ keepData: false })
      await follower.converges({})
      expect(follower.resyncs.at(-1)).toBe('reconnected')
      await server.restart({ keepData: false })
      const refilled = await fill(server, 300, 'refilled')
      await follower.converges(refilled)
    })

    it('half-open: noticed within 2 × livenessMs, and what was missed arrives', async () => {
      await fill(server, 10, 'old')
      const follower = await follow({ url, notifications })
      link.hold()
      const heldAt = performance.now()
      await server.cli('SET', '/f/0', 'missed')
      await server.cli('DEL', '/f/1')
      await waitFor(() => follower.state === 'stale', { timeoutMs: 10 * LIVENESS_MS })
      expect(performance.now() - heldAt).toBeLessThan(2 * LIVENESS_MS + 250)
      await link.cut()
      await link.restore()
      link.release()
      await waitFor(() => follower.fold.get('/f/0') === 'missed' && !follower.fold.has('/f/1'))
      expect(follower.violations).toEqual([])
    })

    it('the server stands still for longer than the liveness bound', async () => {
      const pairs = await fill(server, 10, 'old')
      const follower = await follow({ url, notifications })
      server.pause()
      await waitFor(() => follower.state === 'stale')
      server.resume()
      await server.cli('SET', '/f/0', 'later')
      await follower.converges({ ...pairs, '/f/0': 'later' })
    })

    it('a slow link: the list takes long, nobody gives up', async () => {
      const pairs = await fill(server, 2_000, 'a value that is not so short')
      link.trickle(4_096, 20, 'down')
      const startedAt = performance.now()
      const follower = await follow({ url, notifications })
      await follower.converges(pairs)
      expect(performance.now() - startedAt).toBeGreaterThan(LIVENESS_MS / 2)
      expect(follower.resyncs).toEqual(['startup'])
    })

    it('FLUSHALL', async () => {
      await fill(server, 50, 'x')
      const follower = await follow({ url, notifications, reconcileMs: 400 })
      await server.cli('FLUSHALL')
      await follower.converges({})
    })

    it('the server closes a subscriber that is too slow', async () => {
      await server.cli('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 1mb 1')
      const follower = await follow({ url, notifications, livenessMs: 10_000 })
      link.hold('down')
      for (let round = 0; round < 40; round++) await fill(server, 5_000, `round ${round}`)
      const expected = await fill(server, 5_000, 'last')
      link.release()
      await follower.converges(expected, 30_000)
      await server.cli('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60')
    })

    it('a writer goes on all the time while the link is dropped again and again', async () => {
      const follower = await follow({ url, notifications })
      const expected: Record<string, string> = {}
      for (let round = 0; round < 30; round++) {
        const key = `/f/${round % 7}`
        if (round % 5 === 4) {
          await server.cli('DEL', key)
          delete expected[key]
        } else {
          await server.cli('SET', key, String(round))
          expected[key] = String(round)
        }
        if (round % 3 === 0) link.drop()
      }
      await follower.converges(expected)
    })

    it('200 reconnects leave nothing behind', async () => {
      await fill(server, 100, 'x')
      const follower = await follow({ url, notifications })
      const reconnect = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++) {
          const before = follower.resyncs.length
          link.drop()
          await waitFor(() => follower.resyncs.length > before && follower.state === 'live')
          // An event starts the back-off over (W14).
          const mark = String(follower.changes)
          await server.cli('SET', '/f/0', mark)
          await waitFor(() => follower.fold.get('/f/0') === mark)
        }
      }
      await reconnect(20)
      const before = footprint(link)
      await reconnect(180)
      const after = footprint(link)
      expect(after.connections).toBeLessThanOrEqual(before.connections)
      expect(after.sockets).toBeLessThanOrEqual(before.sockets + 1)
      expect(after.timers).toBeLessThanOrEqual(before.timers + 3)
      expect(after.heapMb).toBeLessThan(before.heapMb + 6)
    })

    it('the answer to a write is lost: the outcome is unknown, and it was applied once', async () => {
      const agent = new Agent({ transport: redis({ url, notifications }) })
      try {
        await agent.put('/f/counter', { serializeBinary: () => Buffer.from('1') })
        link.onUpstream('/f/lost', () => link.cut(), { at: 'answered' })
        const put = agent.put('/f/lost', { serializeBinary: () => Buffer.from('1') })
        await expect(put).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'unknown' })
        expect(await server.cli('GET', '/f/lost')).toBe('1')
        await expect(
          agent.put('/f/never', { serializeBinary: () => Buffer.from('1') }),
        ).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'not-applied' })
        await link.restore()
        await waitFor(async () => {
          await agent.put('/f/again', { serializeBinary: () => Buffer.from('1') })
          return true
        })
        expect(await server.cli('EXISTS', '/f/never')).toBe('0')
      } finally {
        await agent.close()
      }
    })
  })
}

describeWithRedis('Redis faults, server settings', () => {
  it('CONFIG SET is refused: open says which setting to make', async () => {
    const server = await startRedis({ renameCommands: { CONFIG: '' } })
    const agent = new Agent({ transport: redis({ url: server.url }) })
    await expect(agent.start()).rejects.toMatchObject({ code: 'SYNC_NOTIFICATIONS_DISABLED' })
  })

  it('tracking needs no setting', async () => {
    const server = await startRedis({ renameCommands: { CONFIG: '' } })
    const follower = await follow({ url: server.url, notifications: 'tracking' })
    await server.cli('SET', '/f/a', '1')
    await follower.converges({ '/f/a': '1' })
  })

  it('a lost setting is found by the next reconcile', async () => {
    const server = await startRedis()
    const follower = await follow({ url: server.url, reconcileMs: 400 })
    await server.cli('CONFIG', 'SET', 'notify-keyspace-events', '')
    await server.cli('SET', '/f/a', '1')
    await follower.converges({ '/f/a': '1' })
    await waitFor(async () =>
      (await server.cli('CONFIG', 'GET', 'notify-keyspace-events')).includes('K'),
    )
  })
})

describeWithRedis('Redis Cluster faults', () => {
  it('slots move during the list', async () => {
    const cluster = await startRedisCluster()
    const expected: Record<string, string> = {}
    for (let i = 0; i < 600; i++) expected[`/f/${i}`] = 'x'
    const writer = new Agent({ transport: redis({ url: cluster.url }) })
    try {
      await Promise.all(
        Object.keys(expected).map((key) =>
          writer.put(key, { serializeBinary: () => Buffer.from('x') }),
        ),
      )
      const follower = new Follower({ url: cluster.url, scanCount: 10 })
      const started = follower.agent.start()
      await cluster.moveSlots(0, 1, range(0, 400))
      await started
      await cluster.moveSlots(1, 2, range(0, 400))
      await writer.put('/f/0', { serializeBinary: () => Buffer.from('moved') })
      await follower.converges({ ...expected, '/f/0': 'moved' }, 30_000)
    } finally {
      await writer.close()
    }
  })

  it('a primary dies and its replica takes over', async () => {
    const cluster = await startRedisCluster({ replicas: 1 })
    const follower = await follow({ url: cluster.url })
    const writer = new Agent({ transport: redis({ url: cluster.url }) })
    const put = (key: string, value: string): Promise<unknown> =>
      writer.put(key, { serializeBinary: () => Buffer.from(value) })
    try {
      const keys = Array.from({ length: 60 }, (_, i) => `/f/${i}`)
      await Promise.all(keys.map((key) => put(key, 'before')))
      await follower.converges(Object.fromEntries(keys.map((key) => [key, 'before'])))
      await cluster.failover(0)
      for (const key of keys) {
        await waitFor(async () => {
          await put(key, 'after')
          return true
        })
      }
      await follower.converges(Object.fromEntries(keys.map((key) => [key, 'after'])), 30_000)
    } finally {
      await writer.close()
    }
  })
})

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}
