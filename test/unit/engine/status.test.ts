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

  it('lag is the age of the oldest change that is not answered', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'r',
      '/',
      { doneTimeoutMs: { change: 0 } },
      {
        answer: (event) => (event.kind === 'resync' ? 'ack' : 'hold'),
      },
    )
    void s.begin()
    s.stream().listed()
    await s.settle()
    const lag = (): number => seen.registration.status.lagMs
    expect(lag()).toBe(0)
    s.stream().changes([['put', '/a', '1', 1]])
    await s.settle()
    s.clock.advance(300)
    s.stream().changes([['put', '/b', '1', 2]])
    await s.settle()
    s.clock.advance(200)
    expect(lag()).toBe(500)
    ;(await seen.until('/a', '1')).ack()
    await s.settle()
    expect(lag()).toBe(200)
  })
})
