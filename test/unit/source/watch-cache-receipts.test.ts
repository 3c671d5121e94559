import { describe, expect, it } from '@jest/globals'
import type { Receipt } from '../../../src/index.ts'
import { CacheHarness } from '../../support/cache-harness.ts'
import type { CacheHarnessOptions, CacheTestReader } from '../../support/cache-harness.ts'

/** A receipt that writes down what it is told. */
function noted(): { receipt: Receipt; told: string[] } {
  const told: string[] = []
  return {
    told,
    receipt: {
      routed: (names) => told.push(`routed ${names.join()}`),
      answered: (name, error) => told.push(`${name} ${error === undefined ? 'done' : 'refused'}`),
      left: (name) => told.push(`${name} left`),
    },
  }
}

/** Takes one batch of changes and gives its receipt. */
function takeReceipt(reader: CacheTestReader | undefined): Receipt | undefined {
  const batch = reader?.takeOne()
  expect(batch?.kind).toBe('changes')
  return batch?.kind === 'changes' ? batch.receipt : undefined
}

/** Readers that have listed an empty store. */
async function started(
  readers: readonly { prefixes: readonly string[]; remote?: boolean }[],
  options?: CacheHarnessOptions,
): Promise<{ h: CacheHarness; readers: CacheTestReader[]; write: (key: string) => string[] }> {
  const h = new CacheHarness(options)
  const all = readers.map(({ prefixes, remote = false }) => h.reader(prefixes, { remote }))
  h.upstream().listed('p')
  await h.settle()
  for (const reader of all) expect(reader.take()).toEqual(['listed'])
  let revision = 0
  return {
    h,
    readers: all,
    write: (key) => {
      const { receipt, told } = noted()
      h.upstream().changes([['put', key, '1', ++revision]], { receipt })
      return told
    },
  }
}

describe('receipts of a cache', () => {
  it('go to every reader that gets the batch; the writer hears of all names at once, then of each answer', async () => {
    const { h, readers, write } = await started([
      { prefixes: [''] },
      { prefixes: ['/a'] },
      { prefixes: ['/b'] },
    ])
    const told = write('/a')
    await h.settle()
    const one = takeReceipt(readers[0])
    one?.routed(['x', 'y'])
    one?.answered('x')
    one?.left('y')
    expect(told).toEqual([])
    const two = takeReceipt(readers[1])
    two?.routed(['z'])
    two?.routed(['twice'])
    expect(told).toEqual(['routed x,y,z', 'x done', 'y left'])
    two?.answered('z', new Error('no'))
    two?.answered('stranger')
    expect(told.slice(3)).toEqual(['z refused'])
    expect(readers[2]?.take()).toEqual([])
  })

  it('two readers may name theirs the same: the writer waits for both', async () => {
    const { h, readers, write } = await started([{ prefixes: [''] }, { prefixes: [''] }])
    const told = write('/a')
    await h.settle()
    const receipts = readers.map(takeReceipt)
    for (const receipt of receipts) receipt?.routed(['plugin'])
    receipts[1]?.answered('plugin')
    receipts[0]?.answered('plugin')
    expect(told).toEqual(['routed plugin,plugin (2)', 'plugin (2) done', 'plugin done'])
  })

  it('wait for no remote reader, and nobody is nobody', async () => {
    const { h, readers, write } = await started([
      { prefixes: [''], remote: true },
      { prefixes: ['/a'] },
    ])
    const nobody = write('/b')
    const told = write('/a')
    await h.settle()
    expect(nobody).toEqual(['routed '])
    expect(told).toEqual([])
    takeReceipt(readers[1])?.routed(['local'])
    expect(told).toEqual(['routed local'])
    expect(readers[0]?.takeOne()).not.toHaveProperty('receipt')
  })

  it.each([
    ['returns', (reader: CacheTestReader) => reader.return()],
    ['is aborted', async (reader: CacheTestReader) => reader.abort()],
  ])('a reader that %s answers for nothing that it had not taken', async (_, end) => {
    const { h, readers, write } = await started([{ prefixes: [''] }])
    const taken = write('/a')
    const untaken = write('/a')
    await h.settle()
    const [reader] = readers
    const receipt = takeReceipt(reader)
    if (reader !== undefined) await end(reader)
    expect([taken, untaken]).toEqual([[], ['routed ']])
    receipt?.routed(['x'])
    expect(taken).toEqual(['routed x'])
    const later = write('/a')
    await h.settle()
    expect(later).toEqual(['routed '])
  })

  it('close lets every writer go', async () => {
    const { h, write } = await started([{ prefixes: [''] }])
    const told = write('/a')
    await h.settle()
    h.cache.close()
    expect(told).toEqual(['routed '])
  })

  it('who begins, lists or is to begin again gets what is written in the list: nobody waits for it', async () => {
    const { h, readers, write } = await started([{ prefixes: [''] }], { historyLimit: 1 })
    h.reader()
    for (let i = 0; i < 5; i++) {
      h.upstream().changes([['put', '/x', '1', 100 + i]])
      await h.settle()
    }
    // The first reader is cut off and the second has not begun.
    const told = write('/a')
    await h.settle()
    expect(told).toEqual(['routed '])
    expect(readers[0]?.take()[0]).toBe('reset compacted')
  })

  it('a reader in a list gets what is written meanwhile behind it, and the writer waits', async () => {
    const h = new CacheHarness()
    h.reader(['/none'])
    h.upstream()
      .pairs([['/a', '1', 1]])
      .listed('p')
    await h.settle()
    const reader = h.reader()
    reader.takeOne()
    const { receipt, told } = noted()
    h.upstream().changes([['put', '/a', '2', 2]], { receipt })
    await h.settle()
    expect(reader.takeOne()?.kind).toBe('listed')
    expect(told).toEqual([])
    takeReceipt(reader)?.routed(['x'])
    expect(told).toEqual(['routed x'])
  })

  it('readers answer for what is written behind the first list, or a new one, before they come to it', async () => {
    const h = new CacheHarness()
    const readers = [h.reader(), h.reader([''], { from: 'other:1' })]
    const first = noted()
    h.upstream()
      .listed('p')
      .changes([['put', '/a', '1', 1]], { receipt: first.receipt })
    await h.settle()
    expect(readers[0]?.takeOne()?.kind).toBe('listed')
    expect([readers[1]?.takeOne(), readers[1]?.takeOne()].map((batch) => batch?.kind)).toEqual([
      'reset',
      'listed',
    ])
    for (const reader of readers) takeReceipt(reader)?.routed(['x'])
    expect(first.told).toEqual(['routed x,x (2)'])

    const second = noted()
    h.upstream()
      .reset('reconnected')
      .pairs([['/a', '1', 1]])
      .listed('q')
      .changes([['put', '/a', '2', 2]], { receipt: second.receipt })
    await h.settle()
    expect(readers[0]?.takeOne()).toBeUndefined()
    await h.clock.run(4)
    for (const reader of readers) {
      const kinds = [reader.takeOne(), reader.takeOne(), reader.takeOne()].map((b) => b?.kind)
      expect(kinds).toEqual(['reset', 'pairs', 'listed'])
      expect(second.told).toEqual([])
    }
    for (const reader of readers) takeReceipt(reader)?.routed([])
    expect(second.told).toEqual(['routed '])
    expect(h.cache.kept.entries).toBe(1)
  })

  it('a new list of the upstream lets go who waited for what readers had not taken', async () => {
    const { h, readers, write } = await started([{ prefixes: [''] }])
    const told = write('/a')
    await h.settle()
    h.upstream().reset('reconnected').listed('q')
    await h.settle()
    expect(told).toEqual(['routed '])
    expect(readers[0]?.take()).toEqual(['reset reconnected', 'listed'])
  })

  it('a reader with answers to give is not cut off by the history; once it has taken them it is', async () => {
    const { h, readers, write } = await started(
      [{ prefixes: [''] }, { prefixes: [''], remote: true }],
      {
        historyLimit: 2,
      },
    )
    const told = write('/a')
    for (let i = 0; i < 10; i++) {
      h.upstream().changes([['put', '/x', String(i), 100 + i]])
      await h.settle()
    }
    expect(h.cache.kept).toMatchObject({ changes: 2, entries: 11 })
    takeReceipt(readers[0])?.routed(['x'])
    expect(told).toEqual(['routed x'])
    expect(h.cache.kept).toMatchObject({ changes: 2, entries: 2 })
    expect(readers[0]?.take()).toEqual(['reset compacted', 'pairs /a=1 /x=9', 'listed'])
    expect(readers[1]?.take()).toEqual(['reset compacted', 'pairs /a=1 /x=9', 'listed'])
  })
})
