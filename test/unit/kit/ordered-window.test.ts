import { describe, expect, it } from '@jest/globals'
import { OrderedWindow, pullInto } from '../../../src/kit/ordered-window.ts'

function newWindow(
  window: number,
  queueLimit: number,
): {
  window: OrderedWindow<number, string>
  done: Map<number, (text: string) => void>
  out: string[]
} {
  const done = new Map<number, (text: string) => void>()
  const out: string[] = []
  const made = new OrderedWindow<number, string>({
    window,
    queueLimit,
    run: (input, settle) => done.set(input, settle),
    overflow: (input) => `${input} overflows`,
    emit: (result) => out.push(result),
  })
  return { window: made, done, out }
}

describe('an ordered window', () => {
  it('runs so many at a time, and gives results in the order of the inputs', async () => {
    const { window, done, out } = newWindow(2, 10)
    for (const input of [1, 2, 3]) window.offer(input)
    expect([...done.keys()]).toEqual([1, 2])
    done.get(2)?.('two')
    expect(out).toEqual([])
    expect([...done.keys()]).toEqual([1, 2, 3])
    done.get(1)?.('one')
    expect(out).toEqual(['one', 'two'])
    const drained = window.drained()
    done.get(3)?.('three')
    await drained
    expect(out).toEqual(['one', 'two', 'three'])
  })

  it('answers what does not fit by overflow, in its place', () => {
    const { window, done, out } = newWindow(1, 1)
    for (const input of [1, 2, 3]) window.offer(input)
    expect(out).toEqual([])
    done.get(1)?.('one')
    done.get(2)?.('two')
    expect(out).toEqual(['one', 'two', '3 overflows'])
  })

  it('pulls no faster than it takes', async () => {
    const { window, done, out } = newWindow(2, 10)
    let pulled = 0
    async function* inputs(): AsyncGenerator<number> {
      for (; pulled < 4; pulled++) yield pulled
    }
    let ended = false
    const over = pullInto(inputs(), window, () => {
      ended = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(pulled).toBe(2)
    for (let i = 0; i < 4; i++) {
      done.get(i)?.(String(i))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await over
    expect(ended).toBe(true)
    expect(out).toEqual(['0', '1', '2', '3'])
  })

  it('stopped, begins nothing and says nothing more', async () => {
    const { window, done, out } = newWindow(1, 10)
    window.offer(1)
    window.offer(2)
    window.stop()
    done.get(1)?.('one')
    window.offer(3)
    await window.drained()
    expect(out).toEqual([])
    expect(done.has(2)).toBe(false)
  })
})
