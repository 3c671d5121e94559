import { describe, expect, it } from '@jest/globals'
import { filter, map, Subscription } from 'rxjs'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

describe('receivers', () => {
  it('a throw of a direct subscriber refuses, on every stream', async () => {
    for (const stream of ['events$', 'resyncs$', 'changes$'] as const) {
      const s = new ScriptedAgent()
      const registration = s.agent.watch('r', '/')
      let thrown = 0
      registration[stream].subscribe((event) => {
        if (thrown++ === 0) throw new Error(`thrown from ${stream}`)
        event.done()
      })
      await s.start()
      s.stream().changes([['put', '/x', '1', 1]])
      await s.settle()
      expect(registration.status).toMatchObject({
        refusals: 1,
        lastError: { message: `thrown from ${stream}` },
      })
      await s.run(200)
      expect(registration.status.state).toBe('live')
    }
  })

  it('a throw of undefined refuses too; so does a rejection without a reason', async () => {
    const s = new ScriptedAgent()
    const thrower = s.agent.watch('thrower', '/')
    thrower.events$.subscribe(() => {
      // oxlint-disable-next-line no-throw-literal, only-throw-error -- what others may throw
      throw undefined
    })
    const rejecter = s.agent.watch('rejecter', '/')
    // oxlint-disable-next-line prefer-promise-reject-errors -- what others may reject with
    rejecter.handle({ resync: () => Promise.reject() })
    await s.start()
    expect(thrower.status.refusals).toBe(1)
    expect(rejecter.status.refusals).toBe(1)
  })

  it('handlers that are methods keep their this', async () => {
    const s = new ScriptedAgent()
    const handlers = {
      seen: 0,
      resync() {
        this.seen++
      },
      change() {
        this.seen++
      },
    }
    const registration = s.agent.watch('r', '/')
    registration.handle(handlers)
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(handlers.seen).toBe(2)
    expect(registration.status.refusals).toBe(0)
  })

  it('an observer object keeps its own this, and may leave methods out', async () => {
    const s = new ScriptedAgent()
    const observer = {
      seen: 0,
      next(event: { done(): void }) {
        this.seen++
        event.done()
      },
    }
    s.agent.watch('r', '/').events$.subscribe(observer)
    const silent = s.agent.watch('silent', '/')
    silent.events$.subscribe()
    s.stream().listed()
    void s.begin()
    await s.settle()
    expect(observer.seen).toBe(1)
    expect(silent.status.inFlight).toBe(1)
  })

  it('all subscribers of a registration get the same event; the first word counts', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    const seen: unknown[] = []
    registration.events$.subscribe((event) => {
      seen.push(event)
      event.done()
    })
    registration.events$.subscribe((event) => {
      seen.push(event)
      event.done(new Error('too late'))
    })
    await s.start()
    expect(seen).toHaveLength(2)
    expect(seen[0]).toBe(seen[1])
    expect(registration.status.refusals).toBe(0)
  })

  it('resyncs$ and changes$ are the same events, filtered', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    const seen: string[] = []
    registration.resyncs$.subscribe((event) => {
      seen.push(event.reason)
      event.done()
    })
    registration.changes$.subscribe((event) => {
      seen.push(event.key)
      event.done()
    })
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(seen).toEqual(['startup', '/x'])
  })

  it('a kind that nobody wants is acknowledged; once somebody wants it, it waits for the word', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    registration.resyncs$.subscribe((event) => event.done())
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(registration.status).toMatchObject({ pending: 0, inFlight: 0, refusals: 0 })
    const changes = registration.changes$.subscribe()
    s.stream().changes([['put', '/x', '2', 2]])
    await s.settle()
    expect(registration.status.inFlight).toBe(1)
    changes.unsubscribe()
    expect(registration.status).toMatchObject({ inFlight: 0, refusals: 1 })
  })

  it('handle() with one handler leaves the other kind to others', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    registration.handle({ resync: () => {} })
    registration.handle({ change: async () => Promise.reject(new Error('no')) })
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(registration.status).toMatchObject({ refusals: 1, lastError: { message: 'no' } })
  })

  it('handle({}) answers everything', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    registration.handle({})
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(registration.status).toMatchObject({
      state: 'live',
      refusals: 0,
      pending: 0,
      inFlight: 0,
    })
  })

  it('handle() takes thenables, and answers a plain return at once', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    const order: string[] = []
    registration.handle({
      resync: () => ({
        // oxlint-disable-next-line no-thenable -- that is what is tested
        then: (resolve: () => void) => {
          order.push('thenable')
          resolve()
        },
      }),
      change: (event) => void order.push(event.key),
    })
    await s.start()
    s.stream().changes(Array.from({ length: 5 }, (_, i) => ['put', `/${i}`, '1', i + 1] as const))
    await s.settle()
    expect(order).toEqual(['thenable', '/0', '/1', '/2', '/3', '/4'])
  })

  it('one that unsubscribes another, or closes, in its handler: the other is not told any more (C11)', async () => {
    for (const end of ['unsubscribe', 'close'] as const) {
      const s = new ScriptedAgent()
      const registration = s.agent.watch('r', '/')
      const second: string[] = []
      const other = new Subscription()
      registration.handle({
        change: () => {
          if (end === 'close') void registration.close()
          else other.unsubscribe()
        },
      })
      other.add(registration.handle({ change: (event) => void second.push(event.key) }))
      other.add(registration.changes$.subscribe((event) => second.push(event.key)))
      await s.start()
      s.stream().changes([['put', '/x', '1', 1]])
      await s.settle()
      expect(second).toEqual([])
    }
  })

  it('a subscription that ends with an event open refuses it, unless another one wants it', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    const first = registration.events$.subscribe()
    const second = registration.events$.subscribe()
    s.stream().listed()
    void s.begin()
    await s.settle()
    first.unsubscribe()
    expect(registration.status).toMatchObject({ inFlight: 1, refusals: 0 })
    second.unsubscribe()
    expect(registration.status).toMatchObject({
      inFlight: 0,
      refusals: 1,
      lastError: { code: 'SYNC_CLOSED' },
    })
  })

  it('delivery begins in the task after the first subscription, so that all of a turn are told', async () => {
    const s = new ScriptedAgent()
    await s.start()
    const registration = s.agent.watch('late', '/')
    await s.settle()
    const seen: string[] = []
    registration.events$.subscribe((event) => {
      seen.push('first')
      event.done()
    })
    expect(seen).toEqual([])
    registration.events$.subscribe(() => seen.push('second'))
    await s.settle()
    expect(seen).toEqual(['first', 'second'])
  })

  it('who comes back after everybody left gets what happened meanwhile', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    registration.handle({}).unsubscribe()
    const first = registration.handle({})
    await s.start()
    first.unsubscribe()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(registration.status.pending).toBe(1)
    const seen: string[] = []
    registration.handle({ change: (event) => void seen.push(event.key) })
    await s.settle()
    expect(seen).toEqual(['/x'])
  })

  it('operators work on the streams; a subscription through them is a receiver', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    const keys: string[] = []
    registration.changes$
      .pipe(
        filter((event) => event.changeType === 'put'),
        map((event) => {
          event.done()
          return event.key
        }),
      )
      .subscribe((key) => keys.push(key))
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(keys).toEqual(['/x'])
  })

  it('status$ gives the current one first, then what changes, and completes at close', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    registration.handle({})
    const states: string[] = []
    let completed = false
    registration.status$.subscribe({
      next: (status) => states.push(status.state),
      complete: () => {
        completed = true
      },
    })
    expect(states).toEqual(['waiting'])
    await s.start()
    expect(states.at(-1)).toBe('live')
    await registration.close()
    expect(states.at(-1)).toBe('closed')
    expect(completed).toBe(true)
  })

  it('a receiver of one registration delays no other, whatever it does (C9)', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 10, ackTimeoutMs: 10 } })
    const bad = [
      s.agent.watch('silent', '/'),
      s.agent.watch('thrower', '/'),
      s.agent.watch('refuser', '/'),
      s.agent.watch('closer', '/'),
    ] as const
    bad[0].events$.subscribe()
    bad[1].events$.subscribe(() => {
      throw new Error('no')
    })
    bad[2].events$.subscribe((event) => event.done(new Error('no')))
    bad[3].events$.subscribe(() => void bad[3].close())
    const good = s.watch('good')
    s.stream().listed()
    void s.begin()
    await s.run(10)
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(good.lines()).toEqual(['resync startup', 'put /x=1'])
    expect(s.violations).toEqual([])
  })

  it('1 000 registrations: one change touches those that watch it, and nobody else', async () => {
    const s = new ScriptedAgent()
    const seen = Array.from({ length: 1_000 }, (_, i) => s.watch(`r${i}`, `/${i}/`))
    const all = s.watch('all', '/')
    await s.start()
    expect(s.transport.script.streams).toHaveLength(1)
    s.stream().changes([
      ['put', '/7/x', '1', 1],
      ['put', '/77/x', '1', 2],
      ['delete', '/7/x', 3],
    ])
    await s.settle()
    expect(seen[7]?.changes()).toEqual(['put /7/x=1', 'delete /7/x (1)'])
    expect(seen[77]?.changes()).toEqual(['put /77/x=1'])
    expect(all.changes()).toHaveLength(3)
    expect(seen.filter((one) => one.events.length > 1)).toHaveLength(2)
    expect(s.violations).toEqual([])
  })
})
