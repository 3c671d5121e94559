import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { KeyVal } from '../../../../src/api/change-event.ts'
import { compareKeys } from '../../../../src/api/key.ts'
import { differences } from '../../../../src/cli/mirror/differences.ts'
import type { Tally } from '../../../../src/cli/mirror/differences.ts'
import { KeyMapping } from '../../../../src/cli/mirror/key-mapping.ts'

type Pairs = ReadonlyMap<string, string>

describe('differences', () => {
  it('are what the target lacks, has otherwise, or has in vain', async () => {
    const source = new Map(Object.entries({ a: '1', b: '2', d: '4' }))
    const target = new Map(Object.entries({ b: '2', c: '3', d: 'x', e: '5' }))
    const { writes, tally } = await compare(source, target)
    expect(writes).toEqual([
      ['a', '1'],
      ['c', undefined],
      ['d', '4'],
      ['e', undefined],
    ])
    expect(tally).toEqual({ compared: 5, unchanged: 1 })
  })

  it('make any target equal to any source, whatever the keys', async () => {
    const keys = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 })
    const pairs = fc
      .dictionary(keys, fc.string({ maxLength: 2 }))
      .map((o) => new Map(Object.entries(o)))
    await fc.assert(
      fc.asyncProperty(pairs, pairs, async (source, target) => {
        const copy = new Map(target)
        const { writes } = await compare(source, target)
        for (const [key, value] of writes) {
          if (value === undefined) expect(copy.delete(key)).toBe(true)
          else copy.set(key, value)
        }
        expect(copy).toEqual(source)
      }),
    )
  })

  it('take keys to another prefix', async () => {
    const keys = new KeyMapping('/a/', '/copy/', ['/a/'])
    const source = new Map([['/a/x', '1']])
    const { writes } = await compare(source, new Map([['/copy/y', '2']]), (key) =>
      keys.toTarget(key),
    )
    expect(writes).toEqual([
      ['/copy/x', '1'],
      ['/copy/y', undefined],
    ])
    expect(keys.toSource('/copy/x')).toBe('/a/x')
    expect(() => new KeyMapping('/a/', '', ['/a/', '/b/'])).toThrow('"/b/"')
  })
})

async function compare(
  source: Pairs,
  target: Pairs,
  toTarget: (key: string) => string = (key) => key,
): Promise<{ writes: [string, string | undefined][]; tally: Tally }> {
  const tally = { compared: 0, unchanged: 0 }
  const writes: [string, string | undefined][] = []
  for await (const { key, value } of differences(
    sorted(source),
    later(sorted(target)),
    toTarget,
    tally,
  )) {
    writes.push([key, value === undefined ? undefined : Buffer.from(value).toString()])
  }
  return { writes, tally }
}

function sorted(pairs: Pairs): KeyVal[] {
  return [...pairs]
    .sort(([a], [b]) => compareKeys(a, b))
    .map(([key, value]) => ({
      key,
      bytes: Buffer.from(value),
      revision: 0,
      version: '',
      getValue: (type) => type.deserializeBinary(Buffer.from(value)),
    }))
}

async function* later<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item)
}
