import { describe, expect, it } from '@jest/globals'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

describe('a RESYNC of its own and a run (C10)', () => {
  it('one that waited for a subscriber before the run began comes after it', async () => {
    const s = new ScriptedAgent()
    const b = s.watch('B', '/b')
    await s.start()
    const late = s.agent.watch('A', '/a')
    await s.settle()
    s.stream(1).listed('p')
    await s.settle()
    b.answer('hold')
    const run = s.agent.resync(['B'])
    await s.settle()
    expect(b.lines()).toEqual(['resync startup', 'resync requested'])
    const a = s.record(late)
    await s.settle()
    expect(a.lines()).toEqual([])
    b.events[1]?.ack()
    await run
    await s.settle()
    expect(a.lines()).toEqual(['resync startup'])
    expect(s.violations).toEqual([])
  })

  it('one that was served in a turn leaves no right behind to interrupt a later run', async () => {
    const s = new ScriptedAgent()
    const a = s.watch('A', '/a', { queueLimit: 1, doneTimeoutMs: { change: 0 } })
    const b = s.watch('B', '/b')
    await s.start()
    a.answer('hold')
    s.stream().changes([['put', '/a1', '1', 1]])
    await s.settle()
    const run = s.agent.resync()
    await s.settle()
    // In its turn, waiting for its open event, it overflows.
    s.stream().changes([
      ['put', '/a2', '1', 2],
      ['put', '/a3', '1', 3],
    ])
    await s.settle()
    a.answer('ack')
    a.events[1]?.ack()
    await run
    b.answer('hold')
    void s.agent.resync(['B'])
    s.agent.reportError('A', new Error('broken'))
    await s.run(200)
    expect(b.lines()).toHaveLength(3)
    expect(a.lines()).toHaveLength(3)
    b.events[2]?.ack()
    await s.settle()
    expect(a.lines().slice(2)).toEqual(['resync requested', 'resync refused'])
    expect(s.violations).toEqual([])
  })

  it('a turn counts on, when a late done() settles what was to be repeated', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', {}, { answer: (_, i) => (i === 0 ? 'hold' : 'ack') })
    void s.begin()
    s.stream().listed()
    await s.run(10_000)
    expect(seen.registration.status.state).toBe('backing-off')
    const run = s.agent.resync()
    await s.settle()
    seen.events[0]?.ack()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'resync requested'])
    expect(await run).toMatchObject({ turns: [{ outcome: 'acked' }] })
  })

  it('who was asked for before a reset is passed over too, and comes in order', async () => {
    const s = new ScriptedAgent({ transport: { capabilities: { resumable: false } } })
    const log: string[] = []
    let holdsA = false
    for (const name of ['A', 'B', 'C']) {
      s.agent.watch(name, `/${name}`).resyncs$.subscribe((event) => {
        log.push(name)
        if (name !== 'A' || !holdsA) event.done()
      })
    }
    await s.start()
    log.length = 0
    holdsA = true
    const run = s.agent.resync()
    await s.settle()
    holdsA = false
    void s.agent.resync(['C'])
    s.stream().reset('reconnected').listed()
    const { turns } = await run
    await s.settle()
    expect(turns.map(({ outcome }) => outcome)).toEqual(['voided', 'passed-over', 'passed-over'])
    expect(log).toEqual(['A', 'A', 'B', 'C'])
  })
})
