import { describe, expect, it } from '@jest/globals'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

describe('reportError', () => {
  it('gives its RESYNC, whatever a late done() of an event that ran out of time says', async () => {
    for (const [changeMs, word] of [
      [50, 'in the back-off of the report'],
      [2_000, 'after it'],
    ] as const) {
      const s = new ScriptedAgent()
      const seen = s.watch(
        'r',
        '/',
        { doneTimeoutMs: { change: changeMs } },
        { answer: (event) => (event.kind === 'change' ? 'hold' : 'ack') },
      )
      await s.start()
      s.stream().changes([['put', '/x', '1', 1]])
      await s.settle()
      s.agent.reportError('r', new Error(word))
      await s.run(changeMs)
      seen.events[1]?.event.done()
      await s.run(60_000)
      expect(seen.lines()).toEqual(['resync startup', 'put /x=1', 'resync refused'])
      expect(seen.registration.status).toMatchObject({ state: 'live', refusals: 2 })
    }
  })
})
