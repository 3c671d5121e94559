import { describe, expect, it } from '@jest/globals'
import { Backlog } from '../../../src/engine/backlog.ts'
import type { PendingChange } from '../../../src/engine/pending-change.ts'
import { Answers, change, shown } from '../../support/pending-changes.ts'

const backlogOf = (delivery: 'all' | 'latest'): Backlog =>
  new Backlog('r', { delivery, queueLimit: 3, queueBytes: 10 })

function take(backlog: Backlog): PendingChange {
  const next = backlog.next()
  if (next === undefined) throw new Error('nothing waits')
  return next
}

describe('the backlog', () => {
  it('is overfull past one of its limits, of the queue alone', () => {
    const backlog = backlogOf('all')
    for (let i = 0; i < 3; i++) backlog.push(change('/a', undefined, '1'))
    backlog.repeat(take(backlog))
    backlog.push(change('/a', undefined, '1'))
    expect([backlog.size, backlog.overfull]).toEqual([4, false])
    backlog.push(change('/a', undefined, '1'))
    expect([backlog.size, backlog.overfull]).toEqual([5, true])
    const heavy = backlogOf('all')
    heavy.push(change('/a', undefined, '1234567890'))
    expect([heavy.bytes, heavy.overfull]).toEqual([10, false])
    heavy.push(change('/b', undefined, '1'))
    expect([heavy.bytes, heavy.overfull]).toEqual([11, true])
  })

  it('a refused change goes before all others, so often and no more', () => {
    const backlog = backlogOf('all')
    backlog.push(change('/a', undefined, '1'))
    backlog.push(change('/a', '1', '2'))
    for (let refusals = 0; refusals < 2; refusals++) {
      const refused = take(backlog)
      expect([shown(refused), backlog.mayRepeat(2)]).toEqual(['/a -→1', true])
      backlog.repeat(refused)
      expect([shown(backlog.first), backlog.all().map(shown)]).toEqual([
        '/a -→1',
        ['/a -→1', '/a 1→2'],
      ])
    }
    expect([shown(take(backlog)), backlog.mayRepeat(2)]).toEqual(['/a -→1', false])
    expect([shown(take(backlog)), backlog.mayRepeat(2)]).toEqual(['/a 1→2', true])
    expect(backlog.empty).toBe(true)
  })

  it('latest: what comes before and after the refusal is part of the repetition', () => {
    const backlog = backlogOf('latest')
    backlog.push(change('/a', undefined, '1'))
    const refused = take(backlog)
    backlog.push(change('/b', undefined, '1'))
    backlog.push(change('/a', '1', '2'))
    backlog.repeat(refused)
    expect(backlog.all().map(shown)).toEqual(['/a -→2', '/b -→1'])
    backlog.push(change('/a', '2', '3'))
    expect(backlog.all().map(shown)).toEqual(['/a -→3', '/b -→1'])
  })

  it('latest: a repetition with nothing left to tell is answered and passed over', () => {
    const backlog = backlogOf('latest')
    const answers = new Answers()
    backlog.push(change('/a', '0', '1'))
    backlog.push(change('/b', undefined, '1'))
    backlog.repeat(take(backlog))
    backlog.push({ ...change('/a', '1', '0'), tickets: [answers.ticket('back')] })
    expect([backlog.size, shown(backlog.first), backlog.empty]).toEqual([1, '/b -→1', false])
    expect(answers.seen).toEqual(['back'])
    expect([shown(take(backlog)), backlog.mayRepeat(1)]).toEqual(['/b -→1', true])
    expect(backlog.empty).toBe(true)
  })

  it('taken after all: what became of the change since is told, and nothing else', () => {
    const backlog = backlogOf('latest')
    backlog.push(change('/a', undefined, '1'))
    backlog.repeat(take(backlog))
    backlog.acknowledgedLate()
    expect(backlog.empty).toBe(true)
    backlog.push(change('/a', '1', '2'))
    backlog.repeat(take(backlog))
    backlog.push(change('/a', '2', '3'))
    backlog.acknowledgedLate()
    expect(backlog.all().map(shown)).toEqual(['/a 2→3'])
  })

  it('what nothing covers any more is answered and dropped, the repetition too', () => {
    const backlog = backlogOf('all')
    const answers = new Answers()
    for (const key of ['/a/1', '/b/1', '/a/2']) {
      backlog.push({ ...change(key, undefined, '1'), tickets: [answers.ticket(key)] })
    }
    backlog.repeat(take(backlog))
    backlog.keepOnly({ covers: (key) => key.startsWith('/b') })
    expect(backlog.all().map(shown)).toEqual(['/b/1 -→1'])
    expect(answers.seen.toSorted()).toEqual(['/a/1', '/a/2'])
  })

  it('no write is forgotten: the RESYNC answers for what is given up, a close lets all go', () => {
    const backlog = backlogOf('all')
    const answers = new Answers()
    const push = (write: string): void =>
      backlog.push({ ...change('/a', undefined, '1'), tickets: [answers.ticket(write)] })
    push('refused')
    push('queued')
    backlog.repeat(take(backlog))
    backlog.leaveTickets([answers.ticket('between')])
    backlog.leaveToResync()
    expect([backlog.empty, backlog.bytes]).toEqual([true, 0])
    for (const ticket of backlog.takeTickets()) ticket.settle()
    expect(answers.seen).toEqual(['between', 'refused', 'queued'])
    expect(backlog.takeTickets()).toEqual([])
    answers.seen.length = 0
    push('again refused')
    push('again queued')
    backlog.repeat(take(backlog))
    backlog.leaveTickets([answers.ticket('for a RESYNC')])
    backlog.close()
    expect(answers.seen.toSorted()).toEqual([
      'again queued left',
      'again refused left',
      'for a RESYNC left',
    ])
  })
})
