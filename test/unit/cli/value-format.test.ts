import { describe, expect, it } from '@jest/globals'
import { bytesFormat, bytesOfHex, messageFormat } from '../../../src/cli/value-format.ts'
import type { Encoding } from '../../../src/cli/value-format.ts'

const text = Buffer.from('grün')
const binary = Uint8Array.of(0, 255)

describe('bytesFormat', () => {
  it.each<[Encoding, Uint8Array, object, string]>([
    ['auto', text, { value: 'grün', encoding: 'utf8' }, 'grün'],
    ['auto', binary, { value: 'AP8=', encoding: 'base64' }, '0x00ff'],
    ['utf8', text, { value: 'grün', encoding: 'utf8' }, 'grün'],
    ['utf8', Uint8Array.of(0), { value: '\0', encoding: 'utf8' }, '\\x00'],
    ['utf8', binary, { value: 'AP8=', encoding: 'base64', error: 'not UTF-8' }, '0x00ff'],
    ['hex', binary, { value: '00ff', encoding: 'hex' }, '0x00ff'],
    ['base64', binary, { value: 'AP8=', encoding: 'base64' }, 'AP8='],
    ['json', Buffer.from(' {"a" : 1}'), { value: { a: 1 }, encoding: 'json' }, '{"a":1}'],
  ])('%s shows %j', (encoding, bytes, json, line) => {
    const format = bytesFormat(encoding)
    expect(format.toJson(bytes)).toEqual(json)
    expect(format.toLine(bytes)).toBe(line)
  })

  it('says when something is no JSON', () => {
    const format = bytesFormat('json')
    expect(format.toJson(text)).toMatchObject({ value: 'grün', encoding: 'utf8' })
    expect(format.toJson(text).error).toMatch(/^not JSON: /u)
    expect(format.toJson(binary).error).toBe('not JSON: it is not UTF-8')
    expect(format.toLine(text)).toMatch(/^grün \(not JSON: /u)
  })

  it('shows nothing as such, and text in its lines', () => {
    const format = bytesFormat('auto')
    expect(format.toLine(new Uint8Array())).toBe('(empty)')
    expect(format.toText(Buffer.from('two\nlines'))).toBe('two\nlines')
    expect(format.toLine(Buffer.from('two\nlines'))).toBe('two\\nlines')
  })
})

describe('messageFormat', () => {
  const format = messageFormat({
    typeName: 'pkg.Pair',
    decode: (bytes) => {
      if (bytes.length !== 2) throw new Error('it has other than two bytes')
      return { a: bytes[0], b: bytes[1], text: '\u001b[m' }
    },
    encode: () => new Uint8Array(),
  })

  it('shows messages as JSON, safe on a terminal', () => {
    expect(format.toJson(binary)).toEqual({
      value: { a: 0, b: 255, text: '\u001b[m' },
      encoding: 'json',
    })
    expect(format.toLine(binary)).toBe('{"a":0,"b":255,"text":"\\u001b[m"}')
    expect(format.toText(binary)).toBe('{\n  "a": 0,\n  "b": 255,\n  "text": "\\u001b[m"\n}')
  })

  it('falls back to the bytes, with the reason', () => {
    const error = 'not of type pkg.Pair: it has other than two bytes'
    expect(format.toJson(text)).toEqual({ value: 'grün', encoding: 'utf8', error })
    expect(format.toLine(Uint8Array.of(1))).toBe(`0x01 (${error})`)
  })
})

describe('bytesOfHex', () => {
  it.each([
    ['', ''],
    ['00ff', '00ff'],
    ['0xAB cd', 'abcd'],
  ])('reads %j', (digits, hex) => {
    expect(Buffer.from(bytesOfHex(digits) ?? []).toString('hex')).toBe(hex)
  })

  it.each(['0', 'xyz', '0g'])('refuses %j', (digits) => {
    expect(bytesOfHex(digits)).toBeUndefined()
  })
})
