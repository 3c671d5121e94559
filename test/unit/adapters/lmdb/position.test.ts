import { describe, expect, it } from '@jest/globals'
import { Positions } from '../../../../src/adapters/lmdb/position.ts'

describe('positions', () => {
  const positions = new Positions('e1', [
    { revision: 5, run: 'first' },
    { revision: 8, run: 'second' },
  ])

  it('name the store, the run and the revision', () => {
    expect(positions.at(5)).toBe('e1:first:5')
    expect(positions.at(7)).toBe('e1:first:7')
    expect(positions.at(8)).toBe('e1:second:8')
  })

  it.each([
    ['e1:first:7', 7],
    ['e1:second:9', 9],
    ['e1:second:10', 'reconnected'],
    ['e2:second:9', 'reconnected'],
    ['e1:other:9', 'reconnected'],
    ['e1:first:9', 'reconnected'],
    ['e1:first:5', 'compacted'],
    ['e1:zero:4', 'compacted'],
    ['e1:second:x', 'reconnected'],
    ['nonsense', 'reconnected'],
    ['', 'reconnected'],
  ])('goes on from %s: %s', (from, expected) => {
    expect(positions.resume(from, 6, 9)).toBe(expected)
  })

  it('before the first known run is too old, whatever the log says', () => {
    expect(positions.resume('e1:zero:4', 3, 9)).toBe('compacted')
  })
})
