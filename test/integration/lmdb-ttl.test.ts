import { describe, expect, it } from '@jest/globals'
import { FakeClock } from '../../src/testing/index.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { keysUnder, openStore, watch } from './lmdb-fixture.ts'

const DAY_MS = 24 * 3_600_000

describe('lmdb: time to live', () => {
  it('ends with a change that has a revision of its own', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    await commitTo(
      store,
      put('a', '1', { ttlMs: 1_000 }),
      put('b', '1', { ttlMs: 1_000 }),
      put('c', '1'),
    )
    const seen = watch(store, [''])
    await seen.until('listed')
    clock.advance(999)
    await commitTo(store, put('fence', '1'))
    await seen.until('put fence')
    clock.advance(1)
    await seen.until('delete b')
    expect(seen.lines).toEqual(['pairs a b c', 'listed', 'put fence', 'delete a', 'delete b'])
    const changes = seen.batches.flatMap((batch) => (batch.kind === 'changes' ? batch.changes : []))
    expect(changes.slice(1)).toEqual([
      { type: 'delete', key: 'a', revision: 3 },
      { type: 'delete', key: 'b', revision: 4 },
    ])
    expect(await keysUnder(store)).toEqual(['c', 'fence'])
    expect(clock.pending).toBeLessThanOrEqual(1)
  })

  it('of real time passes', async () => {
    const store = await openStore()
    const seen = watch(store, [''])
    await seen.until('listed')
    await commitTo(store, put('a', '1', { ttlMs: 30 }))
    await seen.until('delete a')
  })

  it('is taken away by a put without one, and moved by one with another', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    const ttl = (key: string, ttlMs: number): Promise<unknown> =>
      commitTo(store, put(key, '1', { ttlMs }))
    for (const key of ['stays', 'later', 'sooner', 'again']) await ttl(key, 1_000)
    await commitTo(store, put('stays', '2'))
    await ttl('later', 5_000)
    await ttl('sooner', 500)
    await commitTo(store, { type: 'delete', key: 'again' })
    await commitTo(store, put('again', '2'))
    clock.advance(600)
    await waitFor(async () => (await keysUnder(store)).join(' ') === 'again later stays')
    clock.advance(1_000)
    await commitTo(store, put('fence', '1'))
    expect(await keysUnder(store)).toEqual(['again', 'fence', 'later', 'stays'])
    clock.advance(4_000)
    await waitFor(async () => (await keysUnder(store)).join(' ') === 'again fence stays')
    expect(clock.pending).toBeLessThanOrEqual(1)
  })

  it('given and taken in one batch, the last word counts', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    await Promise.all([
      commitTo(store, put('a', '1', { ttlMs: 1_000 })),
      commitTo(store, put('a', '2')),
      commitTo(store, put('b', '1')),
      commitTo(store, put('b', '2', { ttlMs: 1_000 })),
      commitTo(store, put('c', '1', { ttlMs: 1_000 })),
      commitTo(store, { type: 'delete-prefix', prefix: 'c' }),
    ])
    clock.advance(2_000)
    await waitFor(async () => (await keysUnder(store)).join(' ') === 'a')
  })

  it('of 30 days', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    await commitTo(store, put('a', '1', { ttlMs: 30 * DAY_MS }))
    const seen = watch(store, [''])
    await seen.until('listed')
    clock.advance(30 * DAY_MS - 1)
    await commitTo(store, put('fence', '1'))
    expect(await keysUnder(store)).toEqual(['a', 'fence'])
    clock.advance(1)
    await seen.until('delete a')
  })

  it('survives the process: what is over goes before the first list, the rest in its time', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    await commitTo(
      store,
      ...Array.from({ length: 2_500 }, (_, i) => put(`over/${i}`, '1', { ttlMs: 1_000 + i })),
      put('later', '1', { ttlMs: 90_000 }),
      put('never', '1'),
    )
    await store.close()
    expect(clock.pending).toBe(0)
    clock.advance(60_000)
    const again = await openStore({ path: store.path }, { clock })
    expect(await keysUnder(again)).toEqual(['later', 'never'])
    const seen = watch(again, [''])
    await seen.until('listed')
    expect(seen.lines).toEqual(['pairs later never', 'listed'])
    expect(seen.position).toMatch(/:2501$/u)
    clock.advance(30_000)
    await seen.until('delete later')
    await again.close()
    expect(clock.pending).toBe(0)
  })

  it('many at once go in batches, and other commits between them', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    const seen = watch(store, [''])
    await seen.until('listed')
    const keys = Array.from({ length: 5_000 }, (_, i) => `k${i}`)
    await commitTo(store, ...keys.map((key) => put(key, '1', { ttlMs: 1_000 })))
    clock.advance(1_000)
    await commitTo(store, put('between', '1'))
    await waitFor(async () => {
      clock.advance(0)
      return (await keysUnder(store)).length === 1
    })
    await waitFor(() => seen.lines.filter((line) => line.startsWith('delete')).length === 5_000)
    expect(await keysUnder(store)).toEqual(['between'])
  })

  it('a clock that jumps ahead is noticed within a minute', async () => {
    const clock = new FakeClock()
    let ahead = 0
    const jumping = {
      now: () => clock.now() + ahead,
      after: (delayMs: number, task: () => void) => clock.after(delayMs, task),
    }
    const store = await openStore({}, { clock: jumping })
    await commitTo(store, put('a', '1', { ttlMs: DAY_MS }))
    ahead = 2 * DAY_MS
    clock.advance(60_000)
    await waitFor(async () => (await keysUnder(store)).length === 0)
  })

  it('readOnly leaves out what is over, though nobody is there to delete it', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    await commitTo(store, put('a', '1', { ttlMs: 1_000 }), put('b', '1', { ttlMs: 9_000 }))
    await commitTo(store, put('c', '1'))
    await store.close()
    clock.advance(5_000)
    const reader = await openStore({ path: store.path, readOnly: true }, { clock })
    expect(await keysUnder(reader, '', { clock })).toEqual(['b', 'c'])
    const got = await reader.get(['a', 'b', 'c'], realIo({ clock }))
    expect(got.map(({ key }) => key)).toEqual(['b', 'c'])
  })
})
