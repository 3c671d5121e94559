import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  bytesOf,
  decodeExpiryKey,
  decodeNumber,
  decodeState,
  encodeNumber,
  encodeState,
  expiryKey,
  historyKey,
  META,
  RANGE_OF_ALL,
  RANGE_OF_EXPIRIES,
  RANGE_OF_HISTORY,
  rangeOfPrefix,
  storeKeys,
} from '../../../../src/adapters/lmdb/layout.ts'
import type { StoreKey } from '../../../../src/adapters/lmdb/layout.ts'
import { compareKeys, hasPrefix } from '../../../../src/api/key.ts'

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 })
const time = fc.double({ min: 0, max: 1e16, noNaN: true })

/** As LMDB keeps it. */
function encoded(key: StoreKey): Buffer {
  const target = Buffer.alloc(4_096)
  const end = storeKeys.writeKey(key, target, 7)
  return target.subarray(7, end)
}

function isIn(key: StoreKey, { start, end }: { start: StoreKey; end: StoreKey }): boolean {
  const bytes = encoded(key)
  return Buffer.compare(bytes, encoded(start)) >= 0 && Buffer.compare(bytes, encoded(end)) < 0
}

describe('keys in the store', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(text, (key) => {
        const bytes = encoded(key)
        expect(storeKeys.readKey(bytes, 0, bytes.length)).toBe(key)
      }),
    )
  })

  it('sort as keys do', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(Buffer.compare(encoded(a), encoded(b)))).toBe(Math.sign(compareKeys(a, b)))
      }),
    )
  })

  it('are under a prefix when they begin with it', () => {
    fc.assert(
      fc.property(text, fc.string({ unit: 'binary', maxLength: 4 }), (key, prefix) => {
        expect(isIn(key, rangeOfPrefix(prefix))).toBe(hasPrefix(key, prefix))
        expect(isIn(prefix + key, rangeOfPrefix(prefix))).toBe(true)
      }),
    )
  })

  it('have nothing to do with what the store keeps for itself', () => {
    const inner = [META.format, META.owner, META.state, historyKey(7), expiryKey(1, 'a')]
    for (const key of inner) {
      const bytes = encoded(key)
      expect(isIn(key, rangeOfPrefix(''))).toBe(false)
      expect(isIn(key, RANGE_OF_ALL)).toBe(true)
      expect(storeKeys.readKey(bytes, 0, bytes.length)).toEqual(new Uint8Array(bytes))
    }
    for (const key of ['\0', '\u0005', '\u{10ffff}', '\uffff']) {
      expect(isIn(key, rangeOfPrefix(''))).toBe(true)
    }
    expect(isIn(historyKey(2 ** 53 - 1), RANGE_OF_HISTORY)).toBe(true)
    expect(isIn(expiryKey(Number.MAX_VALUE, '\u{10ffff}'), RANGE_OF_EXPIRIES)).toBe(true)
  })
})

describe('numbers in keys', () => {
  it('come back, and sort as numbers do', () => {
    fc.assert(
      fc.property(time, time, (a, b) => {
        expect(decodeNumber(encodeNumber(a))).toBe(a)
        const order = Buffer.compare(encodeNumber(a), encodeNumber(b))
        expect(Math.sign(order)).toBe(Math.sign(a - b))
      }),
    )
  })

  it('put expiries in the order of time', () => {
    fc.assert(
      fc.property(time, text, time, text, (at, key, laterAt, laterKey) => {
        expect(decodeExpiryKey(new Uint8Array(expiryKey(at, key)))).toEqual({ at, key })
        if (at >= laterAt) return
        expect(Buffer.compare(expiryKey(at, key), expiryKey(laterAt, laterKey))).toBe(-1)
      }),
    )
  })
})

describe('the state', () => {
  it('comes back', () => {
    const state = { revision: 2 ** 53 - 1, run: '0f3a9c11' }
    expect(decodeState(encodeState(state))).toEqual(state)
  })

  it('of a new store is revision 0', () => {
    expect(decodeState(undefined)).toEqual({ revision: 0, run: '' })
  })
})

it('bytesOf is a plain array over the same bytes', () => {
  const buffer = Buffer.from('abcdef').subarray(1, 3)
  const bytes = bytesOf(buffer)
  expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
  expect([...bytes]).toEqual([98, 99])
  buffer[0] = 1
  expect(bytes[0]).toBe(1)
})
