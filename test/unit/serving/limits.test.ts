import { describe, expect, it } from '@jest/globals'
import { resolveLimits } from '../../../src/serving/limits.ts'
import { RequestRate } from '../../../src/serving/request-rate.ts'
import { WatcherSlots } from '../../../src/serving/watcher-slots.ts'

describe('limits of servers', () => {
  it('have defaults, and are checked', () => {
    expect(resolveLimits({ maxOps: 5 }, { guarded: true })).toMatchObject({
      maxOps: 5,
      maxBodyBytes: 8_388_608,
    })
    for (const bad of [
      { maxOps: 0 },
      { maxWatchers: 1.5 },
      { requestsPerSecond: -1 },
      { more: 1 },
    ]) {
      expect(() => resolveLimits(bad as object, { guarded: true })).toThrow(
        expect.objectContaining({ code: 'SYNC_INVALID_OPTION' }),
      )
    }
  })

  it('of requests: none for programs of this machine, which share one identity', () => {
    expect(resolveLimits(undefined, { guarded: false }).requestsPerSecond).toBe(0)
    expect(resolveLimits(undefined, { guarded: true }).requestsPerSecond).toBe(5_000)
    expect(resolveLimits({ requestsPerSecond: 7 }, { guarded: false }).requestsPerSecond).toBe(7)
  })

  it('watchers in all and per client; a slot given back twice is given back once', () => {
    const slots = new WatcherSlots({ all: 3, perClient: 2 })
    const first = slots.take('a') as () => void
    slots.take('a')
    expect(slots.take('a')).toBe('client')
    slots.take('b')
    expect(slots.take('c')).toBe('all')
    first()
    first()
    expect(slots.size).toBe(2)
    expect(typeof slots.take('c')).toBe('function')
    expect(slots.take('a')).toBe('all')
  })

  it('requests per client; none with 0', async () => {
    const rate = new RequestRate(2)
    const taken = await Promise.all(['a', 'a', 'a', 'b'].map((client) => rate.take(client)))
    expect(taken.map((waitMs) => waitMs === undefined)).toEqual([true, true, false, true])
    expect(taken[2]).toBeLessThanOrEqual(1_000)
    const free = new RequestRate(0)
    expect(await Promise.all(Array.from({ length: 100 }, () => free.take('a')))).toEqual(
      Array(100).fill(undefined),
    )
  })
})
