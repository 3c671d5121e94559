import { describe, expect, it } from '@jest/globals'
import type { Clock } from '../../../src/index.ts'
import { Deadline } from '../../../src/kit/deadline.ts'
import { FakeClock } from '../../../src/testing/index.ts'

function harness(): {
  clock: FakeClock
  deadline: Deadline
  passed: number[]
  wall: { offMs: number }
} {
  const clock = new FakeClock(0)
  const wall = { offMs: 0 }
  const shown: Clock = {
    now: () => clock.now() + wall.offMs,
    after: (delayMs, task) => clock.after(delayMs, task),
  }
  const passed: number[] = []
  const deadline = new Deadline(shown, () => passed.push(clock.now()))
  return { clock, deadline, passed, wall }
}

describe('Deadline', () => {
  it('passes once per set, at the last time set; a later one costs no timer', () => {
    const { clock, deadline, passed } = harness()
    deadline.set(100)
    clock.advance(60)
    deadline.set(100)
    expect(clock.pending).toBe(1)
    clock.advance(99)
    expect(passed).toEqual([])
    clock.advance(1_000)
    expect(passed).toEqual([160])
    deadline.set(100)
    deadline.set(10)
    clock.advance(1_000)
    expect(passed).toEqual([160, 1_169])
  })

  it('a cleared one does not pass; a stopped one leaves no timer', () => {
    const { clock, deadline, passed } = harness()
    deadline.set(100)
    deadline.clear()
    expect(deadline.restMs).toBe(Infinity)
    clock.advance(1_000)
    deadline.set(100)
    deadline.stop()
    expect(clock.pending).toBe(0)
    clock.advance(1_000)
    expect(passed).toEqual([])
  })

  it('passes in time when the wall clock is put back or forward', () => {
    for (const offMs of [-3_600_000, 3_600_000]) {
      const { clock, deadline, passed, wall } = harness()
      deadline.set(100)
      clock.advance(50)
      wall.offMs = offMs
      clock.advance(60)
      expect(passed).toEqual([100])
      passed.length = 0
      deadline.set(100)
      clock.advance(50)
      wall.offMs *= -1
      deadline.set(100)
      clock.advance(200)
      expect(passed).toEqual([260])
    }
  })
})
