import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Fifo } from '../../../src/kit/fifo.ts'

describe('fifo', () => {
  it('is an array that is pushed, unshifted and shifted, in any order', () => {
    const step = fc.constantFrom(
      'push',
      'push',
      'push',
      'shift',
      'shift',
      'unshift',
      'prepend',
      'clear',
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const fifo = new Fifo<{ n: number }>()
        const model: { n: number }[] = []
        for (const [n, what] of steps.entries()) {
          const item = { n }
          if (what === 'shift') expect(fifo.shift()).toBe(model.shift())
          else if (what === 'clear') expect(fifo.clear()).toEqual(model.splice(0))
          else if (what === 'prepend') {
            const before = n % 2 === 0 ? [] : [item, { n: n + 0.5 }]
            fifo.prepend(before)
            model.unshift(...before)
          } else {
            fifo[what](item)
            model[what](item)
          }
          expect(fifo.size).toBe(model.length)
          expect([...fifo]).toEqual(model)
          for (let i = -1; i <= model.length; i++) expect(fifo.at(i)).toBe(model[i])
        }
      }),
    )
  })

  it('keeps the order through long queues that never get empty', () => {
    const fifo = new Fifo<{ n: number }>()
    let pushed = 0
    let shifted = 0
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 100; i++) fifo.push({ n: pushed++ })
      for (let i = 0; i < 90; i++) expect(fifo.shift()?.n).toBe(shifted++)
    }
    expect(fifo.size).toBe(2_000)
    expect(Array.from(fifo, ({ n }) => n)).toEqual(
      Array.from({ length: 2_000 }, (_, i) => shifted + i),
    )
  })
})
