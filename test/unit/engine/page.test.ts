import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compareKeys } from '../../../src/index.ts'
import type { RawPair } from '../../../src/index.ts'
import { pageOf } from '../../../src/engine/page.ts'

const pair = (key: string, revision = 1): RawPair => ({
  key,
  value: new Uint8Array(),
  revision,
  version: `${revision}`,
})

async function* list(...batches: (readonly RawPair[])[]) {
  yield* batches
}

describe('a page of a list', () => {
  it('is the lowest keys behind one, whatever the order they come in', async () => {
    const keys = fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }))
    await fc.assert(
      fc.asyncProperty(keys, fc.integer({ min: 1, max: 5 }), fc.nat(20), async (all, limit, at) => {
        const sorted = all.toSorted((a, b) => compareKeys(a, b))
        const after = sorted[at]
        const from = after === undefined ? 0 : at + 1
        const batches = all.map((key) => [pair(key)])
        const page = await pageOf(list(...batches), '', { after, limit })
        expect(page.pairs.map(({ key }) => key)).toEqual(sorted.slice(from, from + limit))
        expect(page.more).toBe(sorted.length > from + limit)
      }),
    )
  })

  it('leaves out what is not under the prefix, and takes the later one of a key that came twice', async () => {
    const page = await pageOf(
      list([pair('/b/1'), pair('/a/2'), pair('/a/1', 1)], [pair('/a/1', 2)]),
      '/a/',
      { limit: 10 },
    )
    expect(page.pairs.map(({ key, revision }) => [key, revision])).toEqual([
      ['/a/1', 2],
      ['/a/2', 1],
    ])
    expect(page.more).toBe(false)
  })

  it('of a huge list holds up neither the event loop nor memory', async () => {
    let turns = 0
    let over = false
    const count = (): void => {
      turns++
      if (!over) setImmediate(count)
    }
    setImmediate(count)
    async function* huge() {
      for (let i = 0; i < 200; i++) {
        yield Array.from({ length: 1_000 }, (_, j) => pair(`/${(i * 1_000 + j) ^ 0x5555}`))
      }
    }
    const page = await pageOf(huge(), '/', { limit: 100 })
    over = true
    expect(page.pairs).toHaveLength(100)
    expect(page.more).toBe(true)
    expect(turns).toBeGreaterThanOrEqual(19)
  })
})
