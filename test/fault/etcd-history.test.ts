import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import type { EtcdOptions } from '../../src/adapters/etcd/index.ts'
import { marksMovePosition } from '../../src/adapters/etcd/progress-marks.ts'
import type { Position } from '../../src/index.ts'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { startEtcd } from '../servers/etcd.ts'
import type { EtcdServer } from '../servers/etcd.ts'
import { EtcdWriter } from '../support/etcd-writer.ts'
import type { Follower } from '../support/follower.ts'
import { Followers } from '../support/followers.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { tempDir } from '../support/temp-dir.ts'
import { probeStream, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const FAST = { livenessMs: 1_500, connectTimeoutMs: 1_500, commandTimeoutMs: 1_500 } as const

describeWithEtcd('etcd faults, the history', () => {
  let server: EtcdServer
  let writer: EtcdWriter
  let link: Link
  const followers = new Followers()

  function follow(options: EtcdOptions = {}): Promise<Follower> {
    return followers.follow(etcd({ url: link.url('etcd'), ...FAST, ...options }))
  }

  async function compact(revision: number): Promise<void> {
    await server.ctl('compact', '--physical', String(revision))
  }

  beforeEach(async () => {
    server = await startEtcd()
    writer = new EtcdWriter(server)
    link = await openLink(server)
  }, 60_000)
  afterEach(async () => {
    await followers.close()
    await link.close()
    await server.stop()
  })

  it('W5: compacted while disconnected: RESYNC (compacted), with what was deleted meanwhile', async () => {
    await writer.fill(100, 'old')
    const follower = await follow()
    await link.cut()
    await writer.delete('/f/1')
    await writer.put('/f/0', 'new')
    await compact(await writer.put('/f/2', 'new'))
    await writer.put('/f/3', 'newer')
    await link.restore()
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup', 'compacted'])
  })

  it('W5: a delete exactly at the compaction revision is not lost', async () => {
    await writer.fill(10, 'old')
    const follower = await follow()
    await link.cut()
    // The very next revision: this server drops it without a word from a watch that begins there.
    await compact(await writer.delete('/f/1'))
    await link.restore()
    await follower.converges(await writer.stored())
    expect(follower.fold.has('/f/1')).toBe(false)
    expect(follower.resyncs).toEqual(['startup', 'compacted'])
  })

  it('W5: compacted during the replay, exactly at a delete that is the next to come', async () => {
    await writer.fill(10, 'old')
    const follower = await follow()
    await link.cut()
    // etcd sends 1 000 revisions at a time, and looks again after 100 ms.
    await writer.puts(1_999, (i) => `/f/x${i % 50}`)
    await writer.put('/f/end of a batch', 'x')
    const border = await writer.delete('/f/1')
    await writer.puts(500, (i) => `/f/y${i % 50}`)
    const hook = link.onDownstream('/f/end of a batch', async () => {
      await writer.client.kv.compact({ revision: border, physical: true })
    })
    await link.restore()
    await hook.matched
    await follower.converges(await writer.stored())
    expect(follower.fold.has('/f/1')).toBe(false)
  })

  it.each([
    ['more follows', 20],
    ['nothing follows', 0],
  ])(
    'W5: a reader is behind, the link never broke, the next to come is a compacted delete; %s',
    async (_what, later) => {
      await writer.fill(10, 'old')
      const slow = { livenessMs: 900, commandTimeoutMs: 60_000 }
      const transport = etcd({ url: link.url('etcd'), ...slow })
      const probe = probeStream(transport, ['/f/'])
      await probe.untilListed()
      await waitFor(() => probe.progress > 0)
      link.hold('down')
      // The server gives up to keep the watch in step: what comes next is read from its history later.
      const value = 'x'.repeat(30_000)
      for (let i = 0; !(await isBehind()); i++) await writer.put(`/f/x${i % 10}`, value)
      const border = await writer.delete('/f/1')
      await writer.puts(later, (i) => `/f/y${i}`)
      await writer.client.kv.compact({ revision: border, physical: true })
      link.release('down')
      await probe.until((state) => state.has('/f/y19') === later > 0 && !state.has('/f/1'))
      expect(probe.resets).toBe(1)
      await probe.stop()
      await transport.close()
    },
  )

  async function isBehind(): Promise<boolean> {
    const metrics = await (await fetch(`http://${server.host}:${server.port}/metrics`)).text()
    return /^etcd_debugging_mvcc_slow_watcher_total [^0]/mu.test(metrics)
  }

  it('W5: compacted during the replay, further ahead', async () => {
    await writer.fill(10, 'old')
    const follower = await follow()
    await link.cut()
    await writer.puts(3_000, (i) => `/f/x${i % 50}`)
    const border = await writer.delete('/f/1')
    await writer.puts(1_000, (i) => `/f/y${i % 50}`)
    const hook = link.onDownstream('/f/x', () => compact(border))
    await link.restore()
    await hook.matched
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup', 'compacted'])
  })

  it('compacted up to what was handed over: the watch goes on', async () => {
    await writer.fill(10, 'old')
    const follower = await follow()
    await follower.converges(await writer.stored())
    await link.cut()
    await compact(await server.revision())
    await writer.put('/f/0', 'new')
    await link.restore()
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('W3: quiet keys while others are written and compacted: goes on where progress marks can be trusted', async () => {
    await writer.fill(10, 'old')
    const marked = marksMovePosition((await writer.client.maintenance.status()).version)
    const transport = etcd({ url: server.url, ...FAST, livenessMs: 300 })
    let position: Position | undefined
    let signs = 0
    const io = realIo()
    const reading = (async () => {
      for await (const batch of transport.stream(['/f/'], undefined, io)) {
        if ('position' in batch && batch.position !== undefined) position = batch.position
        signs++
      }
    })()
    await waitFor(() => position !== undefined)
    const border = await writer.put('/other', 'x')
    const seen = signs
    // A request for a mark and a read come with each look at the link.
    await waitFor(() => signs >= seen + 10)
    io.abort()
    await reading
    await compact(border)
    const again = realIo()
    for await (const batch of transport.stream(['/f/'], position, again)) {
      expect(batch).toMatchObject(
        marked ? { kind: 'progress' } : { kind: 'reset', reason: 'compacted' },
      )
      break
    }
    await transport.close()
  })

  it('compacted during a paged list: listed again', async () => {
    await writer.fill(5_000, 'old')
    let times = 0
    const hook = link.onDownstream(
      /\/f\/\d+/,
      async () => {
        times++
        await compact(await writer.put('/f/0', `new ${times}`))
      },
      { times: 2 },
    )
    const follower = await follow({ pageBytes: 10_000 })
    await hook.matched
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup'])
    expect(times).toBe(2)
  })

  it('W6: wiped and restarted under the same address: RESYNC (reconnected), empty', async () => {
    await writer.fill(20, 'old')
    const follower = await follow()
    await server.restart({ keepData: false })
    await follower.converges({})
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
  })

  it('W6: wiped and refilled past the old revision, with the same cluster id', async () => {
    await writer.fill(20, 'old')
    const follower = await follow()
    const before = await server.revision()
    await link.cut()
    await server.restart({ keepData: false })
    await waitFor(() => writer.put('/f/other', 'x'))
    await writer.puts(before + 50, (i) => `/f/n${i % 30}`)
    expect(await server.revision()).toBeGreaterThan(before)
    await link.restore()
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
  })

  it('W6: refilled with the same last key at the same revision: told by the number of keys', async () => {
    await writer.put('/f/a', '1')
    await writer.put('/f/b', '1')
    const last = await writer.put('/f/last', '1')
    const follower = await follow()
    await follower.converges({ '/f/a': '1', '/f/b': '1', '/f/last': '1' })
    await link.cut()
    await server.restart({ keepData: false })
    await waitFor(() => writer.put('/f/a', '2'))
    while ((await server.revision()) < last - 1) await writer.put('/f/a', '2')
    expect(await writer.put('/f/last', '1')).toBe(last)
    await writer.put('/f/a', '3')
    await link.restore()
    await follower.converges({ '/f/a': '3', '/f/last': '1' })
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
  })

  it('W6: refilled with the same keys up to the same revision: told by the value of the last key', async () => {
    await writer.fill(3, 'old')
    const last = await writer.put('/f/last', 'old')
    const follower = await follow()
    await link.cut()
    await server.restart({ keepData: false })
    await waitFor(() => writer.fill(3, 'new'))
    expect(await writer.put('/f/last', 'new')).toBe(last)
    await link.restore()
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
  })

  it('W6: the last change was a delete, and the new server never had that key', async () => {
    await writer.put('/f/kept', '1')
    await writer.put('/f/gone', '1')
    const follower = await follow()
    const last = await writer.delete('/f/gone')
    await follower.converges({ '/f/kept': '1' })
    await link.cut()
    await server.restart({ keepData: false })
    await waitFor(() => writer.put('/f/another', '1'))
    while ((await server.revision()) <= last) await writer.put('/f/another', '2')
    await link.restore()
    await follower.converges({ '/f/another': '2' })
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
  })

  it('W6: restored from an older snapshot: the revision goes backwards, and past the old one', async () => {
    await writer.fill(20, 'old')
    const file = join(await tempDir('snapshot'), 'snapshot.db')
    await server.saveSnapshot(file)
    await writer.puts(200, (i) => `/f/later${i % 10}`)
    const follower = await follow()
    await follower.converges(await writer.stored())
    await server.restoreSnapshot(file)
    await waitFor(() => writer.put('/f/0', 'restored'))
    await follower.converges(await writer.stored())
    expect(follower.fold.has('/f/later0')).toBe(false)
    expect(follower.resyncs).toEqual(['startup', 'reconnected'])
    await link.cut()
    await writer.puts(100, (i) => `/f/other${i % 10}`)
    await server.saveSnapshot(file)
    await writer.puts(100, (i) => `/f/lost${i % 10}`)
    await link.restore()
    await follower.converges(await writer.stored())
    await link.cut()
    await server.restoreSnapshot(file)
    await waitFor(() => writer.put('/f/0', 'again'))
    await writer.puts(300, (i) => `/f/ahead${i % 10}`)
    await link.restore()
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup', 'reconnected', 'reconnected'])
  })
})
