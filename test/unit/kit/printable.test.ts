import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { clipped, printable, printableLines, textOf } from '../../../src/kit/printable.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('printable', () => {
  it.each([
    ['plain ünïcödé 🎉', 'plain ünïcödé 🎉'],
    ['\u001b[2J', '\\x1b[2J'],
    ['a\nb\tc\r', 'a\\nb\\tc\\r'],
    ['\u009b31m', '\\x9b31m'],
    ['\u202eabc', '\\u202eabc'],
    ['a\u2028b', 'a\\u2028b'],
  ])('shows %j safely', (text, shown) => {
    expect(printable(text)).toBe(shown)
  })

  it('leaves nothing that controls a terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        // oxlint-disable-next-line no-control-regex -- they are meant
        expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/u)
        // oxlint-disable-next-line no-control-regex -- they are meant
        expect(printableLines(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u)
      }),
    )
  })
})

describe('textOf', () => {
  it('takes UTF-8 without control characters', () => {
    expect(textOf(bytes('two\nlines\t🎉'))).toBe('two\nlines\t🎉')
    expect(textOf(bytes(''))).toBe('')
    expect(textOf(bytes('\u001b[m'))).toBeUndefined()
    expect(textOf(Uint8Array.of(0xff))).toBeUndefined()
    expect(textOf(Uint8Array.of(0))).toBeUndefined()
  })
})

describe('clipped', () => {
  it('cuts between characters', () => {
    expect(clipped('abcdef', 6)).toBe('abcdef')
    expect(clipped('abcdef', 4)).toBe('abc…')
    expect(clipped('🎉🎉🎉', 3)).toBe('🎉🎉🎉')
    expect(clipped('🎉🎉🎉🎉', 3)).toBe('🎉🎉…')
    expect(clipped('abc', Infinity)).toBe('abc')
  })
})
