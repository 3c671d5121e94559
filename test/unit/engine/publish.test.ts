import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import { raw } from '../../../src/index.ts'
import type { Publication, PublishResult } from '../../../src/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

const message = raw(new Uint8Array([1]))

describe('publish', () => {
  it('writes nothing more once nobody is subscribed, also of a key that is being written', async () => {
    const s = new ScriptedAgent()
    const answers: (() => void)[] = []
    s.transport.script.onCommit = () =>
      new Promise((resolve) => answers.push(() => resolve({ versions: ['1'] })))
    const inputs = new Subject<Publication>()
    const subscription = s.agent.publish(inputs).subscribe()
    for (let i = 0; i < 3; i++) inputs.next({ key: '/a', message })
    await s.settle()
    subscription.unsubscribe()
    answers[0]?.()
    await s.settle()
    expect(s.transport.script.commits).toHaveLength(1)
    expect(inputs.observed).toBe(false)
  })

  it('gives an iterable back when the subscription ends, though its next input never comes', async () => {
    const s = new ScriptedAgent()
    let returned = 0
    const inputs: AsyncIterableIterator<Publication> = {
      next: () => new Promise(() => {}),
      return: () => {
        returned++
        return Promise.resolve({ done: true, value: undefined })
      },
      [Symbol.asyncIterator]: () => inputs,
    }
    const subscription = s.agent.publish(inputs).subscribe()
    await s.settle()
    subscription.unsubscribe()
    expect(returned).toBe(1)
  })

  it('an iterable that ends is not given back; one that throws ends the results behind them', async () => {
    const s = new ScriptedAgent()
    let left = 0
    async function* inputs(error?: Error): AsyncGenerator<Publication> {
      try {
        yield { key: '/a', message }
        if (error !== undefined) throw error
      } finally {
        left++
      }
    }
    const log: string[] = []
    const observer = {
      next: ({ key, ok }: PublishResult) => log.push(`${key} ${ok}`),
      error: (error: Error) => log.push(error.message),
      complete: () => log.push('complete'),
    }
    s.agent.publish(inputs()).subscribe(observer)
    await s.settle()
    s.agent.publish(inputs(new Error('broken'))).subscribe(observer)
    await s.settle()
    expect(log).toEqual(['/a true', 'complete', '/a true', 'broken'])
    expect(left).toBe(2)
  })

  it('an input that is none is a failed result', async () => {
    const s = new ScriptedAgent()
    const results: PublishResult[] = []
    const inputs = new Subject<Publication>()
    s.agent.publish(inputs).subscribe((result) => results.push(result))
    inputs.next(null as unknown as Publication)
    inputs.next({ message } as unknown as Publication)
    inputs.next({ key: '/a', message })
    await s.settle()
    expect(results).toMatchObject([
      { ok: false, error: { code: 'SYNC_INVALID_OPTION' } },
      { ok: false, error: { code: 'SYNC_INVALID_KEY' } },
      { ok: true, key: '/a' },
    ])
  })
})
