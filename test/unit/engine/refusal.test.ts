import { describe, expect, it } from '@jest/globals'
import type { WatchOptions } from '../../../src/index.ts'
import type { Answer, Recorded } from '../../../src/testing/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

const POLICIES = ['resync', 'retry', 'continue'] as const

describe('refusals (C7)', () => {
  it('a refused RESYNC comes again after 1 s, 2 s, … at most 60 s, with jitter', async () => {
    for (const [random, share] of [
      [0, 0.1],
      [0.5, 0.55],
    ] as const) {
      const s = new ScriptedAgent({ agent: { random: () => random } })
      const seen = s.watch('r', '/', {}, { answer: () => 'refuse' })
      await s.start()
      const times: number[] = []
      let before = s.clock.now()
      while (times.length < 9) {
        const count = seen.events.length
        await s.run(s.clock.nextInMs ?? 0)
        if (seen.events.length === count) continue
        times.push((s.clock.now() - before) / share)
        before = s.clock.now()
      }
      const seconds = [1, 2, 4, 8, 16, 32, 60, 60, 60]
      for (const [i, second] of seconds.entries()) expect(times[i]).toBeCloseTo(second * 1_000, 3)
      expect(seen.lines().slice(1)).toEqual(seconds.map(() => 'resync refused'))
      expect(s.violations).toEqual([])
    }
  })

  it('the back-off is over at the next acknowledgement', async () => {
    const s = new ScriptedAgent()
    const answers: Answer[] = ['refuse', 'refuse', 'ack', 'refuse', 'ack']
    const seen = s.watch('r', '/', {}, { answer: (_, i) => answers[i] ?? 'ack' })
    await s.start()
    await s.run(100)
    await s.run(200)
    expect(seen.lines()).toEqual(['resync startup', 'resync refused', 'resync refused'])
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(seen.registration.status.state).toBe('backing-off')
    await s.run(99)
    expect(seen.events).toHaveLength(4)
    await s.run(1)
    expect(seen.lines().slice(3)).toEqual(['put /x=1', 'resync refused'])
    expect(seen.registration.status.refusals).toBe(3)
    expect(s.violations).toEqual([])
  })

  it('resync: changes queue in the back-off and are part of the RESYNC at its end', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', {}, { answer: (e) => (e.value === 'no' ? 'refuse' : 'ack') })
    await s.start()
    s.stream().changes([['put', '/x', 'no', 1]])
    await s.settle()
    s.stream().changes([['put', '/y', '1', 2]])
    await s.settle()
    expect(seen.registration.status).toMatchObject({ state: 'backing-off', pending: 1 })
    await s.run(100)
    expect(seen.lines()).toEqual(['resync startup', 'put /x=no', 'resync refused'])
    expect(seen.fold()).toEqual(['/x=no', '/y=1'])
    expect(s.violations).toEqual([])
  })

  it('retry: the same event, at most maxRetries times, then a RESYNC; nothing overtakes', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'r',
      '/',
      { onRefusal: 'retry', maxRetries: 2 },
      {
        answer: (e) => (e.value === 'no' ? 'refuse' : 'ack'),
      },
    )
    await s.start(['/x', '0', 1])
    s.stream().changes([
      ['put', '/x', 'no', 2],
      ['put', '/y', '1', 3],
    ])
    await s.settle()
    for (const ms of [100, 200]) await s.run(ms)
    expect(seen.changes()).toEqual(['put /x=no (0)', 'put /x=no (0)', 'put /x=no (0)'])
    await s.run(399)
    expect(seen.events).toHaveLength(4)
    await s.run(1)
    expect(seen.lines().at(-1)).toBe('resync refused')
    expect(seen.fold()).toEqual(['/x=no', '/y=1'])
    expect(s.violations).toEqual([])
  })

  it('retry with maxRetries 0 goes to RESYNC at once', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'r',
      '/',
      { onRefusal: 'retry', maxRetries: 0 },
      {
        answer: (e) => (e.kind === 'change' ? 'refuse' : 'ack'),
      },
    )
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    await s.run(100)
    expect(seen.lines()).toEqual(['resync startup', 'put /x=1', 'resync refused'])
    expect(s.violations).toEqual([])
  })

  it('continue: no back-off, the next event at once', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'r',
      '/',
      { onRefusal: 'continue' },
      {
        answer: (e) => (e.kind === 'change' ? 'refuse' : 'ack'),
      },
    )
    await s.start()
    s.stream().changes([
      ['put', '/x', '1', 1],
      ['put', '/x', '2', 2],
      ['delete', '/x', 3],
    ])
    await s.settle()
    expect(seen.changes()).toEqual(['put /x=1', 'put /x=2 (1)', 'delete /x (2)'])
    expect(seen.registration.status).toMatchObject({ state: 'live', refusals: 3 })
    expect(s.violations).toEqual([])
  })

  it.each(POLICIES)(
    '%s: a CHANGE that runs out of time is refused: counted, aborted, reported',
    async (onRefusal) => {
      const s = new ScriptedAgent()
      const seen = s.watch(
        'r',
        '/',
        { onRefusal },
        {
          answer: (e) => (e.kind === 'change' ? 'hold' : 'ack'),
        },
      )
      await s.start()
      s.stream().changes([['put', '/x', '1', 1]])
      await s.settle()
      await s.run(1_999)
      expect(seen.registration.status).toMatchObject({ refusals: 0, inFlight: 1 })
      await s.run(1)
      expect(seen.events[1]?.aborted).toBe(true)
      expect(seen.registration.status).toMatchObject({
        refusals: 1,
        inFlight: 0,
        lastError: { code: 'SYNC_TIMEOUT', timeoutMs: 2_000 },
      })
      expect(s.violations).toEqual([])
    },
  )

  it('a RESYNC has 10 s, working() restarts the time, 0 is never', async () => {
    const s = new ScriptedAgent({ agent: { ackTimeoutMs: 0 } })
    const seen = s.watch('r', '/', {}, { answer: () => 'hold' })
    const patient = s.watch(
      'never',
      '/',
      { doneTimeoutMs: { resync: 0 } },
      { answer: () => 'hold' },
    )
    s.stream().listed()
    void s.begin()
    await s.settle()
    await s.run(9_999)
    seen.events[0]?.event.working()
    await s.run(9_999)
    expect(seen.events[0]?.aborted).toBe(false)
    await s.run(1)
    expect(seen.events[0]?.aborted).toBe(true)
    await s.run(1_000_000)
    expect(patient.lines()).toEqual(['resync startup'])
    expect(patient.events[0]?.aborted).toBe(false)
    patient.events[0]?.event.working()
    expect(patient.registration.status.inFlight).toBe(1)
  })

  it('the time of an event ends with it: the next one, which has none, is not taken for late', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', { doneTimeoutMs: { change: 50, resync: 0 } })
    await s.start()
    seen.answer('hold')
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    await s.run(20)
    seen.events[1]?.ack()
    void s.agent.resync()
    await s.settle()
    await s.run(5_000)
    expect(seen.lines()).toEqual(['resync startup', 'put /x=1', 'resync requested'])
    expect(seen.events[2]?.aborted).toBe(false)
    expect(seen.registration.status.refusals).toBe(0)
  })

  describe('a late done() (C12)', () => {
    const late = async (
      watch: WatchOptions,
      which: 'resync' | 'change',
    ): Promise<{ s: ScriptedAgent; event: Recorded; seen: ReturnType<ScriptedAgent['watch']> }> => {
      const s = new ScriptedAgent({ agent: { ackTimeoutMs: 0 } })
      const seen = s.watch('r', '/', watch, { answer: (e) => (e.kind === which ? 'hold' : 'ack') })
      await s.start()
      s.stream().changes([['put', '/x', '1', 1]])
      await s.settle()
      await s.run(which === 'resync' ? 10_000 : 2_000)
      const event = seen.events[which === 'resync' ? 0 : 1] as Recorded
      expect(event.aborted).toBe(true)
      seen.answer('ack')
      return { s, event, seen }
    }

    it.each(POLICIES)('%s: of a RESYNC in its back-off acknowledges it', async (onRefusal) => {
      const { s, event, seen } = await late({ onRefusal }, 'resync')
      await s.run(50)
      event.ack()
      await s.run(10_000)
      expect(seen.lines()).toEqual(['resync startup', 'put /x=1'])
      expect(seen.registration.status).toMatchObject({
        state: 'live',
        lastResync: { outcome: 'acked' },
      })
      expect(s.violations).toEqual([])
    })

    it.each(['resync', 'retry'] as const)(
      '%s: of a CHANGE in its back-off acknowledges it',
      async (onRefusal) => {
        const { s, event, seen } = await late({ onRefusal }, 'change')
        s.stream().changes([['put', '/x', '2', 2]])
        await s.run(99)
        event.ack()
        await s.run(10_000)
        expect(seen.lines()).toEqual(['resync startup', 'put /x=1', 'put /x=2 (1)'])
        expect(seen.registration.status.state).toBe('live')
        expect(s.violations).toEqual([])
      },
    )

    it('continue: of a CHANGE is ignored, there is no back-off', async () => {
      const { s, event, seen } = await late({ onRefusal: 'continue' }, 'change')
      event.event.done()
      await s.run(10_000)
      expect(seen.lines()).toEqual(['resync startup', 'put /x=1'])
      expect(seen.registration.status).toMatchObject({ state: 'live', refusals: 1 })
    })

    it.each(['resync', 'retry'] as const)(
      '%s: with an error, or after the back-off, is ignored',
      async (onRefusal) => {
        const { s, event, seen } = await late({ onRefusal }, 'change')
        event.event.done(new Error('late'))
        await s.run(99)
        expect(seen.events).toHaveLength(2)
        await s.run(1)
        expect(seen.events).toHaveLength(3)
        event.event.done()
        s.stream().changes([['put', '/x', '2', 2]])
        await s.settle()
        expect(seen.lines().slice(2)).toEqual([
          onRefusal === 'resync' ? 'resync refused' : 'put /x=1',
          'put /x=2 (1)',
        ])
        expect(seen.registration.status.refusals).toBe(1)
      },
    )

    it('of a refused event is ignored: only a timeout can be made up for', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', {}, { answer: (e) => (e.value === 'no' ? 'refuse' : 'ack') })
      await s.start()
      s.stream().changes([['put', '/x', 'no', 1]])
      await s.settle()
      seen.events[1]?.event.done()
      await s.run(100)
      expect(seen.lines().at(-1)).toBe('resync refused')
    })

    it('from the abort listener counts', async () => {
      for (const onRefusal of ['resync', 'retry'] as const) {
        const s = new ScriptedAgent()
        const lines: string[] = []
        const registration = s.agent.watch('r', '/', { onRefusal })
        registration.events$.subscribe((event) => {
          lines.push(event.kind === 'resync' ? event.reason : event.key)
          if (event.kind === 'resync') event.done()
          else event.signal.addEventListener('abort', () => event.done())
        })
        await s.start()
        s.stream().changes([['put', '/x', '1', 1]])
        await s.settle()
        await s.run(20_000)
        expect(lines).toEqual(['startup', '/x'])
      }
    })

    it('lets CHANGEs flow though another RESYNC is owed (prefix-changed, of an unreachable list)', async () => {
      const { s, event, seen } = await late({}, 'resync')
      await seen.registration.register('elsewhere/')
      event.ack()
      await s.settle()
      expect(seen.lines()).toEqual(['resync startup', 'put /x=1'])
      s.stream(1).listed()
      await s.settle()
      expect(seen.lines().at(-1)).toBe('resync prefix-changed')
      expect(s.violations).toEqual([])
    })

    it('acknowledges its event also where reportError has asked for a RESYNC, which comes all the same', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', { onRefusal: 'retry' })
      const other = s.watch('other', '/other/')
      await s.start()
      seen.answer('hold')
      other.answer('hold')
      void s.agent.resync()
      await s.settle()
      s.agent.reportError('r', new Error('my data is wrong'))
      await s.run(100)
      // The run holds back what is owed; changes flow from the acknowledged RESYNC on.
      seen.events[1]?.ack()
      s.stream().changes([['put', '/x', '1', 1]])
      await s.settle()
      await s.run(2_050)
      expect(seen.events[2]?.aborted).toBe(true)
      seen.answer('ack')
      seen.events[2]?.ack()
      await s.run(5_000)
      expect(seen.lines()).toEqual(['resync startup', 'resync requested', 'put /x=1'])
      other.events[1]?.ack()
      await s.settle()
      expect(seen.lines().slice(3)).toEqual(['resync refused'])
      expect(s.violations).toEqual([])
    })

    it('does not cancel a RESYNC that reportError asked for', async () => {
      const { s, event, seen } = await late({}, 'change')
      s.agent.reportError('r', new Error('my data is wrong'))
      event.event.done()
      await s.run(1_000)
      expect(seen.lines()).toEqual(['resync startup', 'put /x=1', 'resync refused'])
    })
  })

  describe('latest and retry (C8)', () => {
    const watch = { delivery: 'latest', onRefusal: 'retry' } as const

    it('a newer value becomes part of the repeated event; back to the old one, it disappears', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', watch, {
        answer: (e) => (e.value === 'no' ? 'refuse' : 'ack'),
      })
      await s.start(['/x', '0', 1])
      s.stream().changes([['put', '/x', 'no', 2]])
      await s.settle()
      s.stream().changes([['put', '/x', '3', 3]])
      await s.run(100)
      expect(seen.changes()).toEqual(['put /x=no (0)', 'put /x=3 (0)'])
      s.stream().changes([['put', '/x', 'no', 4]])
      await s.settle()
      s.stream().changes([
        ['put', '/x', '3', 5],
        ['put', '/y', '1', 6],
      ])
      await s.run(100)
      expect(seen.changes().slice(2)).toEqual(['put /x=no (3)', 'put /y=1'])
      expect(seen.fold()).toEqual(['/x=3', '/y=1'])
      expect(s.violations).toEqual([])
    })

    it('a newer value that came while the event was open becomes part of it too', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', watch, {
        answer: (e) => (e.value === 'hold' ? 'hold' : 'ack'),
      })
      await s.start(['/x', '0', 1])
      s.stream().changes([['put', '/x', 'hold', 2]])
      await s.settle()
      s.stream().changes([
        ['put', '/y', '1', 3],
        ['put', '/x', '4', 4],
      ])
      await s.settle()
      seen.events[1]?.refuse()
      await s.run(100)
      expect(seen.changes()).toEqual(['put /x=hold (0)', 'put /x=4 (0)', 'put /y=1'])
      expect(s.violations).toEqual([])
    })

    it.each([
      ['another value', '3', 'put /x=3 (late)'],
      ['the old value again', '0', 'put /x=0 (late)'],
      ['a delete', undefined, 'delete /x (late)'],
    ] as const)(
      'a late done() loses nothing: %s in the back-off is still told',
      async (_, value, line) => {
        const s = new ScriptedAgent()
        const seen = s.watch('r', '/', watch, {
          answer: (e) => (e.value === 'late' ? 'hold' : 'ack'),
        })
        await s.start(['/x', '0', 1])
        s.stream().changes([['put', '/x', 'late', 2]])
        await s.settle()
        await s.run(2_000)
        s.stream().changes([
          value === undefined ? ['delete', '/x', 3] : ['put', '/x', value, 3],
          ['put', '/y', '1', 4],
        ])
        await s.settle()
        seen.events[1]?.ack()
        await s.run(10_000)
        expect(seen.changes()).toEqual(['put /x=late (0)', line, 'put /y=1'])
        expect(seen.fold()).toEqual([...(value === undefined ? [] : [`/x=${value}`]), '/y=1'])
        expect(s.violations).toEqual([])
      },
    )

    it.each([
      ['another value', '3', 'put /x=3 (late)'],
      ['the old value again', '0', 'put /x=0 (late)'],
      ['a delete', undefined, 'delete /x (late)'],
    ] as const)(
      'a late done() loses nothing: %s while the event was open is still told',
      async (_, value, line) => {
        const s = new ScriptedAgent()
        const seen = s.watch('r', '/', watch, {
          answer: (e) => (e.value === 'late' ? 'hold' : 'ack'),
        })
        await s.start(['/x', '0', 1])
        s.stream().changes([['put', '/x', 'late', 2]])
        await s.settle()
        s.stream().changes([
          value === undefined ? ['delete', '/x', 3] : ['put', '/x', value, 3],
          ['put', '/y', '1', 4],
        ])
        await s.settle()
        await s.run(2_000)
        seen.events[1]?.ack()
        await s.run(10_000)
        expect(seen.changes()).toEqual(['put /x=late (0)', line, 'put /y=1'])
        expect(s.violations).toEqual([])
      },
    )

    it('a late done() of a value that was the newest again is the end of it', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', watch, {
        answer: (e) => (e.value === 'late' ? 'hold' : 'ack'),
      })
      await s.start(['/x', '0', 1])
      s.stream().changes([['put', '/x', 'late', 2]])
      await s.settle()
      await s.run(2_000)
      s.stream().changes([
        ['put', '/x', '3', 3],
        ['put', '/x', 'late', 4],
      ])
      await s.settle()
      seen.events[1]?.ack()
      await s.run(10_000)
      expect(seen.changes()).toEqual(['put /x=late (0)'])
      expect(s.violations).toEqual([])
    })
  })

  describe('reportError (§7)', () => {
    it('gives a RESYNC after the back-off, alone', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r')
      const other = s.watch('other')
      await s.start()
      s.agent.reportError('r', new Error('my data is wrong'))
      s.stream().changes([['put', '/x', '1', 1]])
      await s.run(99)
      expect(seen.lines()).toEqual(['resync startup'])
      expect(seen.registration.status).toMatchObject({ state: 'backing-off', refusals: 1 })
      await s.run(1)
      expect(seen.lines()).toEqual(['resync startup', 'resync refused'])
      expect(other.lines()).toEqual(['resync startup', 'put /x=1'])
      expect(s.violations).toEqual([])
    })

    it('while an event is open: its own timeout prolongs the back-off, no timer is left', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', {}, { answer: (e) => (e.kind === 'change' ? 'hold' : 'ack') })
      await s.start()
      s.stream().changes([['put', '/x', '1', 1]])
      await s.run(1_950)
      s.agent.reportError('r', new Error('my data is wrong'))
      await s.run(50)
      expect(seen.events[1]?.aborted).toBe(true)
      // The second refusal in a row: 200 ms from now, whatever the first one's timer says.
      await s.run(199)
      expect(seen.events).toHaveLength(2)
      await s.run(1)
      expect(seen.lines().at(-1)).toBe('resync refused')
      await seen.registration.close()
      expect(s.clock.pending).toBe(0)
    })

    it('before the first RESYNC: that one is still the startup (C1)', async () => {
      const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 1_000 } })
      const seen = s.watch('r')
      s.agent.reportError('r', new Error('already'))
      s.stream().listed()
      void s.begin()
      await s.settle()
      await s.run(100)
      expect(seen.lines()).toEqual(['resync startup'])
      expect(s.violations).toEqual([])
    })
  })

  describe('overflow (C8)', () => {
    const changes = (from: number, to: number): readonly ['put', string, string, number][] =>
      Array.from({ length: to - from }, (_, i) => ['put', `/k${from + i}`, '1', from + i])

    it('of the queue behind an open CHANGE: one RESYNC when it ends', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch(
        'r',
        '/',
        { queueLimit: 5 },
        { answer: (e) => (e.key === '/k1' ? 'hold' : 'ack') },
      )
      await s.start()
      s.stream().changes(changes(1, 2))
      await s.settle()
      s.stream().changes(changes(2, 30))
      await s.settle()
      expect(seen.registration.status).toMatchObject({ pending: 0, state: 'resyncing' })
      seen.events[1]?.ack()
      await s.settle()
      expect(seen.lines()).toEqual(['resync startup', 'put /k1=1', 'resync overflow'])
      expect(seen.fold()).toHaveLength(29)
      expect(s.violations).toEqual([])
    })

    it.each(['resync', 'retry'] as const)(
      '%s: the open CHANGE is refused then: still a back-off before the RESYNC',
      async (onRefusal) => {
        const s = new ScriptedAgent()
        const seen = s.watch(
          'r',
          '/',
          { queueLimit: 5, onRefusal },
          {
            answer: (e) => (e.key === '/k1' ? 'hold' : 'ack'),
          },
        )
        await s.start()
        s.stream().changes(changes(1, 2))
        await s.settle()
        s.stream().changes(changes(2, 30))
        await s.settle()
        seen.events[1]?.refuse()
        await s.run(99)
        expect(seen.events).toHaveLength(2)
        await s.run(1)
        expect(seen.lines().slice(2)).toEqual(['resync overflow'])
        expect(s.violations).toEqual([])
      },
    )

    it('in a back-off: one RESYNC, at its end', async () => {
      for (const onRefusal of ['resync', 'retry'] as const) {
        const s = new ScriptedAgent()
        const seen = s.watch(
          'r',
          '/',
          { queueLimit: 5, onRefusal },
          {
            answer: (e) => (e.key === '/k1' ? 'refuse' : 'ack'),
          },
        )
        await s.start()
        s.stream().changes(changes(1, 2))
        await s.settle()
        s.stream().changes(changes(2, 30))
        await s.run(99)
        s.stream().changes(changes(30, 60))
        await s.settle()
        expect(seen.events).toHaveLength(2)
        await s.run(1)
        expect(seen.lines().slice(2)).toEqual([
          `resync ${onRefusal === 'resync' ? 'refused' : 'overflow'}`,
        ])
        s.stream().changes(changes(60, 61))
        await s.settle()
        expect(seen.events).toHaveLength(4)
        expect(s.violations).toEqual([])
      }
    })

    it('while a RESYNC is open: its done() is followed by another', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch(
        'r',
        '/',
        { queueLimit: 5 },
        { answer: (e, i) => (i === 0 ? 'hold' : 'ack') },
      )
      s.stream().listed()
      void s.begin()
      await s.settle()
      s.stream().changes(changes(1, 30))
      await s.settle()
      seen.events[0]?.ack()
      await s.settle()
      s.stream().changes(changes(30, 31))
      await s.settle()
      expect(seen.lines()).toEqual(['resync startup', 'resync overflow', 'put /k30=1'])
      expect(s.violations).toEqual([])
    })

    it('a receiver that answers at once never overflows, whatever comes', async () => {
      const s = new ScriptedAgent()
      const seen = s.watch('r', '/', { queueLimit: 5 })
      await s.start()
      for (let i = 1; i < 2_000; i += 5) s.stream().changes(changes(i, i + 5))
      await s.settle()
      await s.settle()
      expect(seen.events.filter((e) => e.kind === 'resync')).toHaveLength(1)
      expect(s.violations).toEqual([])
    })
  })
})
