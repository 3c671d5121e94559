import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import type { EtcdOptions } from '../../src/adapters/etcd/index.ts'
import { Agent, raw } from '../../src/index.ts'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { startEtcd } from '../servers/etcd.ts'
import type { EtcdServer } from '../servers/etcd.ts'
import { EtcdWriter } from '../support/etcd-writer.ts'
import type { Follower } from '../support/follower.ts'
import { Followers } from '../support/followers.ts'
import { footprint, openSockets } from '../support/footprint.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { probeStream, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const LIVENESS_MS = 900
const FAST = {
  livenessMs: LIVENESS_MS,
  connectTimeoutMs: LIVENESS_MS,
  commandTimeoutMs: LIVENESS_MS,
} as const

describeWithEtcd('etcd faults, the link', () => {
  let server: EtcdServer
  let writer: EtcdWriter
  let link: Link
  let url: string
  const followers = new Followers()

  function follow(options: EtcdOptions = {}): Promise<Follower> {
    return followers.follow(etcd({ url, ...FAST, ...options }))
  }

  beforeAll(async () => {
    server = await startEtcd()
    writer = new EtcdWriter(server)
    link = await openLink(server)
    url = link.url('etcd')
  }, 60_000)
  afterEach(async () => {
    await followers.close()
    await link.restore()
    link.release()
    link.delay(0)
    link.trickle(Infinity)
    if (!server.running) await server.restart({ keepData: true })
    await waitFor(async () => {
      await writer.clear()
      return true
    })
  })

  it('the link is cut during the list', async () => {
    const pairs = await writer.fill(3_000, 'old')
    const hook = link.onDownstream('/f/2', async () => {
      await link.cut()
      await writer.put('/f/0', 'new')
      await writer.delete('/f/1')
      await link.restore()
    })
    const follower = await follow()
    await hook.matched
    const { '/f/1': _gone, ...rest } = pairs
    await follower.converges({ ...rest, '/f/0': 'new' })
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('W1: cut between created and replay, then in the middle of the replay: every change once', async () => {
    const follower = await follow()
    await writer.put('/f/first', '0')
    await follower.converges({ '/f/first': '0' })
    await link.cut()
    await writer.puts(3_500, (i) => `/f/${i}`)
    // Events of the replay are on their way, the message that the watch is created has arrived.
    const first = link.onDownstream('/f/0', () => link.drop())
    const second = link.onDownstream('/f/2400', () => link.drop())
    await link.restore()
    await first.matched
    await second.matched
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.changes).toHaveLength(3_501)
    const { revisions } = follower
    expect(
      revisions.every((revision, i) => i === 0 || revision === (revisions[i - 1] ?? 0) + 1),
    ).toBe(true)
  })

  it('changes, deletes and transactions while the link is cut arrive without a RESYNC', async () => {
    await writer.fill(10, 'old')
    const follower = await follow()
    for (let round = 0; round < 3; round++) {
      await link.cut()
      await writer.txn({ '/f/0': `round ${round}`, '/f/2': `round ${round}` })
      await writer.delete('/f/1')
      await writer.put('/f/1', 'again')
      await writer.put(`/f/new ${round}`, 'x')
      await link.restore()
      await follower.converges(await writer.stored())
    }
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.changes).toHaveLength(15)
  })

  it('W9: a transaction larger than what is read at once comes back to back, also over cuts', async () => {
    const follower = await follow()
    await link.cut()
    const value = 'v'.repeat(10_000)
    for (let round = 0; round < 20; round++) {
      await writer.txn(
        Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`/f/${i}`, `${round} ${value}`])),
      )
    }
    const hook = link.onDownstream(`11 ${value.slice(0, 50)}`, () => link.drop())
    await link.restore()
    await hook.matched
    await follower.converges(await writer.stored())
    expect(follower.changes).toHaveLength(1_000)
    for (let i = 0; i < 1_000; i += 50) {
      expect(new Set(follower.revisions.slice(i, i + 50)).size).toBe(1)
    }
  })

  it('a backlog larger than the receive limit is asked for in parts', async () => {
    const follower = await follow({ maxMessageBytes: 2 * 2 ** 20 })
    await link.cut()
    const value = 'v'.repeat(20_000)
    for (let round = 0; round < 20; round++) {
      await writer.txn(
        Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`/f/${i}`, `${round} ${value}`])),
      )
    }
    await link.restore()
    await follower.converges(await writer.stored())
    expect(follower.changes).toHaveLength(800)
    expect(follower.resyncs).toEqual(['startup'])
    for (let i = 0; i < 800; i += 40) {
      expect(new Set(follower.revisions.slice(i, i + 40)).size).toBe(1)
    }
  })

  it('half-open: noticed within 2 × livenessMs, and what was missed arrives', async () => {
    await writer.fill(10, 'old')
    const follower = await follow()
    link.hold()
    const heldAt = performance.now()
    await writer.put('/f/0', 'missed')
    await writer.delete('/f/1')
    await follower.becomes('stale')
    expect(performance.now() - heldAt).toBeLessThan(2 * LIVENESS_MS + 300)
    await link.cut()
    await link.restore()
    link.release()
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('the server stands still for longer than the liveness bound', async () => {
    const pairs = await writer.fill(10, 'old')
    const follower = await follow()
    server.pause()
    await follower.becomes('stale')
    server.resume()
    await waitFor(() => writer.put('/f/0', 'later'))
    await follower.converges({ ...pairs, '/f/0': 'later' })
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('the server is killed and restarted with its data', async () => {
    const pairs = await writer.fill(200, 'kept')
    const follower = await follow()
    await server.kill('SIGKILL')
    await follower.becomes('stale')
    await server.restart({ keepData: true })
    await waitFor(() => writer.put('/f/0', 'after'))
    await follower.converges({ ...pairs, '/f/0': 'after' })
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('a slow link: list and watch take long, nobody gives up', async () => {
    await writer.fill(1_000, 'a value that is not so short')
    link.trickle(2_048, 40, 'down')
    const startedAt = performance.now()
    const follower = await follow()
    await follower.converges(await writer.stored())
    expect(performance.now() - startedAt).toBeGreaterThan(LIVENESS_MS)
    await writer.put('/f/large', 'x'.repeat(200_000))
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.agent.health().transports[0]?.reconnects).toBe(0)
  })

  it('a writer goes on all the time while the link is dropped again and again', async () => {
    const follower = await follow()
    for (let round = 0; round < 60; round++) {
      const key = `/f/${round % 7}`
      if (round % 5 === 4) await writer.delete(key)
      else await writer.put(key, String(round))
      if (round % 3 === 0) link.drop()
    }
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('quiet for many times the liveness bound: the watch stays', async () => {
    await writer.fill(3, 'x')
    const transport = etcd({ url, ...FAST, livenessMs: 150 })
    const probe = probeStream(transport, ['/f/'])
    await probe.untilListed()
    const before = link.totalConnections
    await waitFor(() => probe.progress > 30)
    expect(probe.ended).toBe(false)
    expect(link.totalConnections).toBe(before)
    await writer.put('/f/0', 'y')
    await probe.until((state) => state.get('/f/0') === 'y')
    await probe.stop()
    await transport.close()
  })

  it('100 reconnects leave nothing behind', async () => {
    await writer.fill(100, 'x')
    const follower = await follow()
    const reconnect = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const mark = `${times} ${i}`
        link.drop()
        await writer.put('/f/0', mark)
        await waitFor(() => follower.fold.get('/f/0') === mark)
      }
    }
    await reconnect(20)
    const before = footprint(link)
    await reconnect(100)
    const after = footprint(link)
    expect(follower.resyncs).toEqual(['startup'])
    expect(after.connections).toBeLessThanOrEqual(before.connections)
    expect(after.sockets).toBeLessThanOrEqual(before.sockets + 1)
    expect(after.timers).toBeLessThanOrEqual(before.timers + 3)
    expect(after.heapMb).toBeLessThan(before.heapMb + 8)
  })

  it('the answer to a write is lost: the outcome is unknown, and it was applied once', async () => {
    const agent = new Agent({ transport: etcd({ url, ...FAST }), random: () => 0 })
    try {
      await agent.put('/f/counter', raw(Buffer.from('1')))
      link.onUpstream('/f/lost', () => link.cut(), { at: 'answered' })
      const put = agent.put('/f/lost', raw(Buffer.from('1')))
      await expect(put).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'unknown' })
      await expect(agent.put('/f/never', raw(Buffer.from('1')))).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome: 'not-applied',
      })
      await link.restore()
      await waitFor(() => agent.put('/f/again', raw(Buffer.from('1'))))
      expect(await writer.stored()).toEqual({
        '/f/counter': '1',
        '/f/lost': '1',
        '/f/again': '1',
      })
      expect(await server.ctl('get', '/f/lost', '-w', 'fields')).toMatch(/"Version" : 1\n/)
    } finally {
      await agent.close()
    }
  })

  it('the answer to a transaction is lost: the outcome is unknown, it is in the store as a whole', async () => {
    const agent = new Agent({ transport: etcd({ url, ...FAST }), random: () => 0 })
    try {
      await agent.put('/f/a', raw(Buffer.from('0')))
      link.onUpstream('/f/lost', () => link.cut(), { at: 'answered' })
      const txn = agent
        .txn()
        .put('/f/a', raw(Buffer.from('1')))
        .put('/f/lost', raw(Buffer.from('1')))
      await expect(txn.commit()).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome: 'unknown',
      })
      expect(await writer.stored()).toEqual({ '/f/a': '1', '/f/lost': '1' })
      await link.restore()
      await waitFor(() => agent.put('/f/a', raw(Buffer.from('2'))))
      expect(await server.ctl('get', '/f/a', '-w', 'fields')).toMatch(/"Version" : 3\n/)
    } finally {
      await agent.close()
    }
  })

  it('a write on a held link: out of time, unknown; the connection is given up, the next write works', async () => {
    const agent = new Agent({ transport: etcd({ url, ...FAST }), random: () => 0 })
    try {
      await agent.put('/f/a', raw(Buffer.from('0')))
      link.hold()
      await expect(
        agent.put('/f/b', raw(Buffer.from('1')), { timeoutMs: 100 }),
      ).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'unknown' })
      await expect(agent.put('/f/c', raw(Buffer.from('1')))).rejects.toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome: 'unknown',
      })
      link.drop()
      link.release()
      await waitFor(() => agent.put('/f/d', raw(Buffer.from('1'))))
    } finally {
      await agent.close()
    }
  })

  it('a blocked event loop is no silence: the answer that waits is read', async () => {
    const transport = etcd({ url: server.url, ...FAST, connectTimeoutMs: 5_000 })
    const io = realIo()
    await transport.open(io)
    for (let round = 0; round < 3; round++) {
      const op = { type: 'put', key: '/f/blocked', value: Buffer.from('1') } as const
      const write = transport.commit([op], { waitFor: 'stored', timeoutMs: 60_000 }, io)
      // The request goes out first.
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
      const over = performance.now() + LIVENESS_MS + 300
      while (performance.now() < over);
      await expect(write).resolves.toMatchObject({ versions: [expect.any(String)] })
    }
    await transport.close()
  })

  it('C11: close on a held link leaves no socket', async () => {
    const follower = await follow()
    const before = openSockets()
    link.hold()
    await follower.agent.close()
    await waitFor(() => openSockets() < before && link.connections === 0)
  })

  it('W24: a consumer that takes nothing stops the server, and misses nothing', async () => {
    const transport = etcd({ url, ...FAST })
    const agent = new Agent({ transport })
    try {
      await agent.start()
      const io = realIo()
      const batches = transport.stream(['/f/'], undefined, io)[Symbol.asyncIterator]()
      for (;;) {
        const { value } = await batches.next()
        if (value?.kind === 'progress') break
      }
      globalThis.gc?.()
      const before = process.memoryUsage()
      const connections = link.totalConnections
      const value = 'v'.repeat(100_000)
      // Longer than the liveness bound, which is no concern of who takes nothing.
      const until = performance.now() + 3 * LIVENESS_MS
      let written = 0
      while (written < 60 || performance.now() < until) {
        if (written === 60) {
          await writer.put('/other', 'x')
          continue
        }
        written++
        await writer.txn(
          Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((k) => [`/f/${k}`, value])),
        )
      }
      // What the writer has left behind goes by and by; what waits here would stay.
      const more = (): number => {
        globalThis.gc?.()
        const { heapUsed, external } = process.memoryUsage()
        return heapUsed + external - before.heapUsed - before.external
      }
      await waitFor(() => more() < 20 * 2 ** 20, {
        describe: () => `${more()} bytes more to fall below 20 MiB`,
      })
      let changes = 0
      while (changes < 8 * written) {
        const { value: batch } = await batches.next()
        if (batch?.kind === 'changes') changes += batch.changes.length
      }
      expect(changes).toBe(8 * written)
      expect(link.totalConnections).toBe(connections)
      io.abort()
      await batches.return?.()
    } finally {
      await agent.close()
    }
  })
})
