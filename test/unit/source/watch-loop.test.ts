import { describe, expect, it } from '@jest/globals'
import { silentLogger } from '../../../src/api/logger.ts'
import type { Receipt } from '../../../src/api/transport.ts'
import { RevisionCounter, WatchLoop } from '../../../src/source/watch-loop.ts'
import { FakeClock, ScriptedTransport } from '../../../src/testing/index.ts'
import type { ScriptedTransportOptions } from '../../../src/testing/index.ts'

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)

interface Harness {
  readonly clock: FakeClock
  readonly transport: ScriptedTransport
  readonly loop: WatchLoop
  /** What the sink was told, one line each. */
  readonly told: string[]
  readonly positions: (string | undefined)[]
  readonly settle: () => Promise<void>
}

function harness(
  options: ScriptedTransportOptions & {
    resume?: {
      position: string
      pairs: { key: string; value: Uint8Array; revision: number; version: string }[]
    }
    prefixes?: readonly string[]
    onTold?: (line: string, loop: () => WatchLoop) => void
  } = {},
): Harness {
  const clock = new FakeClock()
  const transport = new ScriptedTransport(options)
  const told: string[] = []
  const positions: (string | undefined)[] = []
  const tell = (line: string): void => {
    told.push(line)
    options.onTold?.(line, () => loop)
  }
  const loop: WatchLoop = new WatchLoop({
    transport,
    prefixes: options.prefixes ?? ['/'],
    io: { signal: new AbortController().signal, logger: silentLogger, clock, random: () => 0 },
    revisions: new RevisionCounter(),
    ...(options.resume === undefined ? {} : { resume: options.resume }),
    sink: {
      resetting: () => tell('resetting'),
      listed: (reason) =>
        tell(
          `listed ${reason}: ${loop.values
            .view('')
            .map((p) => `${p.key}=${text(p.value)}@${p.revision}`)
            .join()}`,
        ),
      changed: (changes, before, after, receipt) => {
        positions.push(before, after)
        receipt?.routed([])
        for (const { key, prev, next, revision } of changes) {
          tell(`${key}: ${text(prev?.value) ?? '-'} → ${text(next?.value) ?? '-'} @${revision}`)
        }
      },
      status: (live) => tell(live ? 'live' : 'not live'),
      lost: (error) => tell(`lost: ${error instanceof Error ? error.message : String(error)}`),
    },
  })
  return { clock, transport, loop, told, positions, settle: () => clock.run(0) }
}

describe('a watch loop', () => {
  it('swaps the listed state in one step and hands over changes with previous values (W11)', async () => {
    const { loop, transport, told, positions, settle } = harness()
    loop.start()
    const stream = transport.script.stream(0)
    stream.pairs([['/a', '1', 1]])
    await settle()
    expect(told).toEqual(['resetting'])
    expect(loop.staged).toBe(1)
    stream.pairs([['/b', '1', 2]]).listed('p2')
    stream.changes(
      [
        ['put', '/a', '2', 3],
        ['delete', '/b', 4],
        ['put', '/c', '1', 4],
      ],
      { position: 'p4' },
    )
    await settle()
    expect(told).toEqual([
      'resetting',
      'listed startup: /a=1@1,/b=1@2',
      'live',
      '/a: 1 → 2 @3',
      '/b: 1 → - @4',
      '/c: - → 1 @4',
    ])
    expect(positions).toEqual(['p2', 'p4'])
    expect(stream.prefixes).toEqual(['/'])
    expect(stream.from).toBeUndefined()
  })

  it('drops repeats, deletes of what is not held, and what is outside its prefixes (C5, W12)', async () => {
    const { loop, transport, told, settle } = harness({ prefixes: ['/a/', '/b/'] })
    loop.start()
    const stream = transport.script.stream(0)
    stream
      .pairs([
        ['/a/x', '1', 5],
        ['/c/x', '1', 5],
      ])
      .listed()
    stream.changes([
      ['put', '/a/x', 'old', 4],
      ['put', '/a/x', '1', 5],
      ['delete', '/a/x', 5],
      ['delete', '/b/x', 6],
      ['put', '/c/x', '2', 6],
      ['put', '/a/x', '1', 6],
    ])
    await settle()
    expect(told).toEqual(['resetting', 'listed startup: /a/x=1@5', 'live', '/a/x: 1 → 1 @6'])
  })

  it('numbers changes itself where the store does not; the same bytes are a repeat', async () => {
    const { loop, transport, told, clock, settle } = harness({
      capabilities: { storeRevisions: false, resumable: false },
    })
    loop.start()
    const stream = transport.script.stream(0)
    stream
      .pairs([
        ['/a', '1'],
        ['/b', '1'],
      ])
      .listed()
    stream.changes([
      ['put', '/a', '1'],
      ['put', '/a', '2'],
      ['delete', '/b'],
      ['put', '/b', '1'],
    ])
    await settle()
    expect(told.slice(1)).toEqual([
      'listed startup: /a=1@1,/b=1@2',
      'live',
      '/a: 1 → 2 @3',
      '/b: 1 → - @4',
      '/b: - → 1 @5',
    ])
    stream.fail(new Error('cut'))
    transport.script
      .stream(1)
      .pairs([
        ['/b', '1'],
        ['/a', '3'],
      ])
      .listed()
    await settle()
    await clock.run(10)
    expect(told.slice(-2)).toEqual(['listed reconnected: /a=3@6,/b=1@5', 'live'])
  })

  it('goes on behind the last change that was handed over (W1, W3)', async () => {
    const { loop, transport, told, clock, settle } = harness()
    loop.start()
    transport.script
      .stream(0)
      .listed('p1')
      .changes([['put', '/a', '1', 2]], { position: 'p2' })
      .fail(new Error('cut'))
    await settle()
    expect(told.slice(-2)).toEqual(['not live', 'lost: cut'])
    await clock.run(9)
    expect(transport.script.streams).toHaveLength(1)
    await clock.run(1)
    expect(transport.script.stream(1).from).toBe('p2')
    // Cut between the subscription and the first change: the position stays (W2).
    transport.script.stream(1).fail(new Error('cut again'))
    await settle()
    await clock.run(20)
    expect(transport.script.stream(2).from).toBe('p2')
    transport.script.stream(2).progress()
    await settle()
    expect(told.at(-1)).toBe('live')
    expect(told.filter((line) => line === 'resetting')).toHaveLength(1)
  })

  it('lists again when the position is too old (W5), and when a list breaks off', async () => {
    const { loop, transport, told, clock, settle } = harness()
    loop.start()
    transport.script
      .stream(0)
      .pairs([['/a', '1', 1]])
      .listed('p1')
      .fail(new Error('cut'))
    transport.script
      .stream(1)
      .reset('compacted')
      .pairs([['/b', '1', 2]])
      .fail(new Error('cut in the list'))
    transport.script
      .stream(2)
      .pairs([['/c', '1', 3]])
      .listed('p3')
    await settle()
    await clock.run(10)
    expect(transport.script.stream(1).from).toBe('p1')
    expect(loop.values.get('/a')).toBeDefined()
    await clock.run(20)
    expect(transport.script.stream(2).from).toBeUndefined()
    expect(told.filter((line) => line.startsWith('listed'))).toEqual([
      'listed startup: /a=1@1',
      'listed reconnected: /c=1@3',
    ])
    expect(loop.position).toBe('p3')
  })

  it('W14: backs off exponentially, from 100 ms to 30 s; a connection is no reason to start over', async () => {
    const { loop, transport, clock, settle } = harness()
    const delays: (number | undefined)[] = []
    loop.start()
    for (let i = 0; i < 12; i++) {
      transport.script.stream(i).listed('p1').fail(new Error('cut'))
      await settle()
      delays.push(clock.nextInMs)
      await clock.run(clock.nextInMs ?? 0)
    }
    // The least jitter: a tenth.
    expect(delays).toEqual([10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_000, 3_000, 3_000])
    transport.script
      .stream(12)
      .reset('reconnected')
      .listed('p1')
      .progress('p1')
      .fail(new Error('cut'))
    await settle()
    expect(clock.nextInMs).toBe(10)
  })

  it('W13: gives up a stream that is silent for livenessMs; a sign of life is enough', async () => {
    const { loop, transport, told, clock, settle } = harness({ livenessMs: 10_000 })
    loop.start()
    const stream = transport.script.stream(0)
    stream.listed('p1')
    await settle()
    await clock.run(9_999)
    stream.progress()
    await settle()
    await clock.run(9_999)
    expect(told).not.toContain('not live')
    await clock.run(1)
    expect(told.slice(-2)).toEqual(['not live', 'lost: scripted: silent for 10000 ms'])
    expect(stream.isClosed).toBe(true)
    await clock.run(10)
    expect(transport.script.stream(1).from).toBe('p1')
  })

  it('W13: a silence before the list ends counts too', async () => {
    const { loop, told, clock, settle, transport } = harness({ livenessMs: 1_000 })
    loop.start()
    await settle()
    await clock.run(1_000)
    expect(told).toEqual(['lost: scripted: silent for 1000 ms'])
    await clock.run(10)
    expect(transport.script.streams).toHaveLength(2)
  })

  it('a transport that ends its stream, or breaks the protocol, is a lost link', async () => {
    const { loop, transport, told, clock, settle } = harness()
    loop.start()
    transport.script.stream(0).end()
    transport.script.stream(1).changes([['put', '/a', '1', 1]])
    transport.script.stream(2).listed('p1').fail(new Error('cut'))
    transport.script.stream(3).pairs([['/a', '1', 1]])
    await settle()
    for (let i = 0; i < 3; i++) await clock.run(clock.nextInMs ?? 0)
    const lost = told.filter((line) => line.startsWith('lost'))
    expect(lost).toEqual([
      'lost: scripted: the stream ended',
      expect.stringContaining('changes before listed'),
      'lost: cut',
      expect.stringContaining('pairs without a reset'),
    ])
    expect(transport.script.stream(1).isClosed).toBe(true)
  })

  it('a stream that throws when it is made is a lost link', async () => {
    const { loop, transport, told, clock, settle } = harness()
    const stream = transport.stream.bind(transport)
    let broken = true
    transport.stream = (...args) => {
      if (broken) throw new Error('no stream')
      return stream(...args)
    }
    loop.start()
    await settle()
    expect(told).toEqual(['lost: no stream'])
    broken = false
    transport.script.stream(0).listed()
    await clock.run(10)
    expect(told.at(-1)).toBe('live')
  })

  it('a reconcile tells the differences as changes, judged in the order of the stream', async () => {
    const { loop, transport, told, settle } = harness({
      capabilities: { storeRevisions: false, resumable: false },
    })
    loop.start()
    const stream = transport.script.stream(0)
    stream
      .pairs([
        ['/a', '1'],
        ['/b', '1'],
        ['/c', '1'],
        ['/d', '1'],
      ])
      .listed()
    await settle()
    told.splice(0)
    stream.pairs([['/a', '2']])
    // Changed between two pages: neither gone nor undone.
    stream.changes([
      ['put', '/b', '2'],
      ['delete', '/c'],
      ['put', '/e', '1'],
    ])
    stream.pairs([
      ['/a', '2'],
      ['/f', '1'],
    ])
    stream.listed()
    await settle()
    expect(told).toEqual([
      '/a: 1 → 2 @5',
      '/b: 1 → 2 @6',
      '/c: 1 → - @7',
      '/e: - → 1 @8',
      '/f: - → 1 @9',
      '/d: 1 → - @10',
    ])
  })

  it('a lost link forgets a reconcile that was under way', async () => {
    const { loop, transport, told, clock, settle } = harness()
    loop.start()
    transport.script
      .stream(0)
      .pairs([
        ['/a', '1', 1],
        ['/b', '1', 1],
      ])
      .listed('p1')
      .pairs([['/a', '1', 1]])
      .fail(new Error('cut'))
    transport.script
      .stream(1)
      .changes([], { position: 'p1' })
      .pairs([
        ['/b', '1', 1],
        ['/a', '1', 1],
      ])
      .listed('p1')
    await settle()
    await clock.run(10)
    expect(told.filter((line) => line.includes('→'))).toEqual([])
  })

  it.each(['a lost link', 'a reset'])(
    'what a reconcile named before %s says nothing to the next',
    async (how) => {
      const { loop, transport, told, clock, settle } = harness()
      loop.start()
      const first = transport.script.stream(0)
      first
        .pairs([
          ['/a', '1', 1],
          ['/b', '1', 1],
        ])
        .listed('p1')
        .pairs([['/a', '1', 1]])
      let stream = first
      if (how === 'a reset') {
        first
          .reset('compacted')
          .pairs([
            ['/a', '1', 1],
            ['/b', '1', 1],
          ])
          .listed('p1')
      } else {
        first.fail(new Error('cut'))
        stream = transport.script.stream(1).changes([], { position: 'p1' })
      }
      await settle()
      await clock.run(10)
      told.splice(0)
      stream.pairs([['/b', '1', 1]]).listed('p1')
      await settle()
      expect(told).toEqual([expect.stringMatching(/^\/a: 1 → - @/)])
    },
  )

  it('resumes from a checkpoint with its state, or replaces it when it is too old', async () => {
    const pair = (
      key: string,
    ): { key: string; value: Uint8Array; revision: number; version: string } => ({
      key,
      value: new TextEncoder().encode('1'),
      revision: 1,
      version: 'v',
    })
    const fresh = harness({ resume: { position: 'p1', pairs: [pair('/a'), pair('/b')] } })
    fresh.loop.start()
    expect(fresh.transport.script.stream(0).from).toBe('p1')
    fresh.transport.script.stream(0).changes([['delete', '/a', 2]], { position: 'p2' })
    await fresh.settle()
    expect(fresh.told).toEqual(['/a: 1 → - @2', 'live'])
    const stale = harness({ resume: { position: 'p1', pairs: [pair('/a')] } })
    stale.loop.start()
    stale.transport.script
      .stream(0)
      .reset('compacted')
      .pairs([['/b', '1', 2]])
      .listed('p2')
    await stale.settle()
    expect(stale.told).toEqual(['resetting', 'listed compacted: /b=1@2', 'live'])
  })

  it('a long run of changes lets timers and sockets have their turn', async () => {
    const { loop, transport, settle, told } = harness()
    loop.start()
    const stream = transport.script.stream(0)
    stream.listed()
    for (let i = 0; i < 5_000; i++) stream.changes([['put', `/${i}`, '1', i + 1]])
    let turns = 0
    let counting = true
    const count = (): void => {
      turns++
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    while (told.length < 5_002) await settle()
    counting = false
    expect(turns).toBeGreaterThan(2)
  })

  it('W19: a second start does nothing', async () => {
    const { loop, transport, settle } = harness()
    loop.start()
    loop.start()
    transport.script.stream(0).listed('p1')
    await settle()
    loop.start()
    await settle()
    expect(transport.script.streams).toHaveLength(1)
    expect(loop.position).toBe('p1')
  })

  describe('W18: close leaves nothing behind', () => {
    const points: Record<string, (h: Harness) => Promise<void>> = {
      'before start': async () => {},
      opening: async ({ loop, settle }) => {
        loop.start()
        await settle()
      },
      'in the list': async ({ loop, transport, settle }) => {
        loop.start()
        transport.script.stream(0).pairs([['/a', '1', 1]])
        await settle()
      },
      live: async ({ loop, transport, settle }) => {
        loop.start()
        transport.script.stream(0).listed('p1')
        await settle()
      },
      'in the back-off': async ({ loop, transport, settle }) => {
        loop.start()
        transport.script.stream(0).fail(new Error('cut'))
        await settle()
      },
      'with batches unread': async ({ loop, transport }) => {
        loop.start()
        transport.script
          .stream(0)
          .listed('p1')
          .changes([['put', '/a', '1', 1]])
      },
    }
    it.each(Object.keys(points))('%s', async (point) => {
      const h = harness({ livenessMs: 1_000 })
      await points[point]?.(h)
      const opened = h.transport.script.streams.length
      h.told.splice(0)
      h.loop.close()
      h.loop.close()
      h.loop.start()
      expect(h.clock.pending).toBe(0)
      for (const stream of h.transport.script.streams) {
        stream.changes([['put', '/z', '1', 9]]).fail(new Error('too late'))
        expect(stream.signal?.aborted).toBe(true)
      }
      await h.clock.run(100_000)
      expect(h.told).toEqual([])
      expect(h.transport.script.streams).toHaveLength(opened)
    })

    it.each(['resetting', 'listed startup: ', 'live', '/a: - → 1 @2', 'not live', 'lost: cut'])(
      'when the sink closes it at: %s',
      async (line) => {
        const h = harness({
          onTold: (told, loop) => {
            if (told === line) loop().close()
          },
        })
        h.loop.start()
        h.transport.script
          .stream(0)
          .listed('p1')
          .changes([['put', '/a', '1', 2]])
          .fail(new Error('cut'))
        await h.settle()
        expect(h.told.at(-1)).toBe(line)
        await h.clock.run(100_000)
        expect(h.told.at(-1)).toBe(line)
        expect(h.clock.pending).toBe(0)
        expect(h.transport.script.stream(0).isClosed).toBe(true)
      },
    )

    it('a batch that was read but not handed over lets its writer go', async () => {
      const h = harness()
      h.loop.start()
      h.transport.script.stream(0).listed('p1')
      await h.settle()
      const routed: (readonly string[])[] = []
      const receipt: Receipt = {
        routed: (names) => void routed.push(names),
        answered: () => {},
        left: () => {},
      }
      h.transport.script.stream(0).changes([['put', '/a', '1', 2]], { receipt })
      h.loop.close()
      await h.settle()
      expect(routed).toEqual([[]])
    })
  })
})
