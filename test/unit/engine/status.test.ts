import { describe, expect, it } from '@jest/globals'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

describe('status', () => {
  it('who looks after close sees closed, then the end', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    await registration.close()
    const log: string[] = []
    registration.status$.subscribe({
      next: ({ state }) => log.push(state),
      complete: () => log.push('complete'),
    })
    expect(log).toEqual(['closed', 'complete'])
  })

  it('a RESYNC that was open at close is not shown as open', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', {}, { answer: () => 'hold' })
    void s.begin()
    s.stream().listed()
    await s.settle()
    const outcomes: unknown[] = []
    seen.registration.status$.subscribe(({ lastResync }) => outcomes.push(lastResync?.outcome))
    await seen.registration.close()
    expect(outcomes).toEqual(['open', 'voided'])
  })
})
