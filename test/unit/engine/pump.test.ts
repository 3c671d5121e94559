import { describe, expect, it } from '@jest/globals'
import type { Deliverer } from '../../../src/engine/deliveries.ts'
import { Pump } from '../../../src/engine/pump.ts'
import { nextTask } from '../../../src/kit/next-task.ts'

class Owner {
  waiting = 0
  delivered = 0
  onEvent: () => void = () => {}
  /** Who asked for a turn. */
  readonly asked: Deliverer[] = []
  readonly pump: Pump = new Pump(this, { deliverSoon: (pump) => this.asked.push(pump) })

  deliverNext(): boolean {
    if (this.waiting === 0) return false
    this.waiting--
    this.delivered++
    this.onEvent()
    return true
  }
}

const task = (): Promise<void> => new Promise((resolve) => nextTask(resolve))

describe('the pump', () => {
  it('asks for one turn, however often it is called, and delivers all in it', () => {
    const owner = new Owner()
    owner.waiting = 3
    owner.pump.soon()
    owner.pump.soon()
    expect([owner.asked, owner.delivered]).toEqual([[owner.pump], 0])
    owner.asked[0]?.deliver()
    expect(owner.delivered).toBe(3)
    owner.pump.soon()
    expect(owner.asked).toHaveLength(2)
  })

  it('what an event sets off is delivered in the same loop, never inside the event', () => {
    const owner = new Owner()
    const depths: number[] = []
    let depth = 0
    owner.waiting = 1
    owner.onEvent = () => {
      depths.push(++depth)
      if (owner.delivered < 3) owner.waiting++
      owner.pump.soon()
      owner.pump.run()
      depth--
    }
    owner.pump.run()
    expect([depths, owner.asked]).toEqual([[1, 1, 1], []])
  })

  it('lets other work have its turn after so many', async () => {
    const owner = new Owner()
    owner.waiting = 2_500
    owner.pump.run()
    const turns = [owner.delivered]
    while (owner.waiting > 0) {
      await task()
      turns.push(owner.delivered)
    }
    expect(turns).toEqual([1_024, 2_048, 2_500])
  })

  it('an error in an event ends the loop, not the pump', () => {
    const owner = new Owner()
    owner.waiting = 2
    owner.onEvent = () => {
      throw new Error('a bug')
    }
    expect(() => owner.pump.run()).toThrow('a bug')
    owner.onEvent = () => {}
    owner.pump.run()
    expect(owner.delivered).toBe(2)
  })

  it('stops for good, also from inside an event', async () => {
    const owner = new Owner()
    owner.waiting = 3
    owner.onEvent = () => owner.pump.stop()
    owner.pump.run()
    owner.pump.soon()
    owner.pump.deliver()
    await task()
    expect([owner.delivered, owner.asked]).toEqual([1, []])
  })
})
