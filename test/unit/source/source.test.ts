import { describe, expect, it } from '@jest/globals'
import { silentLogger } from '../../../src/api/logger.ts'
import type { Op } from '../../../src/api/transport.ts'
import { Source } from '../../../src/source/source.ts'
import type { Feed } from '../../../src/source/source.ts'
import { FakeClock, ScriptedTransport } from '../../../src/testing/index.ts'

interface Harness {
  readonly clock: FakeClock
  readonly transport: ScriptedTransport
  readonly source: Source
  readonly told: string[]
  /** Gives a feed a name in what is told. */
  readonly named: (feed: Feed, name: string) => Feed
  readonly settle: () => Promise<void>
}

function harness(): Harness {
  const clock = new FakeClock()
  const transport = new ScriptedTransport()
  const told: string[] = []
  const names = new Map<Feed, string>()
  const nameOf = (feed: Feed): string => names.get(feed) ?? '?'
  const source = new Source(
    transport,
    { signal: new AbortController().signal, logger: silentLogger, clock, random: () => 0 },
    {
      resetting: (feed) => told.push(`${nameOf(feed)} resetting`),
      listed: (feed, reason) => told.push(`${nameOf(feed)} listed ${reason}`),
      changed: (feed, changes) => told.push(`${nameOf(feed)} ${changes.map((c) => c.key).join()}`),
      status: (feed) => told.push(`${nameOf(feed)} ${feed.live ? 'live' : 'not live'}`),
      lost: () => told.push('lost'),
    },
  )
  return {
    clock,
    transport,
    source,
    told,
    named: (feed, name) => {
      names.set(feed, name)
      return feed
    },
    settle: () => clock.run(0),
  }
}

describe('a source', () => {
  it('prefixes of one turn share one stream, on the smallest set that covers them', async () => {
    const { source, transport, settle } = harness()
    const feeds = ['/a/b/', '/c/', '/a/', '/a/b/', '/c/d'].map((prefix) => source.join(prefix))
    expect(new Set(feeds).size).toBe(1)
    await settle()
    expect(transport.script.streams).toHaveLength(1)
    expect(transport.script.stream(0).prefixes).toEqual(['/a/', '/c/'])
  })

  it('a later prefix joins the feed that covers it, or gets a stream of its own', async () => {
    const { source, transport, settle } = harness()
    const first = source.join('/a/')
    await settle()
    expect(source.join('/a/b/')).toBe(first)
    const second = source.join('/b/')
    expect(second).not.toBe(first)
    await settle()
    expect(transport.script.streams.map((stream) => stream.prefixes)).toEqual([['/a/'], ['/b/']])
  })

  it('a write opens at once what was asked for before it, if it is about that', async () => {
    const { source, transport, settle } = harness()
    const opened = (): unknown => transport.script.streams.map((stream) => stream.prefixes)
    const put = (key: string): Op => ({ type: 'put', key, value: new Uint8Array() })
    for (const prefix of ['/a/', '/b/', '/c/']) {
      source.join(prefix)
      source.openFor([put('/other'), { type: 'delete-prefix', prefix: '/other/' }])
    }
    expect(opened()).toEqual([])
    source.openFor([put('/other'), put('/b/x')])
    expect(opened()).toEqual([['/a/', '/b/', '/c/']])
    source.join('/d/e/')
    source.openFor([{ type: 'delete-prefix', prefix: '/d/' }])
    source.openFor([{ type: 'delete-prefix', prefix: '/d/' }])
    const gone = source.join('/f/')
    source.leave(gone, '/f/')
    source.openFor([put('/f/x')])
    source.hold()
    source.join('/g/')
    source.openFor([put('/g/x')])
    await settle()
    expect(opened()).toEqual([['/a/', '/b/', '/c/'], ['/d/e/']])
    source.release()
    await settle()
    expect(opened()).toEqual([['/a/', '/b/', '/c/'], ['/d/e/'], ['/g/']])
  })

  it('a wider prefix disturbs nobody', async () => {
    const { source, transport, told, named, settle } = harness()
    named(source.join('/a/'), 'narrow')
    transport.script.stream(0).listed()
    await settle()
    named(source.join('/'), 'wide')
    transport.script.stream(1).listed()
    await settle()
    transport.script.stream(0).changes([['put', '/a/x', '1', 1]])
    transport.script.stream(1).changes([['put', '/a/x', '1', 1]])
    await settle()
    expect(told).toEqual([
      'narrow resetting',
      'narrow listed startup',
      'narrow live',
      'wide resetting',
      'wide listed startup',
      'wide live',
      'narrow /a/x',
      'wide /a/x',
    ])
  })

  it('held, it opens nothing; released, everything at once', async () => {
    const { source, transport, settle } = harness()
    source.hold()
    source.join('/a/')
    await settle()
    source.join('/b/')
    const resumed = source.resume(['/c/'], 'p1', [])
    await settle()
    expect(transport.script.streams).toHaveLength(0)
    source.release()
    source.release()
    await settle()
    const prefixes = transport.script.streams.map((stream) => stream.prefixes?.join())
    expect(new Set(prefixes)).toEqual(new Set(['/a/,/b/', '/c/']))
    expect(resumed.live).toBe(false)
  })

  it('a feed ends with its last user, also before it was opened', async () => {
    const { source, transport, told, settle } = harness()
    const feed = source.join('/a/')
    source.join('/a/b/')
    source.share(feed, '/a/')
    expect(source.leave(feed, '/a/')).toBe(false)
    expect(source.leave(feed, '/a/b/')).toBe(false)
    await settle()
    transport.script.stream(0).listed()
    expect(source.leave(feed, '/a/')).toBe(true)
    await settle()
    expect(transport.script.stream(0).isClosed).toBe(true)
    expect(told).toEqual([])
    expect(source.leave(source.join('/b/'), '/b/')).toBe(true)
    await settle()
    expect(transport.script.streams).toHaveLength(1)
    const held = harness()
    held.source.hold()
    held.source.leave(held.source.resume(['/a/'], 'p', []), '/a/')
    held.source.release()
    await held.settle()
    expect(held.transport.script.streams).toHaveLength(0)
  })

  it('does not ask for prefixes whose users have left before it was opened', async () => {
    const { source, transport, settle } = harness()
    source.hold()
    const feed = source.join('/a/')
    source.join('/a/b/')
    source.join('/a/b/')
    source.join('/c/')
    source.leave(feed, '/a/b/')
    source.leave(feed, '/a/')
    source.release()
    await settle()
    expect(transport.script.stream(0).prefixes).toEqual(['/a/b/', '/c/'])
    expect(source.join('/c/x')).toBe(feed)
    expect(source.join('/a/')).not.toBe(feed)
  })

  it('what goes on from a checkpoint is its own, and offered to others once it has caught up', async () => {
    const { source, transport, settle } = harness()
    const own = source.resume(['/a/'], 'p1', [])
    await settle()
    expect(source.join('/a/')).not.toBe(own)
    await settle()
    transport.script.stream(0).progress('p5')
    await settle()
    const other = source.resume(['/b/'], 'q1', [])
    await settle()
    transport.script.stream(2).progress('q2')
    await settle()
    expect(source.join('/b/x')).toBe(other)
  })

  it('a twin is live, covers the prefix, and stands at the same position', async () => {
    const { source, transport, settle } = harness()
    const own = source.resume(['/a/'], 'p1', [])
    const shared = source.join('/')
    await settle()
    expect(source.twin(own, '/a/')).toBeUndefined()
    const streamOf = (prefix: string) =>
      transport.script.streams.find((stream) => stream.prefixes?.includes(prefix))
    streamOf('/')?.listed('p2')
    streamOf('/a/')?.progress('p1')
    await settle()
    expect(source.twin(own, '/a/')).toBeUndefined()
    streamOf('/a/')?.progress('p2')
    await settle()
    expect(source.twin(own, '/a/')).toBe(shared)
    streamOf('/')?.reset('compacted')
    await settle()
    expect(source.twin(own, '/a/')).toBeUndefined()
  })

  it('its state: connecting, live, stale, closed', async () => {
    const { source, transport, settle, clock } = harness()
    source.join('/a/')
    await settle()
    expect(source.status).toMatchObject({ name: 'scripted', state: 'connecting', reconnects: 0 })
    transport.script.stream(0).pairs([['/a/x', '1', 1]])
    await settle()
    expect(source.listing).toBe(1)
    transport.script.stream(0).listed('p1')
    await settle()
    expect(source.listing).toBe(0)
    expect(source.status.state).toBe('live')
    const error = new Error('cut')
    transport.script.stream(0).fail(error)
    await settle()
    expect(source.status).toMatchObject({ state: 'stale', reconnects: 1, lastError: error })
    transport.script.stream(1).progress()
    await clock.run(10)
    expect(source.status.state).toBe('live')
    source.close()
    expect(source.status.state).toBe('closed')
    expect(clock.pending).toBe(0)
  })

  it('closed, it tells nothing more', async () => {
    const { source, transport, told, settle } = harness()
    source.join('/a/')
    await settle()
    source.join('/b/')
    source.close()
    transport.script.stream(0).listed()
    await settle()
    expect(told).toEqual([])
    expect(transport.script.streams).toHaveLength(1)
  })
})
