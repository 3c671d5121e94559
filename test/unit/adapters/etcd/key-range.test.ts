import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { after, hullOf, keyText, rangeOf } from '../../../../src/adapters/etcd/key-range.ts'
import type { KeyRange } from '../../../../src/adapters/etcd/key-range.ts'
import {
  digestOf,
  formatPosition,
  formatRange,
  parsePosition,
  parseRange,
} from '../../../../src/adapters/etcd/position.ts'
import { watchResponse } from '../../../../src/adapters/etcd/schema.ts'
import { marksMovePosition } from '../../../../src/adapters/etcd/progress-marks.ts'

function isInRange(key: Buffer, range: KeyRange): boolean {
  if (Buffer.compare(key, range.key) < 0) return false
  return range.rangeEnd.equals(Buffer.of(0)) || Buffer.compare(key, range.rangeEnd) < 0
}

describe('ranges of keys', () => {
  it('a range holds exactly the keys with the prefix', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 4 }),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }),
        (prefix, key) => {
          expect(isInRange(Buffer.from(key), rangeOf(prefix))).toBe(key.startsWith(prefix))
        },
      ),
    )
  })

  it('the hull holds every key of every prefix', () => {
    const prefix = fc.string({ unit: 'binary', maxLength: 3 })
    fc.assert(
      fc.property(
        fc.array(prefix, { minLength: 1, maxLength: 4 }),
        fc.string(),
        (prefixes, rest) => {
          const hull = hullOf(prefixes)
          for (const one of prefixes) {
            const key = `${one}${rest}`
            if (key !== '') expect(isInRange(Buffer.from(key), hull)).toBe(true)
          }
        },
      ),
    )
    expect(hullOf(['/b/', '/a/'])).toEqual({
      key: Buffer.from('/a/'),
      rangeEnd: Buffer.from('/b0'),
    })
    expect(hullOf(['/a/', ''])).toEqual({ key: Buffer.of(0), rangeEnd: Buffer.of(0) })
  })

  it('the key after one is the next in etcd’s order', () => {
    expect(after(Buffer.from('/a'))).toEqual(Buffer.from('/a\0'))
  })

  it('keys are UTF-8 of 1 to 1 024 bytes', () => {
    expect(keyText(Buffer.from('é😀�'))).toBe('é😀�')
    expect(keyText(Buffer.of())).toBeUndefined()
    expect(keyText(Buffer.of(0x61, 0xff))).toBeUndefined()
    expect(keyText(Buffer.alloc(1_024, 'x'))).toHaveLength(1_024)
    expect(keyText(Buffer.alloc(1_025, 'x'))).toBeUndefined()
  })
})

/** A message with a put of the key `k` to no bytes: the field is absent. */
function emptyPut(): Uint8Array {
  return Buffer.of(0x5a, 5, 0x12, 3, 0x0a, 1, 0x6b)
}

describe('positions', () => {
  it('are read as they were written, whatever the key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), fc.nat(), (lastKey, revision, count) => {
        const range = formatRange(rangeOf(lastKey))
        const last = { lastKey, lastRevision: 7, lastDigest: digestOf(Buffer.from(lastKey)) }
        const position = { clusterId: 'ab12', revision, range, count, ...last }
        expect(parsePosition(formatPosition(position))).toEqual(position)
        expect(parseRange(range)).toEqual(rangeOf(lastKey))
      }),
    )
  })

  it('values have a digest, the empty one too', () => {
    const bytes = Buffer.alloc(5_000, 'x')
    const digests = [Buffer.of(), Buffer.of(0), bytes, bytes.subarray(1)].map(digestOf)
    expect(new Set(digests).size).toBe(4)
    expect(digests.every((digest) => /^[\da-f]+$/u.test(digest))).toBe(true)
    expect(digestOf(watchResponse.decode(emptyPut()).events[0]?.kv.value as Uint8Array)).toBe(
      digests[0],
    )
  })

  it.each(['', 'x', '1.2.3', 'ab.1.zz.2.3.4.key'])('%j is none', (text) => {
    expect(parsePosition(text)).toBeUndefined()
  })
})

describe('progress marks', () => {
  it.each([
    ['3.3.27', false],
    ['3.4.23', false],
    ['3.4.30', false],
    ['3.4.31', true],
    ['3.5.12', false],
    ['3.5.13', true],
    ['3.6.0', true],
    ['3.6.0-rc.1', true],
    ['4.0.0', true],
    ['unknown', false],
    [undefined, false],
  ])('W3: of etcd %s move the position: %s', (version, moves) => {
    expect(marksMovePosition(version)).toBe(moves)
  })
})
