import { describe, expect, it } from '@jest/globals'
import type { Answer, Recorded, Recorder } from '../../../src/testing/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

const hold = (event: Recorded): Answer => (event.value === 'hold' ? 'hold' : 'ack')

function narrow(seen: Recorder): void {
  seen.check.narrowed(seen.registration.prefixes)
}

describe('register', () => {
  it('before start: one startup RESYNC holds everything', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    await seen.registration.register('/b/')
    await s.start(['/a/x', '1', 1], ['/b/x', '1', 1])
    expect(seen.lines()).toEqual(['resync startup'])
    expect(seen.events[0]?.values).toEqual({ '/a/': ['/a/x=1'], '/b/': ['/b/x=1'] })
    expect(s.stream().prefixes).toEqual(['/a/', '/b/'])
    expect(s.transport.script.streams).toHaveLength(1)
  })

  it('live: lists the new prefix on a stream of its own, then one RESYNC; others are not disturbed', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    const other = s.watch('other', '/a/')
    await s.start(['/a/x', '1', 1])
    await seen.registration.register('/b/')
    await s.settle()
    expect(s.stream(1).prefixes).toEqual(['/b/'])
    // Meanwhile the old prefix goes on.
    s.stream(0).changes([['put', '/a/x', '2', 2]])
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'put /a/x=2 (1)'])
    s.stream(1)
      .pairs([['/b/x', '1', 1]])
      .listed()
    await s.settle()
    expect(seen.lines().slice(2)).toEqual(['resync prefix-changed'])
    expect(seen.events[2]?.values).toEqual({ '/a/': ['/a/x=2'], '/b/': ['/b/x=1'] })
    s.stream(1).changes([['put', '/b/x', '2', 2]])
    s.stream(0).changes([['put', '/a/x', '3', 3]])
    await s.settle()
    expect(seen.lines().slice(3).sort()).toEqual(['put /a/x=3 (2)', 'put /b/x=2 (1)'])
    expect(other.lines()).toEqual(['resync startup', 'put /a/x=2 (1)', 'put /a/x=3 (2)'])
    expect(s.violations).toEqual([])
  })

  it('several before the RESYNC: one, with all; the old prefix never stops', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    await s.start()
    await seen.registration.register('/b/')
    await s.settle()
    await seen.registration.register('/c/')
    await s.settle()
    s.stream(0).changes([['put', '/a/x', '1', 1]])
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'put /a/x=1'])
    s.stream(1).listed()
    await s.settle()
    expect(seen.events).toHaveLength(2)
    s.stream(2).listed()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'put /a/x=1', 'resync prefix-changed'])
    expect(Object.keys(seen.events[2]?.values ?? {})).toEqual(['/a/', '/b/', '/c/'])
    expect(s.violations).toEqual([])
  })

  it('a wider prefix takes the place of what it covers, without a change lost or told twice', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/b/')
    await s.start(['/a/b/x', '1', 1])
    await seen.registration.register('/a/')
    await s.settle()
    s.stream(1).pairs([
      ['/a/b/x', '1', 1],
      ['/a/y', '1', 1],
    ])
    s.stream(0).changes([['put', '/a/b/x', '2', 2]])
    await s.settle()
    s.stream(1).listed()
    await s.settle()
    s.stream(1).changes([
      ['put', '/a/b/x', '2', 2],
      ['put', '/a/b/x', '3', 3],
    ])
    s.stream(0).changes([['put', '/a/b/x', '3', 3]])
    await s.settle()
    expect(seen.lines().slice(0, 3)).toEqual([
      'resync startup',
      'put /a/b/x=2 (1)',
      'resync prefix-changed',
    ])
    // The new list was older: the change comes again, from there.
    expect(seen.lines().slice(3)).toEqual(['put /a/b/x=2 (1)', 'put /a/b/x=3 (2)'])
    expect(s.stream(0).isClosed).toBe(true)
    expect(s.violations).toEqual([])
  })

  it('of what another registration watches already: no new list', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    s.watch('other', '/b/')
    await s.start(['/b/x', '1', 1])
    await seen.registration.register('/b/x')
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'resync prefix-changed'])
    expect(s.transport.script.streams).toHaveLength(1)
    expect(s.violations).toEqual([])
  })

  it('a known prefix is no event', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', ['/a/', '/a/'])
    await s.start()
    await seen.registration.register('/a/')
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup'])
    expect(seen.registration.prefixes).toEqual(['/a/'])
  })

  it('during an open RESYNC: that one stands, the next holds the new prefix', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/', {}, { answer: () => 'hold' })
    s.stream(0).listed()
    const started = s.begin()
    await s.settle()
    await seen.registration.register('/b/')
    await s.settle()
    s.stream(1)
      .pairs([['/b/x', '1', 1]])
      .listed()
    await s.settle()
    expect(seen.events[0]?.aborted).toBe(false)
    seen.answer('ack')
    seen.events[0]?.ack()
    await s.settle()
    expect((await started).turns[0]?.outcome).toBe('acked')
    expect(seen.lines()).toEqual(['resync startup', 'resync prefix-changed'])
    expect(s.violations).toEqual([])
  })

  it('in a back-off: one RESYNC, at its end', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/', {}, { answer: (_, i) => (i === 0 ? 'refuse' : 'ack') })
    await s.start()
    await seen.registration.register('/b/')
    await s.settle()
    s.stream(1).listed()
    await s.run(99)
    expect(seen.events).toHaveLength(1)
    await s.run(1)
    expect(seen.lines()).toEqual(['resync startup', 'resync refused'])
    expect(Object.keys(seen.events[1]?.values ?? {})).toEqual(['/a/', '/b/'])
    expect(s.violations).toEqual([])
  })

  it('while the new prefix is out of reach, the old one goes on; its back-off is its own', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    await s.start()
    s.stream(1).fail(new Error('no'))
    await seen.registration.register('/b/')
    await s.settle()
    s.stream(0).changes([['put', '/a/x', '1', 1]])
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'put /a/x=1'])
    expect(s.stream(0).isClosed).toBe(false)
    s.stream(2).listed()
    await s.run(10)
    expect(seen.lines().at(-1)).toBe('resync prefix-changed')
  })

  it('closed meanwhile: rejected', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    await s.start()
    await seen.registration.close()
    await expect(seen.registration.register('/b/')).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await expect(seen.registration.unregister('/a/')).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })
})

describe('unregister', () => {
  it('before start: never listed', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', ['/a/', '/b/'])
    await seen.registration.unregister('/b/')
    await s.start(['/a/x', '1', 1], ['/b/x', '1', 1])
    expect(seen.events[0]?.values).toEqual({ '/a/': ['/a/x=1'] })
    s.stream().changes([
      ['put', '/b/x', '2', 2],
      ['put', '/a/x', '2', 2],
    ])
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'put /a/x=2 (1)'])
  })

  it('gives no event; what is queued of other prefixes stays', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', ['/a/', '/a/b/', '/c/'], {}, { answer: hold })
    await s.start()
    s.stream().changes([
      ['put', '/c/x', 'hold', 1],
      ['put', '/a/x', '1', 2],
      ['put', '/a/b/x', '1', 3],
    ])
    await s.settle()
    await seen.registration.unregister('/a/')
    narrow(seen)
    expect(seen.registration.status.pending).toBe(1)
    seen.events[1]?.ack()
    s.stream().changes([
      ['put', '/a/y', '1', 4],
      ['put', '/a/b/y', '1', 5],
    ])
    await s.settle()
    expect(seen.changes().slice(1)).toEqual(['put /a/b/x=1', 'put /a/b/y=1'])
    expect(s.violations).toEqual([])
  })

  it.each(['resync', 'retry', 'continue'] as const)(
    "%s: of the open change's key: its refusal tells nothing again",
    async (onRefusal) => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', ['/a/', '/c/'], { onRefusal }, { answer: hold })
      await s.start()
      s.stream().changes([
        ['put', '/a/x', 'hold', 1],
        ['put', '/c/x', '1', 2],
      ])
      await s.settle()
      await seen.registration.unregister('/a/')
      narrow(seen)
      seen.events[1]?.event.done(new Error('no'))
      await s.run(10_000)
      const rest = onRefusal === 'resync' ? 'resync refused' : 'put /c/x=1'
      expect(seen.lines()).toEqual(['resync startup', 'put /a/x=hold', rest])
      expect(seen.registration.status.state).toBe('live')
    },
  )

  it('in the back-off of a retry: the refused change does not come again', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'r',
      ['/a/', '/c/'],
      { onRefusal: 'retry' },
      { answer: (e) => (e.key === '/a/x' ? 'refuse' : 'ack') },
    )
    await s.start()
    s.stream().changes([
      ['put', '/a/x', '1', 1],
      ['put', '/c/x', '1', 2],
    ])
    await s.settle()
    await seen.registration.unregister('/a/')
    await s.run(10_000)
    expect(seen.lines()).toEqual(['resync startup', 'put /a/x=1', 'put /c/x=1'])
  })

  it('of a prefix that is being registered: the other one goes on', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    await s.start()
    await seen.registration.register('/b/')
    await s.settle()
    await seen.registration.unregister('/b/')
    await s.settle()
    expect(s.stream(1).isClosed).toBe(true)
    s.stream(0).changes([['put', '/a/x', '1', 1]])
    await s.settle()
    expect(seen.fold()).toEqual(['/a/x=1'])
    expect(seen.registration.status.state).toBe('live')
    expect(s.violations).toEqual([])
  })

  it('of one prefix while a wider one is being registered: changes go on until its RESYNC', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', ['/a/b/', '/c/'])
    await s.start()
    await seen.registration.register('/a/')
    await seen.registration.unregister('/c/')
    narrow(seen)
    await s.settle()
    s.stream(0).changes([
      ['put', '/a/b/x', '1', 1],
      ['put', '/c/x', '1', 2],
    ])
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'put /a/b/x=1'])
    s.stream(1)
      .pairs([['/a/b/x', '1', 1]])
      .listed()
    await s.settle()
    expect(seen.lines().at(-1)).toBe('resync prefix-changed')
    expect(seen.fold()).toEqual(['/a/b/x=1'])
    expect(s.violations).toEqual([])
  })

  it('of everything: no prefix, no stream, no event; and back again', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    await s.start(['/a/x', '1', 1])
    await seen.registration.unregister('/a/')
    narrow(seen)
    await s.settle()
    expect(s.stream(0).isClosed).toBe(true)
    expect(seen.registration.status.state).toBe('live')
    await seen.registration.register('/a/')
    await s.settle()
    s.stream(1)
      .pairs([['/a/x', '2', 2]])
      .listed()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'resync prefix-changed'])
    expect(s.violations).toEqual([])
  })

  it('of the prefix whose list the registration waits for: it is live without it', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 10 } })
    const seen = s.watch('r', '/a/')
    s.stream(0).listed()
    await s.start()
    await seen.registration.register('/b/')
    await s.settle()
    s.stream(0).reset('compacted')
    await s.settle()
    // The source of /a/ lists anew, which will never end.
    await seen.registration.unregister('/a/')
    narrow(seen)
    s.stream(1)
      .pairs([['/b/x', '1', 1]])
      .listed()
    await s.run(100)
    expect(seen.fold()).toEqual(['/b/x=1'])
    expect(seen.registration.status.state).toBe('live')
  })

  it('of the prefix whose reset voided a RESYNC: the rest gets its RESYNC', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/')
    await s.start()
    s.stream(1)
      .pairs([['/b/x', '1', 1]])
      .listed()
    seen.answer('hold')
    await seen.registration.register('/b/')
    await s.settle()
    expect(seen.lines().at(-1)).toBe('resync prefix-changed')
    s.stream(0).reset('compacted')
    await s.settle()
    expect(seen.events[1]?.aborted).toBe(true)
    seen.answer('ack')
    await seen.registration.unregister('/a/')
    narrow(seen)
    await s.settle()
    expect(seen.events).toHaveLength(3)
    expect(seen.fold()).toEqual(['/b/x=1'])
    expect(seen.registration.status.state).toBe('live')
    expect(s.violations).toEqual([])
  })
})
