import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compareKeys } from '../../../src/api/key.ts'
import type { RawPair } from '../../../src/api/transport.ts'
import { LatestValues } from '../../../src/source/latest-values.ts'

const NO_BYTES = new Uint8Array()
let revision = 0
const pair = (key: string): RawPair => ({
  key,
  value: NO_BYTES,
  revision: ++revision,
  version: '',
})

describe('latest values', () => {
  it('shows in a view what was there when it was asked for', () => {
    const values = new LatestValues()
    const first = pair('/a/1')
    values.put(first)
    const view = values.view('/a/')
    values.put(pair('/a/1'))
    values.put(pair('/a/2'))
    values.delete('/a/1')
    expect(view).toEqual([first])
  })

  it('says what was there before', () => {
    const values = new LatestValues()
    const first = pair('/a')
    const second = pair('/a')
    expect(values.put(first)).toBeUndefined()
    expect(values.put(second)).toBe(first)
    expect(values.delete('/a')).toBe(second)
    expect(values.delete('/a')).toBeUndefined()
    expect(values.put(first)).toBeUndefined()
    expect([...values.keys()]).toEqual(['/a'])
  })

  it('is what a Map is, with its keys in order, whatever happens in between', () => {
    const key = fc.tuple(fc.constantFrom('/a/', '/b/', '/b/c/'), fc.nat(60)).map(([p, i]) => p + i)
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('view' as const), key }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const values = new LatestValues()
        const model = new Map<string, RawPair>()
        for (const { do: what, key: at } of steps) {
          if (what === 'put') {
            const next = pair(at)
            expect(values.put(next)).toBe(model.get(at))
            model.set(at, next)
          } else if (what === 'delete') {
            expect(values.delete(at)).toBe(model.get(at))
            model.delete(at)
          } else {
            expectViews(values, model)
          }
        }
        expectViews(values, model)
      }),
      { numRuns: 200 },
    )
  })

  it('forgets keys that come and go, though nobody asks for a view', () => {
    const values = new LatestValues()
    for (let i = 0; i < 50_000; i++) {
      values.put(pair(`/sessions/${i}`))
      values.delete(`/sessions/${i}`)
    }
    expect(values.size).toBe(0)
    expect(values.slots).toBeLessThanOrEqual(1_025)
  })
})

function expectViews(values: LatestValues, model: ReadonlyMap<string, RawPair>): void {
  expect(values.size).toBe(model.size)
  for (const prefix of ['', '/a/', '/b/', '/b/c/', '/b/c/1', '/z']) {
    const expected = [...model.values()]
      .filter((each) => each.key.startsWith(prefix))
      .sort((a, b) => compareKeys(a.key, b.key))
    expect(values.view(prefix)).toEqual(expected)
  }
}
