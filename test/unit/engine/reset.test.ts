import { describe, expect, it } from '@jest/globals'
import type { Recorder } from '../../../src/testing/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

/** Two registrations on feeds of their own: `/a/` was watched before start, `/b/` after it. */
async function twoFeeds(): Promise<{ s: ScriptedAgent; both: Recorder }> {
  const s = new ScriptedAgent()
  const both = s.watch('both', '/a/')
  await s.start(['/a/x', '1', 1])
  s.stream(1)
    .pairs([['/b/x', '1', 1]])
    .listed('q1')
  await both.registration.register('/b/')
  await s.settle()
  expect(both.lines()).toEqual(['resync startup', 'resync prefix-changed'])
  return { s, both }
}

describe('a reset', () => {
  it('gives a RESYNC with its reason; what was queued is part of it', async () => {
    for (const reason of ['reconnected', 'compacted'] as const) {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', {}, { answer: (e) => (e.value === 'hold' ? 'hold' : 'ack') })
      await s.start(['/x', '1', 1])
      s.stream().changes([
        ['put', '/x', 'hold', 2],
        ['put', '/y', '1', 3],
      ])
      await s.settle()
      s.stream()
        .reset(reason)
        .pairs([['/z', '1', 9]])
        .listed()
      await s.settle()
      // The open CHANGE stays open.
      expect(seen.events).toHaveLength(2)
      expect(seen.events[1]?.aborted).toBe(false)
      seen.events[1]?.ack()
      await s.settle()
      expect(seen.lines()).toEqual(['resync startup', 'put /x=hold (1)', `resync ${reason}`])
      expect(seen.fold()).toEqual(['/z=1'])
      expect(s.violations).toEqual([])
    }
  })

  it('nobody sees a partial view, or an empty one in between (W11)', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r')
    await s.start(['/x', '1', 1])
    s.stream()
      .reset('compacted')
      .pairs([['/y', '1', 2]])
    await s.settle()
    expect(seen.events).toHaveLength(1)
    await s.agent.resync().catch(() => {})
    expect(seen.events).toHaveLength(1)
    s.stream()
      .pairs([['/z', '1', 3]])
      .listed()
    await s.settle()
    expect(seen.events[1]?.values).toEqual({ '/': ['/y=1', '/z=1'] })
  })

  it('voids an open RESYNC: aborted, its word does not count, the next one comes', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', {}, { answer: () => 'hold' })
    s.stream().listed()
    const started = s.begin()
    await s.settle()
    s.stream().reset('compacted')
    await s.settle()
    expect(seen.events[0]?.aborted).toBe(true)
    expect(seen.registration.status.lastResync?.outcome).toBe('voided')
    expect((await started).turns[0]?.outcome).toBe('voided')
    seen.events[0]?.event.done()
    seen.events[0]?.event.done(new Error('late'))
    seen.answer('ack')
    s.stream()
      .pairs([['/x', '1', 1]])
      .listed()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'resync compacted'])
    expect(seen.registration.status.refusals).toBe(0)
    expect(s.violations).toEqual([])
  })

  it('in a back-off: one RESYNC, at its end', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 10 } })
    const seen = s.watch('r', '/', {}, { answer: (e) => (e.kind === 'change' ? 'refuse' : 'ack') })
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    s.stream()
      .reset('compacted')
      .pairs([['/y', '1', 2]])
      .listed()
    await s.run(99)
    expect(seen.events).toHaveLength(2)
    await s.run(1)
    expect(seen.lines().slice(2)).toEqual(['resync refused'])
    expect(seen.fold()).toEqual(['/y=1'])
    await s.run(100_000)
    expect(seen.events).toHaveLength(3)
    expect(s.violations).toEqual([])
  })

  it('twice in a row is one RESYNC, with the earliest reason', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r')
    await s.start(['/x', '1', 1])
    s.stream()
      .reset('compacted')
      .pairs([['/y', '1', 2]])
      .reset('reconnected')
      .pairs([['/z', '1', 3]])
      .listed()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'resync compacted'])
    expect(seen.fold()).toEqual(['/z=1'])
  })

  it('of one of two feeds: one RESYNC with both; an open one of it is void', async () => {
    const { s, both } = await twoFeeds()
    s.stream(0)
      .reset('compacted')
      .pairs([['/a/x', '2', 5]])
      .listed()
    await s.settle()
    expect(both.lines().at(-1)).toBe('resync compacted')
    expect(both.fold()).toEqual(['/a/x=2', '/b/x=1'])
    s.stream(1).changes([['put', '/b/x', '2', 6]])
    s.stream(0).changes([['put', '/a/x', '3', 7]])
    await s.settle()
    expect(both.fold()).toEqual(['/a/x=3', '/b/x=2'])
    expect(s.violations).toEqual([])
  })

  it('of one of two feeds: changes of the other one wait for the RESYNC', async () => {
    const { s, both } = await twoFeeds()
    s.stream(0)
      .reset('compacted')
      .pairs([['/a/x', '2', 5]])
    await s.settle()
    s.stream(1).changes([['put', '/b/x', '2', 6]])
    await s.settle()
    s.stream(0).listed()
    await s.settle()
    expect(both.fold()).toEqual(['/a/x=2', '/b/x=2'])
    expect(s.violations).toEqual([])
  })

  it('a lost link that resumes is no event; it shows in the state', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r')
    const states: string[] = []
    seen.registration.status$.subscribe((status) => states.push(status.state))
    await s.start(['/x', '1', 1])
    s.stream(0).fail(new Error('cut'))
    await s.settle()
    expect(seen.registration.status.state).toBe('stale')
    expect(s.agent.health()).toMatchObject({
      status: 'degraded',
      transports: [{ state: 'stale', reconnects: 1 }],
    })
    s.stream(1).changes([['put', '/x', '2', 2]], { position: 'p2' })
    await s.run(10)
    expect(seen.lines()).toEqual(['resync startup', 'put /x=2 (1)'])
    expect(s.agent.health().status).toBe('ok')
    expect([...new Set(states)]).toEqual(
      ['waiting', 'resyncing', 'live', 'stale'].filter((x) => states.includes(x)),
    )
    expect(states).toContain('stale')
    expect(states.at(-1)).toBe('live')
  })

  it('a receiver that is waited for while the link is down gets its RESYNC when it is back', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'r',
      '/',
      { queueLimit: 1 },
      { answer: (e) => (e.value === 'hold' ? 'hold' : 'ack') },
    )
    await s.start()
    s.stream(0).changes([['put', '/x', 'hold', 1]], { position: 'p1' })
    await s.settle()
    s.stream(0).changes(
      [
        ['put', '/y', '1', 2],
        ['put', '/z', '1', 3],
      ],
      { position: 'p3' },
    )
    await s.settle()
    s.stream(0).fail(new Error('cut'))
    await s.settle()
    seen.events[1]?.ack()
    await s.settle()
    expect(seen.events).toHaveLength(2)
    s.stream(1).progress()
    await s.run(10)
    expect(seen.lines().at(-1)).toBe('resync overflow')
    expect(seen.fold()).toEqual(['/x=hold', '/y=1', '/z=1'])
    expect(s.violations).toEqual([])
  })

  it('that voids a RESYNC and is of a prefix that is unregistered leaves nobody without one', async () => {
    const { s, both } = await twoFeeds()
    both.answer((event) => (event.reason === 'requested' ? 'hold' : 'ack'))
    void s.agent.resync()
    await s.settle()
    s.stream(1).reset('compacted')
    s.stream(0).fail(new Error('cut'))
    await s.settle()
    expect(both.events[2]?.aborted).toBe(true)
    await both.registration.unregister('/b/')
    await s.settle()
    expect(both.events).toHaveLength(3)
    s.stream(2).progress()
    await s.run(10)
    expect(both.lines().slice(2)).toEqual(['resync requested', 'resync prefix-changed'])
    expect(both.fold()).toEqual(['/a/x=1'])
  })

  it('keeps its reason when a prefix is unregistered before its list', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'r',
      ['/a', '/b'],
      {},
      { answer: (event) => (event.reason === 'requested' ? 'hold' : 'ack') },
    )
    await s.start()
    void s.agent.resync()
    await s.settle()
    s.stream().reset('compacted')
    await s.settle()
    await seen.registration.unregister('/b')
    s.stream().listed()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'resync requested', 'resync compacted'])
  })
})
