import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  commonPrefix,
  escapeGlob,
  MAX_PATTERNS,
  prefixPattern,
  reducePrefixes,
} from '../../../../src/adapters/redis/glob.ts'
import { hasPrefix } from '../../../../src/api/key.ts'

describe('glob patterns', () => {
  it('escapes what has a meaning', () => {
    expect(escapeGlob('a*b?c[d]e\\f^g-h{i}')).toBe('a\\*b\\?c\\[d\\]e\\\\f^g-h{i}')
    expect(prefixPattern('')).toBe('*')
    expect(prefixPattern('/a/')).toBe('/a/*')
  })

  it('knows the longest common beginning', () => {
    expect(commonPrefix([])).toBe('')
    expect(commonPrefix(['/a/b'])).toBe('/a/b')
    expect(commonPrefix(['/a/b', '/a/c', '/a/b/d'])).toBe('/a/')
    expect(commonPrefix(['a', 'b'])).toBe('')
  })

  it('cuts no character in two', () => {
    // They share their first surrogate.
    expect(commonPrefix(['x😀', 'x😁'])).toBe('x')
  })
})

describe('reducePrefixes', () => {
  it('leaves few prefixes as they are, without those that others cover', () => {
    expect(reducePrefixes(['/b/', '/a/', '/a/x', '/b/'])).toEqual(['/a/', '/b/'])
    expect(reducePrefixes(['/a/', ''])).toEqual([''])
    expect(reducePrefixes([])).toEqual([])
  })

  it('joins those that share most', () => {
    const many = Array.from({ length: 50 }, (_, i) => `/tenants/${i}/config/`)
    const reduced = reducePrefixes([...many, '/shared/', '/other/'], 3)
    expect(reduced).toEqual(['/other/', '/shared/', '/tenants/'])
  })

  it('covers all, with few, none covering another', () => {
    const prefix = fc.string({ unit: fc.constantFrom('a', 'b', '/', '😀', '😁'), maxLength: 8 })
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        (prefixes, max) => {
          const reduced = reducePrefixes(prefixes, max)
          expect(reduced.length).toBeLessThanOrEqual(max)
          for (const one of prefixes)
            expect(reduced.filter((other) => hasPrefix(one, other))).toHaveLength(1)
          for (const one of reduced) {
            expect(one.isWellFormed()).toBe(true)
            expect(reduced.filter((other) => hasPrefix(one, other))).toEqual([one])
          }
        },
      ),
    )
    expect(MAX_PATTERNS).toBe(16)
  })
})
