import { describe, expect, it } from '@jest/globals'
import { take } from 'rxjs'
import { acknowledge, aggregate } from '../../../src/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

/** A promise with its ends outside. */
function gate(): { promise: Promise<void>; open: () => void; fail: (error: Error) => void } {
  let open!: () => void
  let fail!: (error: Error) => void
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}

describe('acknowledge()', () => {
  it('one handler at a time; done when it resolves, refused when it throws; emits what has ended', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/', { onRefusal: 'continue' })
    const log: string[] = []
    registration.events$
      .pipe(
        acknowledge(async (event) => {
          const name = event.kind === 'resync' ? event.reason : event.key
          log.push(`+${name}`)
          await Promise.resolve()
          log.push(`-${name}`)
          if (name === '/no') throw new Error('no')
        }),
      )
      .subscribe((event) => log.push(event.kind))
    await s.start()
    s.stream().changes([
      ['put', '/x', '1', 1],
      ['put', '/no', '1', 2],
      ['put', '/y', '1', 3],
    ])
    await s.settle()
    expect(log).toEqual([
      '+startup',
      '-startup',
      'resync',
      '+/x',
      '-/x',
      'change',
      '+/no',
      '-/no',
      'change',
      '+/y',
      '-/y',
      'change',
    ])
    expect(registration.status).toMatchObject({ refusals: 1, lastError: { message: 'no' } })
  })

  it('takes synchronous handlers', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    registration.events$
      .pipe(
        acknowledge((event) => {
          if (event.kind === 'change') throw new Error('at once')
        }),
      )
      .subscribe()
    await s.start()
    s.stream().changes([['put', '/x', '1', 1]])
    await s.settle()
    expect(registration.status).toMatchObject({ refusals: 1, lastError: { message: 'at once' } })
  })

  it('a handler that runs out of time is no longer waited for; its late end counts in the back-off', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/', { onRefusal: 'continue' })
    const gates = new Map<string, ReturnType<typeof gate>>()
    const log: string[] = []
    registration.events$
      .pipe(
        acknowledge(async (event) => {
          if (event.kind === 'resync') return
          log.push(`+${event.key}`)
          const own = gate()
          gates.set(event.key, own)
          await own.promise
          log.push(`-${event.key}`)
        }),
      )
      .subscribe()
    await s.start()
    s.stream().changes([
      ['put', '/x', '1', 1],
      ['put', '/y', '1', 2],
    ])
    await s.settle()
    await s.run(2_000)
    expect(log).toEqual(['+/x', '+/y'])
    gates.get('/y')?.open()
    gates.get('/x')?.open()
    await s.settle()
    expect(log).toEqual(['+/x', '+/y', '-/y', '-/x'])
    expect(registration.status).toMatchObject({ state: 'live', refusals: 1 })
  })

  it('case 28: a handler slower than its timeout settles the event when it ends in the back-off', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    const own = gate()
    let calls = 0
    registration.events$
      .pipe(
        acknowledge(async () => {
          calls++
          await own.promise
        }),
      )
      .subscribe()
    s.stream().listed()
    void s.begin()
    await s.settle()
    await s.run(10_050)
    own.open()
    await s.run(10_000)
    expect(calls).toBe(1)
    expect(registration.status).toMatchObject({
      state: 'live',
      refusals: 1,
      lastResync: { outcome: 'acked' },
    })
  })

  it('behind aggregate(): an event whose time ran out while it waited is not handled any more', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 10, ackTimeoutMs: 10 } })
    const parts = ['a', 'b'].map((name) =>
      s.agent.watch(name, `/${name}/`, {
        onRefusal: 'continue',
        doneTimeoutMs: { change: name === 'a' ? 0 : 2_000 },
      }),
    )
    const own = gate()
    const log: string[] = []
    aggregate(parts)
      .events$.pipe(
        acknowledge(async (event) => {
          if (event.kind === 'resync') return
          log.push(`+${event.key}`)
          if (event.key === '/a/x') await own.promise
        }),
      )
      .subscribe()
    await s.start()
    s.stream().changes([
      ['put', '/a/x', '1', 1],
      ['put', '/b/x', '1', 2],
    ])
    await s.settle()
    expect(log).toEqual(['+/a/x'])
    await s.run(2_000)
    expect(parts[1]?.status.refusals).toBe(1)
    own.open()
    s.stream().changes([['put', '/b/y', '1', 3]])
    await s.settle()
    expect(log).toEqual(['+/a/x', '+/b/y'])
  })

  it('nothing is handled after the subscription has ended; the open event is refused', async () => {
    const s = new ScriptedAgent()
    const parts = ['a', 'b'].map((name) => s.agent.watch(name, `/${name}/`))
    const handled: string[] = []
    aggregate(parts)
      .changes$.pipe(
        acknowledge(async (event) => {
          handled.push(event.key)
          await Promise.resolve()
        }),
        take(1),
      )
      .subscribe()
    await s.start()
    s.stream().changes([
      ['put', '/a/x', '1', 1],
      ['put', '/b/x', '1', 2],
    ])
    await s.settle()
    expect(handled).toEqual(['/a/x'])
    expect(parts[1]?.status.refusals).toBe(1)
  })

  it('leaves no listener on the signal, and completes with the registration', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/')
    let completed = false
    registration.events$.pipe(acknowledge(() => {})).subscribe({
      complete: () => {
        completed = true
      },
    })
    await s.start()
    await registration.close()
    await s.settle()
    expect(completed).toBe(true)
  })

  it('W23: close, register and unregister in a handler do not deadlock', async () => {
    const s = new ScriptedAgent()
    const registration = s.agent.watch('r', '/a/')
    const log: string[] = []
    registration.events$
      .pipe(
        acknowledge(async (event) => {
          log.push(event.kind === 'resync' ? event.reason : event.key)
          if (log.length === 1) {
            await registration.register('/b/')
            await registration.unregister('/a/')
          } else {
            await registration.close()
          }
          log.push('end')
        }),
      )
      .subscribe()
    s.stream(1).listed()
    await s.start()
    await s.settle()
    expect(log).toEqual(['startup', 'end', 'prefix-changed', 'end'])
    expect(s.clock.pending).toBe(0)
  })
})
