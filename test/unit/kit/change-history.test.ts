import { describe, expect, it } from '@jest/globals'
import { ChangeHistory } from '../../../src/kit/change-history.ts'

describe('change history', () => {
  it('has what is behind a revision, oldest first', () => {
    const history = new ChangeHistory<string>(10, 4)
    history.add(5, ['a', 'b'])
    history.add(7, ['c'])
    expect(history.since(4)).toEqual(['a', 'b', 'c'])
    expect(history.since(5)).toEqual(['c'])
    expect(history.since(6)).toEqual(['c'])
    expect(history.since(7)).toEqual([])
    expect(history.since(3)).toBeUndefined()
  })

  it('forgets whole transactions, the oldest first', () => {
    const history = new ChangeHistory<string>(3, 0)
    history.add(1, ['a', 'b'])
    history.add(2, ['c'])
    history.add(3, ['d'])
    expect(history.since(0)).toBeUndefined()
    expect(history.since(1)).toEqual(['c', 'd'])
    history.add(4, ['e', 'f', 'g', 'h'])
    expect(history.since(3)).toBeUndefined()
    expect(history.since(4)).toEqual([])
  })

  it('stays right over many transactions', () => {
    const history = new ChangeHistory<number>(100, 0)
    for (let revision = 1; revision <= 10_000; revision++) history.add(revision, [revision])
    expect(history.since(9_899)).toBeUndefined()
    expect(history.since(9_900)).toEqual(Array.from({ length: 100 }, (_, i) => 9_901 + i))
  })
})
