import { describe, expect, it } from '@jest/globals'
import { Agent } from '../../../src/index.ts'
import type { RunReport } from '../../../src/index.ts'
import { FakeClock, Recorder, ScriptedTransport } from '../../../src/testing/index.ts'
import { LEAST_JITTER, ScriptedAgent } from '../../support/scripted-agent.ts'
import { onTeardown } from '../../support/teardown.ts'

const outcomes = (report: RunReport): string[] =>
  report.turns.map(({ name, outcome }) => `${name} ${outcome}`)

/** Registrations of these names; their RESYNCs are left open from the second on. */
async function started(...names: string[]): Promise<{ s: ScriptedAgent; seen: Recorder[] }> {
  const s = new ScriptedAgent()
  const seen = names.map((name) => s.watch(name, `/${name}/`))
  await s.start()
  for (const one of seen) one.answer((event) => (event.kind === 'resync' ? 'hold' : 'ack'))
  return { s, seen }
}

describe('a run (§7, C10)', () => {
  it('delivers in registration order, each after the word of the one before; refusals do not stop it', async () => {
    const { s, seen } = await started('a', 'b', 'c')
    const [a, b, c] = seen as [Recorder, Recorder, Recorder]
    const run = s.agent.resync(['c', 'b', 'a'])
    await s.settle()
    expect([a, b, c].map((one) => one.events.length)).toEqual([2, 1, 1])
    a.events[1]?.refuse()
    await s.settle()
    expect([a, b, c].map((one) => one.events.length)).toEqual([2, 2, 1])
    b.events[1]?.ack()
    await s.settle()
    c.events[1]?.ack()
    expect(outcomes(await run)).toEqual(['a refused', 'b acked', 'c acked'])
  })

  it('the report says reason, times, pairs; runs$ gives every one', async () => {
    const s = new ScriptedAgent()
    const reports: RunReport[] = []
    let completed = false
    s.agent.runs$.subscribe({
      next: (report) => reports.push(report),
      complete: () => {
        completed = true
      },
    })
    const seen = s.watch('a')
    const at = s.clock.now()
    await s.start(['/x', '1', 1], ['/y', '1', 1])
    seen.answer('hold')
    const run = s.agent.resync()
    await s.settle()
    await s.run(30)
    seen.events[1]?.ack()
    await run
    expect(reports).toEqual([
      {
        reason: 'startup',
        startedAt: at,
        durationMs: 0,
        turns: [{ name: 'a', outcome: 'acked', pairs: 2, durationMs: 0 }],
      },
      {
        reason: 'requested',
        startedAt: at,
        durationMs: 30,
        turns: [{ name: 'a', outcome: 'acked', pairs: 2, durationMs: 30 }],
      },
    ])
    await s.agent.close()
    expect(completed).toBe(true)
  })

  it('of nobody ends at once', async () => {
    const s = new ScriptedAgent()
    const startup = s.agent.start()
    await s.settle()
    expect((await startup).turns).toEqual([])
    expect((await s.agent.resync()).turns).toEqual([])
    expect((await s.agent.resync([])).turns).toEqual([])
  })

  it('goes on after ackTimeoutMs; the event keeps its own time, and its word still counts', async () => {
    const s = new ScriptedAgent({ agent: { ackTimeoutMs: 100 } })
    const a = s.watch('a', '/', { doneTimeoutMs: { resync: 0 } })
    const b = s.watch('b', '/')
    await s.start()
    a.answer('hold')
    const run = s.agent.resync()
    await s.run(99)
    expect(b.events).toHaveLength(1)
    a.events[1]?.event.working()
    await s.run(99)
    expect(b.events).toHaveLength(1)
    await s.run(1)
    expect(b.events).toHaveLength(2)
    expect(outcomes(await run)).toEqual(['a timeout', 'b acked'])
    a.events[1]?.ack()
    expect(a.registration.status).toMatchObject({
      state: 'live',
      lastResync: { outcome: 'acked' },
      refusals: 0,
    })
  })

  it('waits acceptTimeoutMs for a receiver that is busy, or longer if its event has longer', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 100 } })
    const patient = s.watch('patient', '/', { doneTimeoutMs: { change: 0 } })
    const short = s.watch('short', '/', { doneTimeoutMs: { change: 5_000 }, onRefusal: 'continue' })
    await s.start()
    for (const one of [patient, short])
      one.answer((event) => (event.kind === 'change' ? 'hold' : 'ack'))
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    const run = s.agent.resync()
    await s.run(99)
    await s.run(1)
    await s.run(4_899)
    expect(short.events).toHaveLength(2)
    await s.run(1)
    expect(outcomes(await run)).toEqual(['patient passed-over', 'short acked'])
    patient.events[1]?.ack()
    await s.settle()
    expect(patient.lines().at(-1)).toBe('resync requested')
    await s.run(100_000)
    expect(patient.events).toHaveLength(3)
    expect(s.violations).toEqual([])
  })

  it('passes over who backs off longer, is not subscribed, or whose source is not live; all are served later', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 50 } })
    const refuser = s.watch('refuser')
    const later = s.agent.watch('later', '/')
    s.watch('fine')
    const started = s.begin()
    s.stream().listed('p0')
    await s.run(50)
    expect(outcomes(await started)).toEqual(['refuser acked', 'later passed-over', 'fine acked'])
    refuser.answer((event) => (event.kind === 'change' ? 'refuse' : 'ack'))
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    const away = s.watch('away', '/elsewhere')
    s.stream().changes([['put', '/elsewhere', '1', 2]])
    const run = s.agent.resync()
    await s.run(50)
    await s.run(50)
    const report = outcomes(await run)
    expect(report.slice(0, 3)).toEqual(['refuser passed-over', 'later passed-over', 'fine acked'])
    await s.run(100)
    expect(refuser.lines().at(-1)).toBe('resync refused')
    const seen = s.record(later)
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup'])
    expect(away.lines()[0]).toBe('resync startup')
    expect(s.violations).toEqual([])
  })

  it('requests during a run are one run after it; each gets the same report', async () => {
    const { s, seen } = await started('a', 'b')
    const [a, b] = seen as [Recorder, Recorder]
    const first = s.agent.resync(['a'])
    await s.settle()
    const [second, third] = [s.agent.resync(['b']), s.agent.resync(['a'])]
    await s.settle()
    expect([a, b].map((one) => one.events.length)).toEqual([2, 1])
    a.events[1]?.ack()
    await first
    await s.settle()
    a.events[2]?.ack()
    await s.settle()
    b.events[1]?.ack()
    expect(await second).toBe(await third)
    expect(outcomes(await second)).toEqual(['a acked', 'b acked'])
  })

  it('a RESYNC of its own during a run comes in its turn, or after the run', async () => {
    const { s, seen } = await started('a', 'b', 'c')
    const [a, b, c] = seen as [Recorder, Recorder, Recorder]
    const run = s.agent.resync(['b', 'c'])
    await s.settle()
    await a.registration.register('/a/')
    await a.registration.register('/more/')
    await c.registration.register('/c/more')
    s.stream(1).listed()
    await s.settle()
    expect([a, b, c].map((one) => one.events.length)).toEqual([1, 2, 1])
    b.events[1]?.ack()
    await s.settle()
    // In its turn, once, with both.
    expect([a, b, c].map((one) => one.events.length)).toEqual([1, 2, 2])
    expect(Object.keys(c.events[1]?.values ?? {})).toEqual(['/c/', '/c/more'])
    c.events[1]?.ack()
    await run
    await s.settle()
    expect(a.lines()).toEqual(['resync startup', 'resync prefix-changed'])
    a.events[1]?.ack()
    await s.run(100_000)
    expect([a, b, c].map((one) => one.events.length)).toEqual([2, 2, 2])
    expect(s.violations).toEqual([])
  })

  it('who closes during a run, in its turn or before it, is left out', async () => {
    const { s, seen } = await started('a', 'b', 'c')
    const [a, b, c] = seen as [Recorder, Recorder, Recorder]
    const run = s.agent.resync()
    await s.settle()
    await b.registration.close()
    await a.registration.close()
    await s.settle()
    c.events[1]?.ack()
    expect(outcomes(await run)).toEqual(['a closed', 'b closed', 'c acked'])
  })

  it('a name that is closed and taken again during a run is served as new', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 10 } })
    const first = s.agent.watch('a', '/')
    const b = s.watch('b', '/')
    const started = s.begin()
    s.stream().listed('p0')
    await s.run(10)
    await started
    b.answer('hold')
    const run = s.agent.resync()
    await s.run(10)
    expect(b.events).toHaveLength(2)
    await first.close()
    const again = s.watch('a', '/')
    await s.settle()
    b.events[1]?.ack()
    expect(outcomes(await run)).toEqual(['a passed-over', 'b acked'])
    await s.settle()
    expect(again.lines()).toEqual(['resync startup'])
    expect(s.violations).toEqual([])
  })

  it('closing the agent ends the run and the one that waits; no timer is left', async () => {
    const { s, seen } = await started('a', 'b')
    const run = s.agent.resync()
    await s.settle()
    const next = s.agent.resync()
    await s.agent.close()
    await expect(next).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    expect(outcomes(await run)).toEqual(['a closed', 'b closed'])
    expect(s.clock.pending).toBe(0)
    expect(seen[1]?.events).toHaveLength(1)
  })

  it('W23: resync() of oneself in a handler ends by its timeout; a handler may ask without waiting', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('a', '/')
    const log: string[] = []
    registration.handle({
      resync: (event) => void log.push(event.reason),
      change: async (event) => {
        log.push(event.key)
        if (event.key === '/wait') {
          const { turns } = await s.agent.resync(['a'])
          log.push(turns[0]?.outcome ?? '')
        } else {
          s.agent.resync(['a']).catch(() => {})
        }
      },
    })
    await s.start()
    s.stream().changes([['put', '/ask', '1', 1]])
    await s.settle()
    expect(log.splice(0)).toEqual(['startup', '/ask', 'requested'])
    s.stream().changes([['put', '/wait', '1', 2]])
    await s.settle()
    await s.run(2_000)
    await s.run(100_000)
    expect(log[0]).toBe('/wait')
    expect(registration.status.state).toBe('live')
    expect(registration.status.refusals).toBe(1)
  })

  it('names that nobody has are refused, with those that are known', async () => {
    const { s } = await started('a', 'b')
    const error: unknown = await s.agent.resync(['a', 'nobody']).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'SYNC_NOT_REGISTERED', registration: 'nobody' })
    expect((error as Error).message).toContain('registered: a, b')
    expect(() => s.agent.reportError('nobody', new Error('x'))).toThrow('nobody')
    expect(() => s.agent.watch('a', '/')).toThrow(
      expect.objectContaining({ code: 'SYNC_ALREADY_REGISTERED' }),
    )
  })
})

describe('two transports', () => {
  interface Two {
    readonly agent: Agent
    readonly clock: FakeClock
    readonly transports: readonly [ScriptedTransport, ScriptedTransport]
    readonly log: string[]
    readonly recorders: readonly Recorder[]
  }

  /** a and c on one, b and d on the other; answered two turns later. */
  async function twoTransports(): Promise<Two> {
    const clock = new FakeClock()
    const transports = [
      new ScriptedTransport({ name: 'one' }),
      new ScriptedTransport({ name: 'two' }),
    ] as const
    const agent = new Agent({
      transport: transports[0],
      transports: { two: transports[1] },
      clock,
      random: LEAST_JITTER,
    })
    onTeardown(() => agent.close())
    const log: string[] = []
    const recorders = ['a', 'b', 'c', 'd'].map((name, i) => {
      const registration = agent.sync(i % 2 === 0 ? 'one' : 'two').watch(name, '/')
      return new Recorder(registration, {
        answer: (event) => {
          if (event.kind === 'change') return 'ack'
          log.push(`+${name}`)
          setImmediate(() =>
            setImmediate(() => {
              if (event.aborted) return
              log.push(`-${name}`)
              event.ack()
            }),
          )
          return 'hold'
        },
      })
    })
    for (const transport of transports) transport.script.stream(0).listed('p0')
    const started = agent.start()
    await clock.run(0)
    await clock.run(0)
    await started
    return { agent, clock, transports, log, recorders }
  }

  it('one order over both; the startup run waits for both', async () => {
    const { log, recorders, transports } = await twoTransports()
    expect(log).toEqual(['+a', '-a', '+b', '-b', '+c', '-c', '+d', '-d'])
    expect(recorders[1]?.events[0]?.event.source).toBe('two')
    expect(transports.map((transport) => transport.script.opens)).toEqual([1, 1])
  })

  it('a reset touches its own registrations only', async () => {
    const { log, transports, clock } = await twoTransports()
    log.splice(0)
    transports[1].script.stream(0).reset('compacted').listed('p1')
    await clock.run(0)
    await clock.run(0)
    expect(log).toEqual(['+b', '-b', '+d', '-d'])
  })

  it("case 30: a reset of one amid a run: the other's turns go on, a second run serves what the reset touched", async () => {
    const { agent, log, transports, clock } = await twoTransports()
    log.splice(0)
    const run = agent.resync()
    await Promise.resolve()
    transports[1].script.stream(0).reset('compacted')
    await clock.run(0)
    const report = outcomes(await run)
    expect(report[0]).toBe('a acked')
    expect(report[2]).toBe('c acked')
    expect(report.filter((line) => line.startsWith('b') || line.startsWith('d'))).toEqual([
      'b passed-over',
      'd passed-over',
    ])
    expect(log).toEqual(['+a', '-a', '+c', '-c'])
    transports[1].script.stream(0).listed('p1')
    await clock.run(0)
    await clock.run(0)
    expect(log.slice(4)).toEqual(['+b', '-b', '+d', '-d'])
  })

  it('one that came due alone during a run, and is then touched by a reset, comes in its turn', async () => {
    const { agent, log, transports, clock, recorders } = await twoTransports()
    log.splice(0)
    const run = agent.resync(['a'])
    await Promise.resolve()
    await recorders[3]?.registration.register('')
    transports[1].script.stream(0).reset('compacted').listed('p1')
    transports[1].script.stream(1).listed('p1')
    await clock.run(0)
    await run
    await clock.run(0)
    await clock.run(0)
    expect(log).toEqual(['+a', '-a', '+b', '-b', '+d', '-d'])
  })

  it('both reset: one run, in order', async () => {
    const { log, transports, clock } = await twoTransports()
    log.splice(0)
    for (const transport of transports) transport.script.stream(0).reset('reconnected').listed('p1')
    await clock.run(0)
    await clock.run(0)
    expect(log).toEqual(['+a', '-a', '+b', '-b', '+c', '-c', '+d', '-d'])
  })
})
