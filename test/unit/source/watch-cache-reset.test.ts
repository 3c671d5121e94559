import { describe, expect, it } from '@jest/globals'
import { CacheHarness } from '../../support/cache-harness.ts'
import type { CacheHarnessOptions, CacheTestReader } from '../../support/cache-harness.ts'

/** Readers that have seen the first list. */
async function listed(
  options: CacheHarnessOptions & { readers: number; remote?: boolean },
): Promise<{ h: CacheHarness; readers: CacheTestReader[] }> {
  const h = new CacheHarness(options)
  const { remote = false } = options
  const readers = Array.from({ length: options.readers }, () => h.reader([''], { remote }))
  h.upstream()
    .pairs([['/a', '1', 1]])
    .listed('p')
  await h.settle()
  for (const reader of readers) expect(reader.take()).toEqual(['pairs /a=1', 'listed'])
  return { h, readers }
}

function resetUpstream(h: CacheHarness): void {
  h.upstream()
    .reset('reconnected')
    .pairs([['/b', '1', 1]])
    .listed('q')
}

/** When each reader may list again, in ms since the reset; read every `stepMs`. */
async function listTimes(
  h: CacheHarness,
  readers: readonly CacheTestReader[],
  stepMs: number,
  untilMs: number,
): Promise<number[]> {
  const times = new Map<CacheTestReader, number>()
  for (let ms = 0; ms <= untilMs; ms += stepMs) {
    for (const reader of readers) {
      if (times.has(reader)) continue
      const lines = reader.take()
      if (lines.length === 0) continue
      expect(lines).toEqual(['reset reconnected', 'pairs /b=1', 'listed'])
      times.set(reader, ms)
    }
    await h.clock.run(stepMs)
  }
  expect(times.size).toBe(readers.length)
  return [...times.values()]
}

describe('a new list of the upstream', () => {
  it('is a new epoch: readers begin again, old positions too', async () => {
    const { h, readers } = await listed({ readers: 1 })
    const old = readers[0]?.position
    resetUpstream(h)
    await h.settle()
    expect(readers[0]?.take()).toEqual(['reset reconnected', 'pairs /b=1', 'listed'])
    expect(readers[0]?.position).not.toBe(old)
    expect(h.reader([''], { from: old }).take()).toEqual([
      'reset reconnected',
      'pairs /b=1',
      'listed',
    ])
    expect(h.reader([''], { from: readers[0]?.position }).take()).toEqual(['progress'])
  })

  it('tells why the upstream listed anew', async () => {
    const { h, readers } = await listed({ readers: 1 })
    h.upstream().reset('compacted').listed('q')
    await h.settle()
    expect(readers[0]?.take()).toEqual(['reset compacted', 'listed'])
  })

  it.each([
    ['of another process', true, ['pairs /b=1 /c=1', 'listed']],
    // It answers for what is written from the new list on.
    ['of this process', false, ['pairs /b=1', 'listed', 'put /c=1']],
  ])(
    'shows no reader %s anything until it is complete, nor a mix of old and new (W11)',
    async (_, remote, then) => {
      const { h, readers } = await listed({ readers: 1, remote })
      const [reader] = readers
      h.upstream().changes([['put', '/a', '2', 2]])
      await h.settle()
      const inList = h.reader([''], { remote })
      inList.takeOne()
      h.upstream()
        .reset('reconnected')
        .pairs([['/b', '1', 1]])
      await h.settle()
      // What was before the reset is still told.
      expect(reader?.take()).toEqual(['put /a=2'])
      h.upstream().listed('q')
      // Two readers: they wait for their turns.
      await h.settle()
      expect([reader?.take(), inList.take()]).toEqual([[], []])
      h.upstream().changes([['put', '/c', '1', 2]])
      await h.clock.run(4)
      const lines = ['reset reconnected', ...then]
      expect([reader?.take(), inList.take()]).toEqual([lines, lines])
      expect(Object.fromEntries(inList.fold)).toEqual({ '/b': '1', '/c': '1' })
    },
  )

  it('a reader that has not taken what came before it never does', async () => {
    const { h, readers } = await listed({ readers: 1 })
    h.upstream().changes([['put', '/a', '2', 2]])
    resetUpstream(h)
    await h.settle()
    expect(readers[0]?.take()).toEqual(['reset reconnected', 'pairs /b=1', 'listed'])
  })

  it('spreads 1 000 readers over 2 s, evenly, by one timer', async () => {
    const { h, readers } = await listed({ readers: 1_000, remote: true, random: Math.random })
    resetUpstream(h)
    await h.settle()
    // And the one of the sweep.
    expect(h.clock.pending).toBe(2)
    const times = await listTimes(h, readers, 20, 2_000)
    expect(Math.max(...times)).toBeGreaterThan(1_500)
    const perTenth = Array.from({ length: 10 }, () => 0)
    for (const ms of times) (perTenth[Math.min(9, Math.floor(ms / 200))] as number)++
    // 100 each, give or take five standard deviations.
    for (const count of perTenth) expect(Math.abs(count - 100)).toBeLessThan(60)
    expect(h.clock.pending).toBe(1)
  })

  it('spreads over resetJitterMs at most', async () => {
    const { h, readers } = await listed({
      readers: 200,
      remote: true,
      random: Math.random,
      resetJitterMs: 50,
    })
    resetUpstream(h)
    const times = await listTimes(h, readers, 5, 50)
    expect(Math.max(...times)).toBeLessThanOrEqual(50)
  })

  it('does not keep this process waiting for the readers of others, nor one that is alone', async () => {
    const { h, readers } = await listed({ readers: 100, remote: true, random: () => 0.99 })
    const local = h.reader()
    expect(local.take()).toHaveLength(2)
    resetUpstream(h)
    await h.settle()
    expect(local.take()).toEqual(['reset reconnected', 'pairs /b=1', 'listed'])
    expect(readers[0]?.take()).toEqual([])
    await h.clock.run(200)
    expect(readers[0]?.take()).toEqual(['reset reconnected', 'pairs /b=1', 'listed'])
  })

  it('who comes while others wait lists at once; a second one begins the turns again', async () => {
    const { h, readers } = await listed({ readers: 100, remote: true, random: () => 0.5 })
    resetUpstream(h)
    await h.settle()
    expect(h.reader().take()).toEqual(['pairs /b=1', 'listed'])
    await h.clock.run(60)
    resetUpstream(h)
    await h.clock.run(60)
    expect(readers[0]?.take()).toEqual([])
    await h.clock.run(60)
    expect(readers[0]?.take()).toEqual(['reset reconnected', 'pairs /b=1', 'listed'])
  })

  it('close while readers wait leaves no timer (C11)', async () => {
    const { h, readers } = await listed({ readers: 10, remote: true })
    resetUpstream(h)
    await h.settle()
    h.cache.close()
    expect(h.clock.pending).toBe(0)
    await expect(readers[0]?.next()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })

  it('a reader that waits can end', async () => {
    const { h, readers } = await listed({ readers: 2, remote: true, random: () => 0.5 })
    resetUpstream(h)
    await h.settle()
    readers[0]?.abort()
    await h.clock.run(10)
    expect(readers[0]?.take()).toEqual([])
    expect(readers[1]?.take()).toHaveLength(3)
  })
})
