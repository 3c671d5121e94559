import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import { raw } from '../../../src/index.ts'
import type { Publication } from '../../../src/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

const message = raw(new Uint8Array([1]))

describe('publish, unsubscribed', () => {
  it('writes nothing more, also of a key that is being written', async () => {
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

  it('gives an iterable back, though its next input never comes', async () => {
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
})
