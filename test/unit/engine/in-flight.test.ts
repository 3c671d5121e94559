import { beforeEach, describe, expect, it } from '@jest/globals'
import { describeError } from '../../../src/api/errors.ts'
import type { Io } from '../../../src/api/transport.ts'
import { InFlight } from '../../../src/engine/in-flight.ts'
import type { OpenEvent } from '../../../src/engine/open-event.ts'
import { Receivers } from '../../../src/engine/receivers.ts'
import type { SyncEvent } from '../../../src/engine/receivers.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { Answers, change } from '../../support/pending-changes.ts'

describe('the event in flight', () => {
  let clock: FakeClock
  let receivers: Receivers
  let inFlight: InFlight
  let told: string[]
  let answers: Answers
  let received: SyncEvent[]

  beforeEach(() => {
    clock = new FakeClock()
    answers = new Answers()
    told = answers.seen
    received = []
    receivers = new Receivers({ begun: () => {}, abandoned: () => {} })
    inFlight = new InFlight(
      {
        name: 'r',
        acknowledged: (event) => told.push(`${event.kind} acknowledged`),
        refused: (event, result, error) =>
          told.push(`${event.kind} ${result}: ${describeError(error)}`),
        settled: () => told.push('settled'),
        answeredLate: (event) => told.push(`${event.kind} late`),
        working: () => told.push('working'),
      },
      { transportName: 't', io: { clock } as unknown as Io, instrumentation: {} },
      receivers,
      { changeTimeoutMs: 100, resyncTimeoutMs: 0 },
    )
  })

  const hold = (): void => void receivers.events$.subscribe((event) => received.push(event))

  function handChange(): SyncEvent {
    inFlight.handChange({ ...change('/a', undefined, '1'), tickets: [answers.ticket('write')] })
    return received.at(-1) as SyncEvent
  }

  function handResync(): SyncEvent {
    inFlight.handResync('startup', new Map(), 0, [answers.ticket('write')])
    return received.at(-1) as SyncEvent
  }

  it('its first answer counts; the writes hear of it before what follows', () => {
    hold()
    const event = handChange()
    expect([inFlight.event?.kind, told]).toEqual(['change', []])
    event.done()
    expect(inFlight.event).toBeUndefined()
    expect(told.splice(0)).toEqual(['change acknowledged', 'write', 'settled'])
    event.done(new Error('second thoughts'))
    clock.advance(1_000)
    expect(told).toEqual(['change late'])
  })

  it('nobody wants this kind: acknowledged', () => {
    receivers.resyncs$.subscribe((event) => received.push(event))
    handChange()
    expect(told).toEqual(['change acknowledged', 'write', 'settled'])
  })

  it('its time begins when all have been told, and again with every working()', () => {
    hold()
    receivers.events$.subscribe(() => clock.advance(90))
    const event = handChange()
    expect(inFlight.restMs).toBe(100)
    clock.advance(90)
    event.working()
    clock.advance(90)
    expect([inFlight.restMs, told]).toEqual([10, ['working']])
    clock.advance(10)
    expect(told.slice(1)).toEqual([
      expect.stringMatching(/^change timeout: .*r: done of a change/),
      expect.stringMatching(/^write: /),
      'settled',
    ])
    event.working()
    event.done()
    expect([inFlight.restMs, told.slice(4)]).toEqual([0, ['change late']])
  })

  it('nothing bounds one whose timeout is 0', () => {
    hold()
    handResync()
    clock.advance(1_000_000)
    expect([inFlight.restMs, inFlight.event?.kind, told]).toEqual([0, 'resync', []])
  })

  it('a throw refuses it, and who comes behind hears of it all the same', () => {
    receivers.handle({
      change: () => {
        throw new Error('no')
      },
    })
    hold()
    const event = handChange()
    expect(told.splice(0)).toEqual(['change refused: no', 'write: no', 'settled'])
    expect(event.kind).toBe('change')
  })

  it('one that is taken away keeps its writes and hears no answer', () => {
    hold()
    const event = handResync()
    const taken = inFlight.take() as OpenEvent
    expect([inFlight.event, taken.takeTickets()?.length, taken.takeTickets()]).toEqual([
      undefined,
      1,
      undefined,
    ])
    event.done()
    expect(told).toEqual(['resync late'])
  })

  it('the time of one that has ended is not that of the next', () => {
    hold()
    handChange().done()
    handResync()
    clock.advance(1_000)
    inFlight.take()
    handChange()
    inFlight.take()
    handResync()
    clock.advance(1_000)
    expect([inFlight.event?.kind, told]).toEqual([
      'resync',
      ['change acknowledged', 'write', 'settled'],
    ])
  })

  it('leaves no timer behind', () => {
    const answering = receivers.handle({ change: () => {} })
    handChange()
    expect(clock.pending).toBe(0)
    answering.unsubscribe()
    hold()
    handChange()
    expect(clock.pending).toBe(1)
    expect(inFlight.close()?.kind).toBe('change')
    expect([clock.pending, inFlight.event]).toEqual([0, undefined])
  })
})
