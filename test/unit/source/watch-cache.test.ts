import { describe, expect, it } from '@jest/globals'
import { TransportUnavailableError } from '../../../src/index.ts'
import type { ChangeInput } from '../../../src/testing/index.ts'
import { CacheHarness, show } from '../../support/cache-harness.ts'

const put = (key: string, value: string, revision: number): ChangeInput => [
  'put',
  key,
  value,
  revision,
]

/** A cache that has listed `/a=1`, with one reader that has seen it. */
async function listed(
  options: ConstructorParameters<typeof CacheHarness>[0] = {},
): Promise<{ h: CacheHarness; first: ReturnType<CacheHarness['reader']> }> {
  const h = new CacheHarness(options)
  const first = h.reader()
  h.upstream()
    .pairs([['/a', '1', 1]])
    .listed('p')
  await h.settle()
  expect(first.take()).toEqual(['pairs /a=1', 'listed'])
  return { h, first }
}

describe('what readers get', () => {
  it('nothing before the upstream has listed; then the list, and each change once; one upstream watch', async () => {
    const h = new CacheHarness()
    expect(h.transport.script.streams).toHaveLength(0)
    const early = h.reader()
    h.upstream().pairs([['/a', '1', 1]])
    await h.settle()
    expect(early.take()).toEqual([])
    h.upstream().listed('p')
    await h.settle()
    const late = h.reader()
    expect(early.take()).toEqual(['pairs /a=1', 'listed'])
    expect(late.take()).toEqual(['pairs /a=1', 'listed'])
    h.upstream()
      .changes([put('/a', '2', 2)])
      .changes([['delete', '/a', 3]])
    await h.settle()
    expect(early.take()).toEqual(['put /a=2', 'delete /a'])
    expect(late.take()).toEqual(['put /a=2', 'delete /a'])
    expect(h.reader().take()).toEqual(['listed'])
    expect(h.transport.script.streams).toHaveLength(1)
  })

  it('of its prefixes only; equal ones share batches and pages, and who sees all shares them with all', async () => {
    const { h } = await listed()
    const [one, two, both, other] = [['/a'], ['/a', '/a/b'], ['/a', '/b'], ['/c']].map((p) => {
      const reader = h.reader(p)
      reader.take()
      return reader
    })
    expect(one?.batches[0]).toBe(two?.batches[0])
    expect(one?.batches[0]).not.toBe(both?.batches[0])
    h.upstream().changes([put('/a', '2', 2)])
    h.upstream().changes([put('/a', '3', 3), put('/b', '1', 3), put('/c', '1', 3)])
    await h.settle()
    expect(one?.take()).toEqual(['put /a=2', 'put /a=3'])
    expect(two?.take()).toEqual(['put /a=2', 'put /a=3'])
    expect(both?.take()).toEqual(['put /a=2', 'put /a=3 put /b=1'])
    expect(other?.take()).toEqual(['put /c=1'])
    expect(one?.batches.slice(-2)).toEqual(two?.batches.slice(-2))
    for (const [i, batch] of (one?.batches ?? []).entries()) expect(two?.batches[i]).toBe(batch)
    // Prefixes differ, what they see of the first change does not.
    expect(both?.batches.at(-2)).toBe(one?.batches.at(-2))
  })

  it('a list in the same pages as another, until something of it changes', async () => {
    const h = new CacheHarness()
    h.reader()
    h.upstream()
      .pairs(Array.from({ length: 2_500 }, (_, i) => [`/k/${i}`, '1', 1] as const))
      .listed('p')
    await h.settle()
    const readers = [h.reader(['/k/']), h.reader(['/k/'])]
    for (const reader of readers) expect(reader.take()).toHaveLength(4)
    h.upstream().changes([put('/else', '1', 2)])
    await h.settle()
    const third = h.reader(['/k/'])
    third.take()
    for (let page = 0; page < 3; page++) {
      expect(readers[1]?.batches[page]).toBe(readers[0]?.batches[page])
      expect(third.batches[page]).toBe(readers[0]?.batches[page])
    }
    h.upstream().changes([put('/k/0', '2', 3)])
    await h.settle()
    const fourth = h.reader(['/k/'])
    fourth.take()
    expect(fourth.batches[0]).not.toBe(third.batches[0])
    expect(fourth.fold.get('/k/0')).toBe('2')
  })

  it('a list as it was when it began, then what changed meanwhile, whatever is written while it is read', async () => {
    const h = new CacheHarness()
    h.reader()
    h.upstream()
      .pairs(Array.from({ length: 3_000 }, (_, i) => [`/k/${i}`, '1', 1] as const))
      .listed('p')
    await h.settle()
    const reader = h.reader(['/k/'])
    reader.takeOne()
    h.upstream().changes([put('/k/2999', '2', 2), ['delete', '/k/0', 2], put('/k/new', '1', 2)])
    await h.settle()
    reader.takeOne()
    reader.takeOne()
    expect(show(reader.takeOne() ?? fail())).toBe('listed')
    expect(reader.fold.size).toBe(3_000)
    expect(new Set(reader.fold.values())).toEqual(new Set(['1']))
    expect(reader.take()).toEqual(['put /k/2999=2 delete /k/0 put /k/new=1'])
  })

  it('revisions that grow and pairs that nobody numbers again, where the upstream has none', async () => {
    const h = new CacheHarness({ transport: { capabilities: { storeRevisions: false } } })
    const reader = h.reader()
    h.upstream()
      .pairs([
        ['/a', '1'],
        ['/b', '1'],
      ])
      .listed()
    await h.settle()
    reader.take()
    // A reconcile: /a is the same, /b is gone, /c is new.
    h.upstream()
      .pairs([
        ['/a', '1'],
        ['/c', '1'],
      ])
      .listed()
    await h.settle()
    expect(reader.take()).toEqual(['put /c=1', 'delete /b'])
    const revisions = reader.batches.flatMap((batch) => {
      if (batch.kind === 'pairs') return batch.pairs.map(({ revision }) => revision)
      if (batch.kind !== 'changes') return []
      return batch.changes.map((c) => (c.type === 'put' ? c.pair.revision : c.revision))
    })
    expect(revisions).toEqual([1, 2, 3, 4])
  })

  it('what a reconcile misses is deleted behind its last revision, also where the store numbers', async () => {
    const { h, first } = await listed()
    h.upstream().changes([put('/a', '2', 70)])
    h.upstream().listed()
    await h.settle()
    expect(first.take()).toEqual(['put /a=2', 'delete /a'])
    expect(first.batches.at(-1)).toMatchObject({ changes: [{ revision: 71 }] })
  })
})

describe('positions', () => {
  it('resume at every border of transactions with only what came after, for any prefixes (W9)', async () => {
    const { h, first } = await listed()
    const borders = [{ position: first.position, fold: new Map(first.fold) }]
    for (let i = 2; i <= 20; i++) {
      h.upstream().changes([
        put('/a', String(i), i),
        i % 3 === 0 ? ['delete', '/b/x', i] : put('/b/x', String(i), i),
        put(`/b/${i}`, '1', i),
      ])
      await h.settle()
      first.take()
      borders.push({ position: first.position, fold: new Map(first.fold) })
    }
    // Oldest last: what a group has not seen yet is put before what it has.
    for (const { position, fold } of borders.toReversed()) {
      for (const prefixes of [[''], ['/b/'], ['/a', '/b/2'], ['/none']]) {
        const reader = h.reader(prefixes, { from: position })
        const inside = ([key]: [string, string]): boolean =>
          prefixes.some((prefix) => key.startsWith(prefix))
        reader.fold = new Map([...fold].filter(inside))
        const lines = reader.take()
        expect(lines.filter((line) => /pairs|listed|reset/u.test(line))).toEqual([])
        expect(lines.length).toBeGreaterThan(0)
        expect(reader.fold).toEqual(new Map([...first.fold].filter(inside)))
        // Where nothing is to be told the first word is that it goes on.
        if (prefixes[0] === '/none') expect(lines).toEqual(['progress'])
        await reader.return()
      }
    }
  })

  it('share batches between readers that resume at different borders', async () => {
    const { h, first } = await listed()
    h.upstream()
      .changes([put('/a', '2', 2)])
      .changes([put('/a', '3', 3)])
    await h.settle()
    const start = first.position
    first.take()
    const late = h.reader(['/a'], {
      from: first.batches.at(-2)?.kind === 'changes' ? at(first, -2) : '',
    })
    const later = h.reader(['/a'], { from: start })
    expect(late.take()).toEqual(['put /a=3'])
    expect(later.take()).toEqual(['put /a=2', 'put /a=3'])
    expect(later.batches[1]).toBe(late.batches[0])
  })

  it.each([
    '',
    'x',
    ':',
    'x:1',
    'OWN:',
    'OWN:-1',
    'OWN:1.5',
    'OWN:2',
    'OWN:NaN',
    'OWN:1e0',
    'OWN: 1',
    'OWN:1:1',
  ])('a position that is none of its own lists again: %j (W6)', async (position) => {
    const { h, first } = await listed()
    h.upstream().changes([put('/a', '2', 2)])
    await h.settle()
    first.take()
    const [epoch] = (first.position ?? '').split(':')
    const from = position.replace('OWN', String(epoch))
    const reader = h.reader([''], { from })
    expect(reader.take()).toEqual(['reset reconnected', 'pairs /a=2', 'listed'])
  })

  it('of before the first list wait for it, and list', async () => {
    const h = new CacheHarness()
    const reader = h.reader([''], { from: 'before:3' })
    expect(reader.take()).toEqual([])
    h.upstream()
      .pairs([['/a', '1', 1]])
      .listed('p')
    await h.settle()
    expect(reader.take()).toEqual(['reset reconnected', 'pairs /a=1', 'listed'])
  })

  it('are told to idle readers now and then, if they moved, by one timer', async () => {
    const { h } = await listed()
    const idle = h.reader(['/idle'])
    const other = h.reader(['/other'])
    expect([idle.take(), other.take()]).toEqual([['listed'], ['listed']])
    await h.clock.run(5_000)
    expect(idle.take()).toEqual([])
    expect(h.clock.pending).toBe(1)
    h.upstream()
      .changes([put('/a', '2', 2)])
      .changes([put('/a', '3', 3)])
    await h.settle()
    expect(idle.take()).toEqual([])
    await h.clock.run(5_000)
    expect(idle.take()).toEqual(['progress'])
    other.take()
    expect(other.batches.at(-1)).toBe(idle.batches.at(-1))
    await h.clock.run(20_000)
    expect(idle.take()).toEqual([])
    expect(h.reader(['/idle'], { from: idle.position }).take()).toEqual(['progress'])
  })
})

describe('the history', () => {
  it.each([
    ['changes', { historyLimit: 10 }],
    // Each: a key of 2 characters and a value of 6 bytes.
    ['bytes', { historyBytes: 80 }],
  ])('is bounded in %s; what is behind it begins again, what is not goes on', async (_, bound) => {
    const { h, first } = await listed(bound)
    const positions = [first.position]
    for (let i = 2; i <= 30; i++) {
      h.upstream().changes([put('/a', String(i).padEnd(6), i)])
      await h.settle()
      first.take()
      positions.push(first.position)
    }
    expect(h.cache.kept).toMatchObject({ changes: 10, bytes: 80 })
    const lengths = positions.map((from) => {
      const lines = h.reader([''], { from }).take()
      if (lines[0] === 'reset compacted') return 'lists'
      return lines[0] === 'progress' ? 0 : lines.length
    })
    expect(lengths).toEqual([
      ...Array.from({ length: 19 }, () => 'lists'),
      10,
      9,
      8,
      7,
      6,
      5,
      4,
      3,
      2,
      1,
      0,
    ])
  })

  it('keeps or forgets a transaction as a whole', async () => {
    const { h, first } = await listed({ historyLimit: 4 })
    const border = first.position
    h.upstream().changes([put('/a', '2', 2), put('/b', '2', 2), put('/c', '2', 2)])
    await h.settle()
    first.take()
    const middle = first.position
    h.upstream().changes([put('/a', '3', 3), put('/b', '3', 3)])
    await h.settle()
    expect(h.reader(['/c'], { from: border }).take()[0]).toBe('reset compacted')
    expect(h.reader([''], { from: middle }).take()).toEqual(['put /a=3 put /b=3'])
    expect(h.cache.kept.changes).toBe(2)
  })

  it('cuts off who is behind it, and nobody else; memory does not grow with them (W24)', async () => {
    const { h, first } = await listed({ historyLimit: 100 })
    const slow = h.reader()
    const never = h.reader(['/a'])
    slow.take()
    for (let i = 2; i <= 2_000; i++) {
      h.upstream().changes([put('/a', String(i), i)])
      if (i % 50 !== 0) continue
      await h.settle()
      expect(first.take()).toHaveLength(i === 50 ? 49 : 50)
    }
    expect(first.batches.filter(({ kind }) => kind === 'reset')).toEqual([])
    // The history, and once each for the two groups.
    expect(h.cache.kept).toMatchObject({ changes: 100, entries: 200 })
    expect(slow.take()).toEqual(['reset compacted', 'pairs /a=2000', 'listed'])
    expect(never.take()).toEqual(['pairs /a=2000', 'listed'])
    h.upstream().changes([put('/a', '2001', 2_001)])
    await h.settle()
    expect([first.take(), slow.take(), never.take()]).toEqual([
      ['put /a=2001'],
      ['put /a=2001'],
      ['put /a=2001'],
    ])
  })

  it('does not cut off in a burst who reads as soon as it can, even without any history', async () => {
    const { h, first } = await listed({ historyLimit: 0 })
    const seen: string[] = []
    const reading = (async () => {
      for (;;) {
        const result = await first.next()
        if (result.done === true) return
        seen.push(show(result.value))
      }
    })()
    for (let i = 2; i <= 1_001; i++) h.upstream().changes([put('/a', String(i), i)])
    await h.settle()
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, i) => `put /a=${i + 2}`))
    expect(h.cache.kept).toEqual({ changes: 0, bytes: 0, entries: 0 })
    first.abort()
    await reading
  })

  it('a list that is read for longer than it reaches is complete, and begins again', async () => {
    const h = new CacheHarness({ historyLimit: 2 })
    h.reader()
    h.upstream()
      .pairs(Array.from({ length: 2_000 }, (_, i) => [`/k/${i}`, '1', 1] as const))
      .listed('p')
    await h.settle()
    const reader = h.reader(['/k/'])
    reader.takeOne()
    for (let i = 2; i < 10; i++) h.upstream().changes([put('/k/0', String(i), i)])
    await h.settle()
    await h.clock.run(5_000) // it has moved since the last sweep
    reader.takeOne()
    expect(show(reader.takeOne() ?? fail())).toBe('listed')
    expect(reader.fold.get('/k/0')).toBe('1')
    expect(show(reader.takeOne() ?? fail())).toBe('reset compacted')
    reader.take()
    expect(reader.fold.get('/k/0')).toBe('9')
  })

  it('a list that nobody reads on holds no view of long ago', async () => {
    const h = new CacheHarness({ historyLimit: 2 })
    h.reader()
    h.upstream()
      .pairs(Array.from({ length: 2_000 }, (_, i) => [`/k/${i}`, '1', 1] as const))
      .listed('p')
    await h.settle()
    const reader = h.reader(['/k/'])
    reader.takeOne()
    for (let i = 2; i < 10; i++) h.upstream().changes([put('/k/0', String(i), i)])
    await h.clock.run(10_000)
    expect(show(reader.takeOne() ?? fail())).toBe('reset compacted')
    reader.take()
    expect(reader.fold.get('/k/0')).toBe('9')
  })
})

describe('a lost upstream', () => {
  it('lets readers wait, serves new ones from memory, and shows in the status only', async () => {
    const { h, first } = await listed()
    expect(h.cache.status).toEqual({ name: 'scripted', state: 'live', reconnects: 0 })
    const lost = new TransportUnavailableError('scripted', 'gone')
    h.upstream().fail(lost)
    await h.settle()
    expect(h.cache.status).toEqual({
      name: 'scripted',
      state: 'stale',
      reconnects: 1,
      lastError: lost,
    })
    expect(first.take()).toEqual([])
    expect(h.reader().take()).toEqual(['pairs /a=1', 'listed'])
    await h.clock.run(100)
    expect(h.upstream(1).from).toBe('p')
    h.upstream(1).changes([put('/a', '2', 2)])
    await h.settle()
    expect(first.take()).toEqual(['put /a=2'])
    expect(h.cache.status.state).toBe('live')
  })
})

describe('the end', () => {
  it('close: readers fail with ClosedError, nothing is left; a later reader fails too (C11)', async () => {
    const { h, first } = await listed()
    const waiting = first.next()
    const unread = h.reader(['/b'])
    h.cache.close()
    await expect(waiting).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await expect(unread.next()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await expect(h.reader().next()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    expect(await first.next()).toEqual({ done: true, value: undefined })
    expect([h.clock.pending, h.upstream().isClosed, h.cache.readers]).toEqual([0, true, 0])
    expect(h.cache.status.state).toBe('closed')
  })

  it('a reader ends with its signal or its return; the upstream goes on', async () => {
    const { h, first } = await listed()
    const waiting = first.next()
    first.abort()
    expect(await waiting).toEqual({ done: true, value: undefined })
    const second = h.reader()
    await second.return()
    expect(second.take()).toEqual([])
    expect(await second.next()).toEqual({ done: true, value: undefined })
    expect(h.cache.readers).toBe(0)
    expect(h.upstream().isClosed).toBe(false)
    // The sweep finds nobody.
    await h.clock.run(5_000)
    expect(h.clock.pending).toBe(0)
    h.upstream().changes([put('/a', '2', 2)])
    await h.settle()
    expect(h.reader().take()).toEqual(['pairs /a=2', 'listed'])
  })

  it('an aborted signal does not begin anything', () => {
    const h = new CacheHarness()
    const signal = AbortSignal.abort()
    h.cache.stream({ prefixes: [''], from: undefined, signal, remote: false })
    expect([h.cache.readers, h.transport.script.streams.length, h.clock.pending]).toEqual([0, 0, 0])
  })
})

function at(reader: ReturnType<CacheHarness['reader']>, index: number): string {
  const batch = reader.batches.at(index)
  if (batch === undefined || !('position' in batch) || batch.position === undefined) return fail()
  return batch.position
}

function fail(): never {
  throw new Error('there is no batch')
}
