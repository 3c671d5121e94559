import { describe, expect, it } from '@jest/globals'
import { acknowledge, diff } from '../../../src/index.ts'
import type { ChangeEvent, WatchOptions } from '../../../src/index.ts'
import { textOf } from '../../../src/testing/text.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

interface Diffed {
  readonly s: ScriptedAgent
  readonly seen: string[]
  readonly events: ChangeEvent[]
  /** What the handler does with the next ones. */
  answer: (event: ChangeEvent) => 'ack' | 'refuse' | 'hold'
}

function diffed(watch: WatchOptions = {}): Diffed {
  const s = new ScriptedAgent()
  const result: Diffed = { s, seen: [], events: [], answer: () => 'ack' }
  s.agent
    .watch('r', '/', watch)
    .events$.pipe(diff())
    .subscribe((event) => {
      result.events.push(event)
      const value = event.changeType === 'put' ? `=${textOf(event)}` : ''
      const prev = event.prev === undefined ? '' : ` (${textOf(event.prev)})`
      result.seen.push(`${event.changeType} ${event.key}${value}${prev}`)
      const answer = result.answer(event)
      if (answer === 'ack') event.done()
      else if (answer === 'refuse') event.done(new Error('no'))
    })
  return result
}

describe('diff()', () => {
  it('turns RESYNCs into the changes from the fold before: deletes first (W7), nothing for what is the same', async () => {
    const d = diffed()
    await d.s.start(['/a', '1', 1], ['/b', '1', 1], ['/c', '1', 1])
    expect(d.seen.splice(0)).toEqual(['put /a=1', 'put /b=1', 'put /c=1'])
    d.s.stream().changes([['put', '/b', '2', 2]])
    await d.s.settle()
    d.s
      .stream()
      .reset('compacted')
      .pairs([
        ['/b', '2', 2],
        ['/c', '3', 3],
        ['/d', '1', 4],
      ])
      .listed()
    await d.s.settle()
    expect(d.seen).toEqual(['put /b=2 (1)', 'delete /a (1)', 'put /c=3 (1)', 'put /d=1'])
    expect(d.s.agent.health().status).toBe('ok')
  })

  it('the RESYNC is done when all changes are, one at a time', async () => {
    const d = diffed({ doneTimeoutMs: { resync: 0 } })
    d.answer = () => 'hold'
    d.s
      .stream()
      .pairs([
        ['/a', '1', 1],
        ['/b', '1', 1],
      ])
      .listed()
    const started = d.s.begin()
    await d.s.settle()
    expect(d.seen).toEqual(['put /a=1'])
    d.events[0]?.done()
    d.events[0]?.done(new Error('only the first word counts'))
    await d.s.settle()
    expect(d.seen).toEqual(['put /a=1', 'put /b=1'])
    expect(d.s.agent.health().registrations[0]?.lastResync?.outcome).toBe('open')
    d.events[1]?.done()
    await d.s.settle()
    expect((await started).turns[0]?.outcome).toBe('acked')
  })

  it('a RESYNC without differences is acknowledged', async () => {
    const d = diffed()
    await d.s.start(['/a', '1', 1])
    const resync = d.s.agent.resync()
    await d.s.settle()
    expect((await resync).turns[0]?.outcome).toBe('acked')
    expect(d.seen).toEqual(['put /a=1'])
  })

  it('a refused change refuses the RESYNC; the next tells it again, and what was not reached', async () => {
    const d = diffed()
    d.answer = (event) => (event.key === '/b' ? 'refuse' : 'ack')
    await d.s.start(['/a', '1', 1], ['/b', '1', 1], ['/c', '1', 1])
    expect(d.seen.splice(0)).toEqual(['put /a=1', 'put /b=1'])
    d.answer = () => 'ack'
    await d.s.run(100)
    expect(d.seen).toEqual(['put /b=1', 'put /c=1'])
  })

  it('a refused CHANGE is told again by the RESYNC', async () => {
    const d = diffed()
    await d.s.start(['/a', '1', 1])
    d.answer = () => 'refuse'
    d.s.stream().changes([['put', '/a', '2', 2]])
    await d.s.settle()
    d.answer = () => 'ack'
    await d.s.run(100)
    expect(d.seen).toEqual(['put /a=1', 'put /a=2 (1)', 'put /a=2 (1)'])
  })

  it('retry: the repeated CHANGE has the same previous value', async () => {
    const d = diffed({ onRefusal: 'retry' })
    await d.s.start(['/a', '1', 1])
    d.answer = () => 'refuse'
    d.s.stream().changes([['delete', '/a', 2]])
    await d.s.settle()
    d.answer = () => 'ack'
    await d.s.run(100)
    expect(d.seen).toEqual(['put /a=1', 'delete /a (1)', 'delete /a (1)'])
  })

  it('a reset in the middle of a RESYNC: the rest is not told, the next one tells what is missing', async () => {
    const d = diffed()
    d.answer = (event) => (event.key === '/b' ? 'hold' : 'ack')
    d.s
      .stream()
      .pairs([
        ['/a', '1', 1],
        ['/b', '1', 1],
        ['/c', '1', 1],
      ])
      .listed()
    void d.s.begin()
    await d.s.settle()
    d.s.stream().reset('compacted')
    await d.s.settle()
    expect(d.events[1]?.signal.aborted).toBe(true)
    d.events[1]?.done()
    await d.s.settle()
    expect(d.seen.splice(0)).toEqual(['put /a=1', 'put /b=1'])
    d.s
      .stream()
      .pairs([
        ['/b', '1', 1],
        ['/c', '1', 1],
      ])
      .listed()
    await d.s.settle()
    expect(d.seen).toEqual(['delete /a (1)', 'put /c=1'])
  })

  it('a word that comes after the next event changes nothing: no phantom is deleted later', async () => {
    const d = diffed({ doneTimeoutMs: { change: 50 } })
    await d.s.start()
    d.answer = () => 'hold'
    d.s.stream().changes([['put', '/a', '1', 1]])
    await d.s.settle()
    await d.s.run(50)
    d.s.stream().changes([['delete', '/a', 2]])
    d.answer = () => 'ack'
    await d.s.run(100)
    d.events[0]?.done()
    d.s.stream().reset('compacted').listed()
    await d.s.settle()
    expect(d.seen).toEqual(['put /a=1'])
  })

  it('a late word in the back-off counts as everywhere', async () => {
    const d = diffed({ doneTimeoutMs: { change: 50 } })
    await d.s.start()
    d.answer = () => 'hold'
    d.s.stream().changes([['put', '/a', '1', 1]])
    await d.s.settle()
    await d.s.run(50)
    d.events[0]?.done()
    d.answer = () => 'ack'
    d.s.stream().changes([['put', '/a', '2', 2]])
    await d.s.settle()
    d.s
      .stream()
      .reset('compacted')
      .pairs([['/a', '2', 2]])
      .listed()
    await d.s.settle()
    expect(d.seen).toEqual(['put /a=1', 'put /a=2 (1)'])
  })

  it('works with acknowledge(); a long RESYNC is no recursion (W24)', async () => {
    const s = new ScriptedAgent()
    let count = 0
    s.agent
      .watch('r', '/')
      .events$.pipe(
        diff(),
        acknowledge(() => void count++),
      )
      .subscribe()
    s.stream()
      .pairs(Array.from({ length: 20_000 }, (_, i) => [`/${i}`, '1', 1] as const))
      .listed()
    const started = s.begin()
    while (count < 20_000) await s.settle()
    expect((await started).turns[0]?.outcome).toBe('acked')
  })

  it('a key under two prefixes is one change', async () => {
    const s = new ScriptedAgent()
    const keys: string[] = []
    s.agent
      .watch('r', ['/', '/a/'])
      .events$.pipe(diff())
      .subscribe((event) => {
        keys.push(event.key)
        event.done()
      })
    await s.start(['/a/x', '1', 1])
    expect(keys).toEqual(['/a/x'])
  })
})
