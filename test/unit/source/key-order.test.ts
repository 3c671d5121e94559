import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compareKeys } from '../../../src/api/key.ts'
import { orderOf } from '../../../src/source/key-order.ts'

describe('orderOf', () => {
  const sortedBy = (keys: readonly string[]): string[] =>
    Array.from(orderOf(keys), (index) => keys[index] as string)
  const expected = (keys: readonly string[]): string[] => [...keys].sort(compareKeys)

  it.each([
    ['none', []],
    ['one', ['/a']],
    ['a key that begins another', ['/a/b', '/a', '/a/', '/a/b/c', '']],
    ['U+FF5E below an emoji, as UTF-8 has them', ['\u{1f600}', '\uff5e', 'z', '~', '\u007f']],
  ])('orders %s', (_, keys) => {
    expect(sortedBy(keys)).toEqual(expected(keys))
  })

  it('orders many keys that differ late, early and beyond ASCII', () => {
    const numbered = Array.from(
      { length: 3_000 },
      (_, i) => `/agents/a${(i * 7_919) % 3_000}/state`,
    )
    const beyond = Array.from(
      { length: 500 },
      (_, i) => `/agents/a1/ü${String.fromCodePoint(0xd7f0 + i * 17)}`,
    )
    const keys = [...numbered, ...beyond.filter((key) => key.isWellFormed()), '/agents/', '/b', '']
    expect(sortedBy(keys)).toEqual(expected(keys))
  })

  it('agrees with compareKeys on any keys', () => {
    const part = fc.constantFrom(
      'a',
      'b',
      '/',
      '0',
      '\u0000',
      '~',
      '\u007f',
      'é',
      '\uff5e',
      '\u{1f600}',
    )
    const key = fc.array(part, { maxLength: 14 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.uniqueArray(key, { minLength: 0, maxLength: 300 }), (keys) => {
        expect(sortedBy(keys)).toEqual(expected(keys))
      }),
      { numRuns: 300 },
    )
  })
})
