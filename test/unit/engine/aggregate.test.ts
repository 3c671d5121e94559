import { describe, expect, it } from '@jest/globals'
import { aggregate } from '../../../src/index.ts'
import type { WatchRegistration } from '../../../src/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

function two(s: ScriptedAgent): WatchRegistration[] {
  return ['a', 'b'].map((name) => s.agent.watch(name, `/${name}/`))
}

describe('aggregate()', () => {
  it('merges the streams; RESYNCs are not united', async () => {
    const s = new ScriptedAgent()
    const both = aggregate(two(s))
    const seen: string[] = []
    both.events$.subscribe((event) => {
      seen.push(
        event.kind === 'resync' ? `${event.reason} ${[...event.values.keys()].join()}` : event.key,
      )
      event.done()
    })
    await s.start(['/a/x', '1', 1], ['/b/x', '1', 1])
    s.stream().changes([
      ['put', '/b/x', '2', 2],
      ['put', '/a/x', '2', 3],
    ])
    await s.settle()
    expect(seen.slice(0, 2)).toEqual(['startup /a/', 'startup /b/'])
    expect(seen.slice(2).sort()).toEqual(['/a/x', '/b/x'])
    expect(both.prefixes).toEqual(['/a/', '/b/'])
    expect(both.name).toBe('a+b')
    expect(aggregate([both], { name: 'named' }).name).toBe('named')
  })

  it("a throw of a direct subscriber refuses the part's event; so do a throwing handler and a rejection", async () => {
    const s = new ScriptedAgent()
    const parts = two(s)
    const both = aggregate(parts)
    const direct = both.events$.subscribe((event) => {
      if (event.kind === 'resync' && event.values.has('/a/')) throw new Error('no')
      event.done()
    })
    await s.start()
    expect(parts.map((part) => part.status.refusals)).toEqual([1, 0])
    direct.unsubscribe()
    both.handle({
      change: async () => {
        throw new Error('rejected')
      },
    })
    await s.run(100)
    s.stream().changes([['put', '/b/x', '1', 1]])
    await s.settle()
    expect(parts[1]?.status.lastError).toMatchObject({ message: 'rejected' })
  })

  it('its status is that of the part that most needs a look, figures added up', async () => {
    const s = new ScriptedAgent()
    const parts = two(s)
    const both = aggregate(parts)
    both.handle({
      change: () => {
        throw new Error('no')
      },
    })
    await s.start(['/a/x', '1', 1], ['/b/x', '1', 1])
    expect(both.status).toMatchObject({ state: 'live', refusals: 0 })
    s.stream().changes([
      ['put', '/a/x', '2', 2],
      ['put', '/a/x', '3', 3],
    ])
    await s.settle()
    expect(both.status).toMatchObject({
      state: 'backing-off',
      refusals: 1,
      pending: 1,
      lastError: { message: 'no' },
    })
    const states: string[] = []
    both.status$.subscribe((status) => states.push(status.state))
    expect(states).toEqual(['backing-off'])
  })

  it('register and unregister go to all parts; close closes all', async () => {
    const s = new ScriptedAgent()
    const parts = two(s)
    const both = aggregate(parts)
    let completed = false
    both.events$.subscribe({
      next: (event) => event.done(),
      complete: () => {
        completed = true
      },
    })
    await both.register('/c/')
    expect(parts.map((part) => part.prefixes)).toEqual([
      ['/a/', '/c/'],
      ['/b/', '/c/'],
    ])
    await both.unregister('/a/')
    expect(both.prefixes).toEqual(['/c/', '/b/'])
    await s.start()
    expect(both.checkpoint()).toBeUndefined()
    await both.close()
    expect(completed).toBe(true)
    expect(parts.map((part) => part.status.state)).toEqual(['closed', 'closed'])
    expect(both.status.state).toBe('closed')
  })

  it('of nothing is an error', () => {
    expect(() => aggregate([])).toThrow(expect.objectContaining({ code: 'SYNC_INVALID_OPTION' }))
  })

  it('is closed by await using', async () => {
    const s = new ScriptedAgent()
    const parts = two(s)
    {
      await using both = aggregate(parts)
      expect(both.status.state).toBe('waiting')
    }
    expect(parts[0]?.status.state).toBe('closed')
  })
})
