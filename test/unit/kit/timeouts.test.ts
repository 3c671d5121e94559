import { describe, expect, it } from '@jest/globals'
import { Timeouts } from '../../../src/kit/timeouts.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

describe('timeouts', () => {
  it('each ends at its own time, in order, by one timer per length', () => {
    const clock = new FakeClock()
    const timeouts = new Timeouts(clock)
    const start = clock.now()
    const over: string[] = []
    const wait = (name: string, ms: number) =>
      timeouts.after(ms, () => over.push(`${name} at ${clock.now() - start}`))
    wait('a', 100)
    clock.advance(30)
    wait('b', 100)
    wait('c', 100)
    wait('short', 10)
    expect(clock.pending).toBe(2)
    clock.advance(39)
    expect(over).toEqual(['short at 40'])
    clock.advance(1_000)
    expect(over.slice(1)).toEqual(['a at 100', 'b at 130', 'c at 130'])
    expect(clock.pending).toBe(0)
  })

  it('one that is stopped does nothing, wherever it stands; without any no timer runs', () => {
    const clock = new FakeClock()
    const timeouts = new Timeouts(clock)
    const over: number[] = []
    const waits = Array.from({ length: 5 }, (_, i) => {
      clock.advance(1)
      return timeouts.after(100, () => over.push(i))
    })
    for (const i of [0, 2, 4, 2]) waits[i]?.stop()
    clock.advance(200)
    expect(over).toEqual([1, 3])
    waits[1]?.stop()
    expect(clock.pending).toBe(0)
    const last = timeouts.after(100, () => over.push(9))
    last.stop()
    expect(clock.pending).toBe(0)
    clock.advance(200)
    expect(over).toEqual([1, 3])
  })

  it('a task may begin another, and stop those behind it', () => {
    const clock = new FakeClock()
    const timeouts = new Timeouts(clock)
    const over: string[] = []
    timeouts.after(100, () => {
      over.push('first')
      second.stop()
      timeouts.after(100, () => over.push('again'))
    })
    clock.advance(10)
    const second = timeouts.after(100, () => over.push('second'))
    clock.advance(89)
    expect(over).toEqual([])
    clock.advance(1)
    expect(over).toEqual(['first'])
    clock.advance(99)
    expect(over).toEqual(['first'])
    clock.advance(1)
    expect(over).toEqual(['first', 'again'])
    expect(clock.pending).toBe(0)
  })

  it('a wall clock that is put forward ends nothing early, one that is put back nothing late', () => {
    const clock = new FakeClock()
    let shift = 0
    const timeouts = new Timeouts({
      now: () => clock.now() + shift,
      after: (ms, task) => clock.after(ms, task),
    })
    const over: string[] = []
    timeouts.after(100, () => over.push('a'))
    shift = 3_600_000
    clock.advance(50)
    timeouts.after(100, () => over.push('b'))
    shift = -3_600_000
    timeouts.after(100, () => over.push('c'))
    clock.advance(99)
    expect(over).toEqual(['a'])
    clock.advance(1)
    // At most its own length late.
    clock.advance(50)
    expect(over).toEqual(['a', 'b', 'c'])
  })
})
