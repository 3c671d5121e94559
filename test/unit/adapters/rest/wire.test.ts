import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  decodeToken,
  encodeToken,
  fromBase64,
  toBase64,
} from '../../../../src/adapters/rest/protocol.ts'
import {
  conditionOf,
  conditionsOf,
  etagOf,
} from '../../../../src/adapters/rest/server/conditions.ts'
import { parseJson } from '../../../../src/adapters/rest/server/json-body.ts'
import { keyOfPath, Query, ttlMsOf } from '../../../../src/adapters/rest/server/query.ts'
import { RequestIds } from '../../../../src/adapters/rest/server/request-ids.ts'

const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 })

describe('what goes over the wire', () => {
  it('any key in a query comes out as it went in', () => {
    fc.assert(
      fc.property(key, (text) => {
        expect(new Query(`/v1/keys?key=${encodeURIComponent(text)}&wait=true`).one('key')).toBe(
          text,
        )
      }),
    )
  })

  it('a path is its key, or refused; never another key', () => {
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 4 }), (parts) => {
        const path = parts.map((part) => `/${encodeURIComponent(part)}`).join('')
        const plain = parts.every((part) => !/[/\\\0]/u.test(part) && part !== '.' && part !== '..')
        if (plain) expect(keyOfPath(path)).toBe(`/${parts.join('/')}`)
        else
          expect(() => keyOfPath(path)).toThrow(
            expect.objectContaining({ code: 'SYNC_INVALID_KEY' }),
          )
      }),
    )
  })

  it('any token fits a header, and comes back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (token) => {
        const text = encodeToken(token)
        expect(text).toMatch(/^[\x21\x23-\x7e]*$/u)
        expect(decodeToken(text)).toBe(token)
        expect(conditionOf(conditionsOf({ 'if-match': etagOf(token) }), '/k', undefined)).toEqual({
          ifVersion: token,
        })
      }),
    )
  })

  it('base64, with and without Buffer; what is none is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = toBase64(bytes)
        expect(text).toBe(Buffer.from(bytes).toString('base64'))
        expect([...(fromBase64(text) ?? [])]).toEqual([...bytes])
      }),
    )
    for (const bad of ['a', 'aa', 'a===', 'aa=a', 'a b=', 'aa-_', '===='])
      expect([bad, fromBase64(bad)]).toEqual([bad, undefined])
  })

  it.each([
    ['1500', 1_500],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    [25, 25],
  ])('a time to live of %s', (text, ms) => {
    expect(ttlMsOf(text)).toBe(ms)
  })

  it.each(['', '0', '-1', '1 s', '1w', 'Infinity', '1e3', '0.0001', null, {}, 1e300])(
    'a time to live of %s is none',
    (text) => {
      expect(() => ttlMsOf(text)).toThrow(expect.objectContaining({ code: 'SYNC_INVALID_OPTION' }))
    },
  )

  it('names that clients gave to their writes are their own', () => {
    const ids = new RequestIds()
    expect(ids.take('a', 'b c')).toBe(true)
    expect(ids.take('a b', 'c')).toBe(true)
    expect(ids.take('a', 'b c')).toBe(false)
    ids.forget('a', 'b c')
    expect(ids.take('a', 'b c')).toBe(true)
  })

  it('JSON is read to a depth of 64; brackets in texts do not count', () => {
    const deep = (levels: number): Buffer => Buffer.from('['.repeat(levels) + ']'.repeat(levels))
    expect(parseJson(deep(64))).toBeDefined()
    expect(() => parseJson(deep(65))).toThrow('nested')
    expect(() => parseJson(deep(1_000_000))).toThrow('nested')
    expect(parseJson(Buffer.from(`"\\"${'['.repeat(100)}"`))).toBe(`"${'['.repeat(100)}`)
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow('UTF-8')
  })

  it.each(['', 'x', '"a', '"a" "b"', '"a",b', 'W/', 'w/"a"'])(
    'If-Match of %s is refused',
    (header) => {
      expect(() => conditionsOf({ 'if-match': header })).toThrow(
        expect.objectContaining({ code: 'SYNC_INVALID_OPTION' }),
      )
    },
  )
})
