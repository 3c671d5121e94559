import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { commonPrefixes, coverOf, PrefixIndex } from '../../../src/kit/prefix-index.ts'

const prefix = fc.stringMatching(/^[ab/]{0,4}$/u)
const key = fc.stringMatching(/^[ab/]{0,6}$/u)

function matches(index: PrefixIndex<{ of: string }>, at: string): string[] {
  const found: string[] = []
  index.match(at, (value) => found.push(value.of))
  return found
}

describe('prefix index', () => {
  it('finds what a look at every prefix finds, shortest first, whatever was set and deleted', () => {
    const step = fc.record({ do: fc.constantFrom('set', 'set', 'delete'), prefix })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.array(key, { maxLength: 10 }),
        (steps, keys) => {
          const index = new PrefixIndex<{ of: string }>()
          const model = new Set<string>()
          for (const { do: what, prefix: at } of steps) {
            if (what === 'set') {
              index.set(at, { of: at })
              model.add(at)
            } else {
              index.delete(at)
              model.delete(at)
            }
          }
          expect(index.size).toBe(model.size)
          for (const at of model) expect(index.get(at)?.of).toBe(at)
          for (const at of keys) {
            const expected = [...model].filter((each) => at.startsWith(each))
            expect(matches(index, at)).toEqual(expected.sort((a, b) => a.length - b.length))
            expect(index.covers(at)).toBe(expected.length > 0)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('replaces the value of a prefix that it has', () => {
    const index = new PrefixIndex<{ of: string }>()
    index.set('/a', { of: 'first' })
    index.set('/a', { of: 'second' })
    expect(matches(index, '/a/b')).toEqual(['second'])
    expect(index.size).toBe(1)
  })
})

describe('coverOf', () => {
  it('keeps the prefixes that no other begins, each once', () => {
    expect(coverOf(['/a/b/', '/a/', '/c', '/a/', '/c/d'])).toEqual(['/a/', '/c'])
    expect(coverOf(['/a', ''])).toEqual([''])
    expect(coverOf([])).toEqual([])
    // Order is that of UTF-16 throughout.
    const mixed = fc.stringMatching(/^[a\uff5e\u{1f600}]{0,3}$/u)
    fc.assert(
      fc.property(fc.array(mixed), (prefixes) => {
        const alone = [...new Set(prefixes)].filter(
          (each) => !prefixes.some((other) => other !== each && each.startsWith(other)),
        )
        expect(coverOf(prefixes)).toEqual(alone.toSorted())
      }),
      { numRuns: 300 },
    )
  })

  it('takes about as long as sorting them, however many, long and different they are', () => {
    const prefixes = Array.from(
      { length: 8_000 },
      (_, i) => `${(i * 7_919) % 8_000}/${'x'.repeat(i % 1_000)}`,
    )
    const timeOf = (work: () => unknown): number => {
      const startedAt = performance.now()
      work()
      return performance.now() - startedAt
    }
    // Clients say what they watch: it must not hold up everybody else.
    const sorting = Math.max(
      5,
      timeOf(() => prefixes.toSorted()),
    )
    expect(timeOf(() => coverOf(prefixes))).toBeLessThan(30 * sorting)
  })
})

describe('commonPrefixes', () => {
  it('is what is under a prefix of both', () => {
    fc.assert(
      fc.property(fc.array(prefix), fc.array(prefix), fc.array(key), (a, b, keys) => {
        const common = commonPrefixes(a, b)
        expect(coverOf(common)).toEqual(common)
        const under = (of: readonly string[], at: string): boolean =>
          of.some((each) => at.startsWith(each))
        for (const at of [...keys, ...a, ...b]) {
          expect(under(common, at)).toBe(under(a, at) && under(b, at))
        }
      }),
      { numRuns: 500 },
    )
  })
})
