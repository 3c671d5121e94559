import { beforeEach, describe, expect, it } from '@jest/globals'
import type { Io } from '../../../src/api/transport.ts'
import { Continuity } from '../../../src/engine/continuity.ts'
import { RefusalBackoff } from '../../../src/engine/refusal-backoff.ts'
import { ResyncDebt } from '../../../src/engine/resync-debt.ts'
import type { ResyncGate, ResyncTarget } from '../../../src/engine/resync-gate.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

describe('the RESYNC that is owed', () => {
  let debtor: { closed: boolean; sourceLive: boolean }
  let told: string[]
  let continuity: Continuity
  let backoff: RefusalBackoff
  let debt: ResyncDebt

  beforeEach(() => {
    debtor = { closed: false, sourceLive: true }
    told = []
    continuity = new Continuity()
    const io = { clock: new FakeClock(), random: () => 0.5 } as unknown as Io
    backoff = new RefusalBackoff(io, { backoffOver: () => {} })
    const gate: ResyncGate = {
      started: true,
      resync: () => Promise.reject(new Error('not asked for')),
      due: (_, reason, origin) => told.push(`${reason} of ${origin}`),
      ended: () => {},
      changed: () => {},
    }
    debt = new ResyncDebt(debtor as ResyncTarget, gate, continuity, backoff)
  })

  function start(): void {
    debt.oweStartup()
    debt.pay()
    continuity.resynced()
    continuity.confirmed()
    told.length = 0
  }

  it('the first is the startup, owed once everything is listed, whatever else is owed', () => {
    debtor.sourceLive = false
    debt.oweStartup()
    debt.owe('prefix-changed', 'own')
    expect([debt.any, told]).toEqual([false, []])
    debtor.sourceLive = true
    debt.owe('prefix-changed', 'own')
    debt.oweStartup()
    expect(told).toEqual(['startup of source'])
    expect(debt.pay()).toBe('startup')
    debt.add('requested')
    expect(debt.pay()).toBe('startup')
    continuity.resynced()
    debt.oweStartup()
    expect(debt.any).toBe(false)
  })

  it('none is owed at first where a checkpoint may stand for it', () => {
    continuity.resume()
    debt.oweStartup()
    expect(debt.any).toBe(false)
  })

  it('one RESYNC serves all reasons and bears the earliest', () => {
    start()
    debt.owe('overflow', 'own')
    debt.owe('compacted', 'source')
    debt.owe('overflow', 'own')
    expect(told).toEqual(['overflow of own', 'compacted of source', 'overflow of own'])
    expect(debt.grant()).toBe(true)
    expect(debt.pay()).toBe('overflow')
    expect([debt.any, debt.granted]).toEqual([false, false])
  })

  it('is never granted while nothing is owed', () => {
    start()
    expect([debt.grant(), debt.granted, debt.revoke()]).toEqual([false, false, false])
    debt.add('refused')
    expect([debt.grant(), debt.granted]).toEqual([true, true])
    debt.forgive()
    expect([debt.any, debt.granted]).toEqual([false, false])
    debt.add('refused')
    debt.add('requested')
    debt.grant()
    debt.forgive()
    expect([debt.any, debt.granted]).toEqual([true, true])
    expect([debt.revoke(), debt.granted]).toEqual([true, false])
    expect(debt.pay()).toBe('requested')
  })

  it('in a back-off the orchestrator hears of a new list only, and of the rest at the end', () => {
    start()
    backoff.begin(undefined)
    debt.owe('overflow', 'own')
    expect(told).toEqual([])
    debt.owe('reconnected', 'source')
    backoff.end()
    debt.backoffOver()
    expect(told).toEqual(['reconnected of source', 'overflow of own'])
    debt.pay()
    debt.backoffOver()
    expect(told).toHaveLength(2)
  })

  it('one that the receiver reported is known until it is delivered', () => {
    start()
    debt.report()
    expect([debt.any, debt.reported]).toEqual([true, true])
    expect(debt.pay()).toBe('refused')
    expect(debt.reported).toBe(false)
  })

  it('a voided one is owed again, unless the receiver has what it needs or a list will bring it', () => {
    start()
    debt.oweVoided()
    expect(debt.any).toBe(false)
    continuity.broke()
    debtor.sourceLive = false
    debt.oweVoided()
    expect(debt.any).toBe(false)
    debtor.sourceLive = true
    debt.oweVoided()
    debt.oweVoided()
    expect(told).toEqual(['prefix-changed of own'])
  })

  it('nothing is owed after a close', () => {
    start()
    debtor.closed = true
    debt.owe('overflow', 'own')
    expect([debt.any, told]).toEqual([false, []])
  })
})
