import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { createDeliveryQueue } from '../../../src/engine/delivery-queue.ts'
import { change, shown } from '../../support/pending-changes.ts'

describe('the queue of all', () => {
  it('keeps every change in order and counts their bytes', () => {
    const queue = createDeliveryQueue('all')
    queue.push(change('/a', undefined, '123'))
    queue.push(change('/a', '123', '4'))
    queue.push(change('/b', '12', undefined))
    expect([queue.size, queue.bytes]).toEqual([3, 6])
    queue.unshift(change('/c', undefined, '1'))
    expect([...queue].map(shown)).toEqual(['/c -→1', '/a -→123', '/a 123→4', '/b 12→-'])
    expect(shown(queue.shift())).toBe('/c -→1')
    expect(queue.retain((c) => c.key === '/b').map(shown)).toEqual(['/a -→123', '/a 123→4'])
    expect([queue.size, queue.bytes]).toEqual([1, 2])
    expect(queue.clear().map(shown)).toEqual(['/b 12→-'])
    expect([queue.size, queue.bytes]).toEqual([0, 0])
    expect(queue.shift()).toBeUndefined()
  })

  it('is a queue, however long and however it is used', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2_500 }), { maxLength: 6 }), (counts) => {
        const queue = createDeliveryQueue('all')
        const model: number[] = []
        let next = 0
        for (const count of counts) {
          for (let i = 0; i < count; i++) {
            queue.push(change('/a', undefined, '1', next))
            model.push(next++)
          }
          for (let i = 0; i < count / 2; i++) expect(queue.shift()?.revision).toBe(model.shift())
          expect(queue.size).toBe(model.length)
          expect(queue.bytes).toBe(model.length)
        }
        expect([...queue].map((c) => c.revision)).toEqual(model)
      }),
      { numRuns: 10 },
    )
  })
})

describe('the queue of the latest', () => {
  it('keeps one change per key, at the place of its first, with its first previous value', () => {
    const queue = createDeliveryQueue('latest')
    queue.push(change('/a', '0', '1', 1))
    queue.push(change('/b', undefined, '1', 2))
    queue.push(change('/a', '1', '22', 3))
    expect([...queue].map(shown)).toEqual(['/a 0→22', '/b -→1'])
    expect([queue.size, queue.bytes]).toEqual([2, 3])
    expect(queue.shift()).toMatchObject({ revision: 3 })
    queue.push(change('/a', '22', undefined, 4))
    expect([...queue].map(shown)).toEqual(['/b -→1', '/a 22→-'])
  })

  it.each([
    ['back to the same bytes', '0', ['1', '0']],
    ['created and deleted', undefined, ['1', undefined]],
    ['deleted and created alike', '0', [undefined, '0']],
  ] as const)('%s: nothing is left', (_, first, values) => {
    const queue = createDeliveryQueue('latest')
    let prev: string | undefined = first
    for (const value of values) {
      queue.push(change('/a', prev, value))
      prev = value
    }
    expect([queue.size, queue.bytes]).toEqual([0, 0])
    queue.push(change('/b', undefined, '1'))
    queue.push(change('/a', prev, '2'))
    expect([...queue].map((c) => c.key)).toEqual(['/b', '/a'])
  })

  it('holds what a fold needs, whatever comes', () => {
    const ops = fc.array(
      fc.record({
        key: fc.constantFrom('/a', '/b', '/c'),
        value: fc.option(fc.constantFrom('1', '2'), { nil: undefined }),
      }),
      { maxLength: 30 },
    )
    fc.assert(
      fc.property(ops, fc.array(fc.nat({ max: 30 }), { maxLength: 5 }), (writes, shifts) => {
        const queue = createDeliveryQueue('latest')
        const store = new Map<string, string>()
        const fold = new Map<string, string>()
        const deliver = (): void => {
          const next = queue.shift()
          if (next === undefined) return
          const [, before, after] = /^\S+ (.*)→(.*)$/.exec(shown(next)) ?? []
          expect(before).toBe(fold.get(next.key) ?? '-')
          expect(after).not.toBe(before)
          if (after === undefined || after === '-') fold.delete(next.key)
          else fold.set(next.key, after)
        }
        for (const [i, { key, value }] of writes.entries()) {
          const prev = store.get(key)
          if (prev === value) continue
          queue.push(change(key, prev, value, i))
          if (value === undefined) store.delete(key)
          else store.set(key, value)
          if (shifts.includes(i)) deliver()
          expect(queue.bytes).toBe([...queue].length)
        }
        while (queue.size > 0) deliver()
        expect(Object.fromEntries(fold)).toEqual(Object.fromEntries(store))
      }),
    )
  })
})
