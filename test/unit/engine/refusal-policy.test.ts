import { beforeEach, describe, expect, it } from '@jest/globals'
import type { Io } from '../../../src/api/transport.ts'
import { Backlog } from '../../../src/engine/backlog.ts'
import { Continuity } from '../../../src/engine/continuity.ts'
import type { OpenEvent } from '../../../src/engine/open-event.ts'
import type { PendingChange } from '../../../src/engine/pending-change.ts'
import { RefusalBackoff } from '../../../src/engine/refusal-backoff.ts'
import { RefusalPolicy } from '../../../src/engine/refusal-policy.ts'
import { ResyncDebt } from '../../../src/engine/resync-debt.ts'
import type { ResyncTarget } from '../../../src/engine/resync-gate.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { change, shown } from '../../support/pending-changes.ts'

const late = {} as OpenEvent

describe('what a refusal leads to', () => {
  let covered: boolean
  let continuity: Continuity
  let backlog: Backlog
  let debt: ResyncDebt
  let backoff: RefusalBackoff
  let clock: FakeClock

  beforeEach(() => {
    covered = true
    continuity = new Continuity()
    continuity.resynced()
    continuity.confirmed()
    backlog = new Backlog('r', { delivery: 'all', queueLimit: 10, queueBytes: 1_000 })
    backlog.push(change('/a', undefined, '1'))
    clock = new FakeClock()
    const io = { clock, random: () => 0.5 } as unknown as Io
    backoff = new RefusalBackoff(io, { backoffOver: () => {} })
    const gate = {
      started: true,
      resync: () => Promise.reject(new Error('not asked for')),
      due: () => {},
      ended: () => {},
      changed: () => {},
    }
    const debtor = { closed: false, sourceLive: true } as ResyncTarget
    debt = new ResyncDebt(debtor, gate, continuity, backoff)
  })

  const policy = (onRefusal: 'resync' | 'retry' | 'continue'): RefusalPolicy =>
    new RefusalPolicy(
      { onRefusal, maxRetries: 1 },
      { covers: () => covered },
      continuity,
      backlog,
      debt,
      backoff,
    )

  const refused = (): PendingChange => backlog.next() as PendingChange

  const state = (): unknown => ({
    pause: backoff.active,
    intact: continuity.intact,
    owes: debt.any,
    next: shown(backlog.first),
  })
  const GOES_ON = { pause: false, intact: true, owes: false, next: 'nothing' }
  const REPEATS = { pause: true, intact: true, owes: false, next: '/a -→1' }
  const RESYNCS = { pause: true, intact: false, owes: true, next: 'nothing' }

  it('continue: nothing', () => {
    policy('continue').changeRefused(refused(), late)
    expect(state()).toEqual(GOES_ON)
  })

  it('resync: a RESYNC after a pause', () => {
    policy('resync').changeRefused(refused(), undefined)
    expect(state()).toEqual(RESYNCS)
  })

  it('retry: the same change after a pause, so often, then a RESYNC', () => {
    const retry = policy('retry')
    retry.changeRefused(refused(), undefined)
    expect(state()).toEqual(REPEATS)
    backoff.end()
    retry.changeRefused(refused(), undefined)
    expect(state()).toEqual(RESYNCS)
  })

  it('retry: what was unregistered meanwhile does not come again', () => {
    covered = false
    policy('retry').changeRefused(refused(), undefined)
    expect(state()).toEqual(GOES_ON)
  })

  it('after a new list or an overflow: nothing but the RESYNC that these have brought', () => {
    const open = refused()
    continuity.broke()
    policy('retry').changeRefused(open, undefined)
    expect(state()).toEqual({ pause: true, intact: false, owes: false, next: 'nothing' })
  })

  it('a late word takes a repetition back, or the RESYNC', () => {
    for (const onRefusal of ['retry', 'resync'] as const) {
      const tested = policy(onRefusal)
      backlog.leaveToResync()
      backlog.push(change('/a', undefined, '1'))
      tested.changeRefused(refused(), late)
      expect(tested.mayTakeBack(late, undefined)).toBe(true)
      expect(tested.mayTakeBack(late, new Error('no'))).toBe(false)
      expect(tested.mayTakeBack({} as OpenEvent, undefined)).toBe(false)
      expect(tested.takeBack()).toBe(true)
      expect(state()).toEqual(GOES_ON)
      expect(tested.mayTakeBack(late, undefined)).toBe(false)
    }
  })

  it('a late word to a RESYNC counts, unless its data broke since', () => {
    const tested = policy('resync')
    backlog.leaveToResync()
    tested.resyncRefused(late)
    expect(state()).toEqual(RESYNCS)
    tested.takeBack()
    expect(state()).toEqual(GOES_ON)
    tested.resyncRefused(late)
    continuity.broke()
    debt.add('overflow')
    tested.takeBack()
    expect(state()).toEqual({ pause: false, intact: false, owes: true, next: 'nothing' })
  })

  it('what the receiver reported comes, whatever it says afterwards', () => {
    const tested = policy('retry')
    tested.changeRefused(refused(), late)
    const pauseMs = clock.nextInMs
    tested.reported()
    expect(clock.nextInMs).toBe(pauseMs)
    expect(tested.mayTakeBack(late, undefined)).toBe(false)
    backlog.leaveToResync()
    expect(state()).toEqual(RESYNCS)
    tested.resyncRefused(late)
    expect(tested.mayTakeBack(late, undefined)).toBe(true)
    expect(tested.takeBack()).toBe(false)
    expect(tested.mayTakeBack(late, undefined)).toBe(false)
    expect(state()).toEqual(RESYNCS)
  })
})
