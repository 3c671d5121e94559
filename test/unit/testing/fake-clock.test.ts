import { describe, expect, it } from '@jest/globals'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

describe('FakeClock', () => {
  it('fires by time, then by the order of making, each at its own time', () => {
    const clock = new FakeClock(100)
    const fired: string[] = []
    const note = (name: string) => (): void => void fired.push(`${name}@${clock.now()}`)
    clock.after(20, note('c'))
    clock.after(10, note('a'))
    clock.after(10, note('b'))
    clock.after(-5, note('past'))
    expect([clock.pending, clock.nextInMs, fired.length]).toEqual([4, 0, 0])
    clock.advance(15)
    expect(fired).toEqual(['past@100', 'a@110', 'b@110'])
    expect([clock.now(), clock.nextInMs]).toEqual([115, 5])
    clock.advance(5)
    expect(fired.at(-1)).toBe('c@120')
    expect([clock.pending, clock.nextInMs]).toEqual([0, undefined])
  })

  it('fires what is made meanwhile, if due', () => {
    const clock = new FakeClock(0)
    const fired: number[] = []
    const tick = (): void => {
      fired.push(clock.now())
      clock.after(10, tick)
    }
    clock.after(10, tick)
    clock.advance(35)
    expect([fired, clock.now(), clock.pending]).toEqual([[10, 20, 30], 35, 1])
  })

  it('a stopped timer does not fire, whenever it is stopped', () => {
    const clock = new FakeClock()
    const fired: string[] = []
    const second = clock.after(5, () => fired.push('second'))
    clock.after(4, () => second.stop())
    const third = clock.after(6, () => fired.push('third'))
    clock.advance(10)
    third.stop()
    expect(fired).toEqual(['third'])
  })

  it('holds 30 days', () => {
    const clock = new FakeClock()
    let fired = false
    clock.after(30 * 24 * 3_600_000, () => {
      fired = true
    })
    clock.advance(30 * 24 * 3_600_000 - 1)
    expect(fired).toBe(false)
    clock.advance(1)
    expect(fired).toBe(true)
  })

  it('throws what a task throws; the rest can go on', () => {
    const clock = new FakeClock(0)
    const fired: number[] = []
    clock.after(1, () => {
      throw new Error('broken')
    })
    clock.after(2, () => fired.push(clock.now()))
    expect(() => clock.advance(5)).toThrow('broken')
    expect(clock.now()).toBe(1)
    clock.advance(4)
    expect([fired, clock.now()]).toEqual([[2], 5])
  })

  it('run lets promises go on between timers', async () => {
    const clock = new FakeClock(0)
    const steps: number[] = []
    const sleep = (ms: number): Promise<void> =>
      new Promise((resolve) => void clock.after(ms, resolve))
    const work = (async () => {
      for (const ms of [10, 20, 30]) {
        await sleep(ms)
        await new Promise((resolve) => setImmediate(resolve))
        steps.push(clock.now())
      }
    })()
    await clock.run(60)
    await work
    expect(steps).toEqual([10, 30, 60])
  })
})
