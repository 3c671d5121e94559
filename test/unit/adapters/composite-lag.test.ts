import { describe, expect, it } from '@jest/globals'
import { UnseenWrites } from '../../../src/adapters/composite/unseen-writes.ts'
import { Agent, composite, isSyncError, memory, raw } from '../../../src/index.ts'
import type { Clock, CompositeOptions, Transport } from '../../../src/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { LaggingTransport } from '../../support/lagging-transport.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

const text = (value: string): ReturnType<typeof raw> => raw(new TextEncoder().encode(value))
const shown = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)

function agentOn(transport: Transport, clock?: Clock): Agent {
  const agent = new Agent({ transport, ...(clock === undefined ? {} : { clock }) })
  onTeardown(() => agent.close())
  return agent
}

/** A composite of a quick part and one whose watch can be held, in the order given, with what its receivers saw. */
async function lagging(order: 'quick first' | 'slow first', options?: CompositeOptions) {
  const quick = memory({ name: 'quick' })
  const slow = new LaggingTransport('slow')
  const inQuick = agentOn(quick)
  const inSlow = agentOn(slow)
  const parts = order === 'quick first' ? [quick, slow] : [slow, quick]
  const both = agentOn(composite(parts, options))
  const log: string[] = []
  both.watch('recorder', '/k/').handle({
    resync: (event) => {
      const pairs = [...(event.values.get('/k/') ?? [])]
      log.push(`resync ${pairs.map(({ key, bytes }) => `${key}=${shown(bytes)}`).join(' ')}`)
    },
    change: (event) => {
      log.push(event.changeType === 'put' ? `put ${shown(event.bytes)}` : 'delete')
    },
  })
  await both.start()
  log.length = 0
  const written = async (agent: Agent, value: string | undefined): Promise<void> => {
    await waitFor(async () => shown((await agent.get('/k/a'))?.bytes) === value)
  }
  return { quick: inQuick, slow: inSlow, watchOfSlow: slow, both, log, written }
}

/** An agent on two parts; what the watch of the second one says is held. */
async function besideHeldWatch(): Promise<{
  clock: FakeClock
  slow: LaggingTransport
  both: Agent
}> {
  const clock = new FakeClock()
  const slow = new LaggingTransport('slow')
  const both = agentOn(composite([memory({ name: 'quick' }), slow]), clock)
  both.watch('r', '/k/').handle({ change: () => {} })
  await both.start()
  slow.hold()
  return { clock, slow, both }
}

describe('composite, with a part whose watch lags', () => {
  it.each(['first', 'latest'] as const)('%s: a delete shows no older value', async (conflict) => {
    const { quick, slow, watchOfSlow, both, log, written } = await lagging('quick first', {
      conflict,
    })
    await slow.put('/k/a', text('1'))
    await waitFor(() => log.length === 1)
    await quick.put('/k/a', text('2'))
    await waitFor(() => log.length === 2)
    watchOfSlow.hold()
    const deleted = both.delete('/k/a')
    await written(slow, undefined)
    expect(shown((await quick.get('/k/a'))?.bytes)).toBe('2')
    watchOfSlow.release()
    expect(await deleted).toEqual({ deleted: 1 })
    await waitFor(() => log.length === 3)
    expect(log).toEqual(['put 1', 'put 2', 'delete'])
  })

  it('latest: a delete shows no older value of the first part either', async () => {
    const { quick, slow, both, log } = await lagging('quick first', { conflict: 'latest' })
    await quick.put('/k/a', text('1'))
    await waitFor(() => log.length === 1)
    await slow.put('/k/a', text('2'))
    await waitFor(() => log.length === 2)
    await both.delete('/k/a')
    await both.put('/k/fence', text('fence'))
    await waitFor(() => log.includes('put fence'))
    expect(log).toEqual(['put 1', 'put 2', 'delete', 'put fence'])
  })

  it.each([
    ['slow first', 'first'],
    ['quick first', 'latest'],
  ] as const)('%s, %s: values do not go back and forth', async (order, conflict) => {
    const { quick, watchOfSlow, both, log, written } = await lagging(order, { conflict })
    watchOfSlow.hold()
    await both.put('/k/a', text('1'))
    const later = (async () => {
      await both.put('/k/a', text('2'))
      await both.put('/k/a', text('3'))
      await both.delete('/k/a')
    })()
    // Other keys do not wait.
    await both.put('/k/other', text('other'))
    await written(quick, '1')
    watchOfSlow.release()
    await later
    await waitFor(() => log.at(-1) === 'delete')
    expect(log.filter((line) => line !== 'put other')).toEqual([
      'put 1',
      'put 2',
      'put 3',
      'delete',
    ])
  })

  it('writes of one key that wait for the watch begin in their order', async () => {
    const { watchOfSlow, both, log } = await lagging('quick first')
    watchOfSlow.hold()
    await both.put('/k/a', text('1'))
    const later = ['2', '3', '4'].map((value) => both.put('/k/a', text(value)))
    watchOfSlow.release()
    await Promise.all(later)
    await waitFor(() => log.at(-1) === 'put 4')
    expect(log).toEqual(['put 1', 'put 2', 'put 3', 'put 4'])
  })

  it('a write does not wait longer than a second, or than it may take', async () => {
    const { clock, slow, both } = await besideHeldWatch()
    await both.put('/k/a', text('1'))
    const done: number[] = []
    const put = async (ms: number, options?: { timeoutMs: number }): Promise<void> => {
      const written = both.put('/k/a', text(`${ms}`), options).then(() => done.push(ms))
      await clock.run(ms - 1)
      expect(done).not.toContain(ms)
      await clock.run(1)
      await written
    }
    await put(200, { timeoutMs: 200 })
    await put(1_000)
    slow.release()
  })

  it('writes of one key that wait do so at the same time, and none is overtaken', async () => {
    const { clock, slow, both } = await besideHeldWatch()
    await both.put('/k/a', text('first'))
    const done: string[] = []
    const writes = [10_000, 10_000, 200, 200, 10_000].map((timeoutMs, i) =>
      both.put('/k/a', text(`${i}`), { timeoutMs }).then(() => done.push(`${i}`)),
    )
    await clock.run(199)
    expect(done).toEqual([])
    await clock.run(1)
    // Those before one with less time begin with it.
    expect(done).toEqual(['0', '1', '2', '3'])
    await clock.run(800)
    await Promise.all(writes)
    expect(done.at(-1)).toBe('4')
    expect(shown((await both.get('/k/a'))?.bytes)).toBe('4')
    slow.release()
  })

  it('after writes of one key at once the next one does not wait', async () => {
    const clock = new FakeClock()
    const both = agentOn(composite([memory({ name: 'a' }), memory({ name: 'b' })]), clock)
    both.watch('r', '/k/').handle({ change: () => {} })
    await both.start()
    const applied = { waitFor: 'applied' } as const
    const put = (value: string): Promise<unknown> => both.put('/k/a', text(value), applied)
    const done: string[] = []
    const all = (async () => {
      await Promise.all([put('1'), put('2'), put('3')])
      await both.delete('/k/a', applied)
      await put('4')
      done.push('4')
    })()
    await clock.run(1)
    expect(done).toEqual(['4'])
    await all
  })

  it('a put that comes during a delete stays in every part', async () => {
    const [a, b] = [memory({ name: 'a' }), memory({ name: 'b' })]
    const [inA, inB, both] = [agentOn(a), agentOn(b), agentOn(composite([a, b]))]
    await both.put('/k/a', text('1'))
    const deleted = both.delete('/k/a')
    await both.put('/k/a', text('2'))
    await deleted
    const present = async (): Promise<unknown> =>
      Promise.all([inA, inB].map(async (agent) => shown((await agent.get('/k/a'))?.bytes)))
    expect(await present()).toEqual(['2', '2'])
    await both.delete('/k/a')
    // A receiver that wants it back, told by the first part that the delete goes to.
    both.watch('r', '/k/').handle({
      change: async (event) => {
        if (event.changeType === 'delete') await both.put('/k/a', text('back'))
      },
    })
    await both.start()
    await inB.put('/k/a', text('3'))
    await waitFor(async () => shown((await both.get('/k/a'))?.bytes) === '3')
    await both.delete('/k/a', { waitFor: 'applied' })
    expect(await present()).toEqual(['back', 'back'])
  })

  it('a write in a handler does not wait for the handler', async () => {
    const both = agentOn(composite([memory({ name: 'a' }), memory({ name: 'b' })]))
    const seen: (string | undefined)[] = []
    both.watch('r', '/k/').handle({
      change: async (event) => {
        if (event.changeType === 'put') seen.push(shown(event.bytes))
        if (seen.length === 1) await both.put('/k/a', text('2'))
      },
    })
    await both.start()
    await both.put('/k/a', text('1'), { waitFor: 'applied' })
    await waitFor(() => seen.at(-1) === '2')
  })

  it('a part that is listed anew without being lost keeps its pairs until then, also with drop', async () => {
    const { slow, watchOfSlow, both, log } = await lagging('quick first', { onPartLost: 'drop' })
    await slow.put('/k/a', text('1'))
    await waitFor(() => log.length === 1)
    watchOfSlow.loseContinuity()
    await slow.put('/k/b', text('2'))
    await both.put('/k/fence', text('fence'))
    await waitFor(() => log.includes('put fence'))
    watchOfSlow.release()
    await waitFor(() => log.length === 3)
    expect(log).toEqual(['put 1', 'put fence', 'resync /k/a=1 /k/b=2 /k/fence=fence'])
  })
})

describe('composite: receivers and parts of parts', () => {
  it('a delete that a receiver of the last part refuses is done in all parts', async () => {
    const [a, b] = [memory({ name: 'a' }), memory({ name: 'b' })]
    const both = agentOn(composite([a, b]))
    const inB = agentOn(b)
    inB.watch('stubborn', '/k/', { onRefusal: 'continue' }).handle({
      change: (event) => {
        if (event.changeType === 'delete') throw new Error('not now')
      },
    })
    await inB.start()
    await both.start()
    await both.put('/k/a', text('1'))
    const refused = await both
      .delete('/k/a', { waitFor: 'applied' })
      .catch((error: unknown) => error)
    expect(isSyncError(refused, 'SYNC_REFUSED')).toBe(true)
    expect(await both.get('/k/a')).toBeUndefined()
  })

  it('what a part made of parts took in part is not told as not applied', async () => {
    const [a, b, c] = [memory({ name: 'a' }), new LaggingTransport('b'), memory({ name: 'c' })]
    const both = agentOn(composite([composite([a, b], { name: 'inner' }), c]))
    await both.start()
    b.cut()
    await expect(both.put('/k/a', text('1'))).rejects.toMatchObject({
      code: 'SYNC_PARTIAL_WRITE',
      parts: [
        { part: 'inner', outcome: 'unknown' },
        { part: 'c', outcome: 'stored' },
      ],
    })
  })
})

describe('a write that a watch does not show', () => {
  const put = { type: 'put', key: '/k/a', value: new Uint8Array() } as const

  it('is waited for until it is seen, but not longer than it may be', async () => {
    const clock = new FakeClock()
    const unseen = new UnseenWrites(clock)
    expect(unseen.shown(put, 1_000)).toBeUndefined()
    unseen.add('/k/a')
    expect(unseen.shown({ ...put, key: '/k/b' }, 1_000)).toBeUndefined()
    const all = [
      unseen.shown(put, 1_000),
      unseen.shown({ type: 'delete-prefix', prefix: '/k/' }, 1_000),
    ]
    unseen.seen([{ key: '/k/a' }])
    for (const one of all) await one
    expect(unseen.shown(put, 1_000)).toBeUndefined()
    unseen.add('/k/a')
    const late = unseen.shown(put, 500)
    clock.advance(500)
    await late
    expect(unseen.shown(put, 1_000)).toBeDefined()
    clock.advance(1_500)
    expect(unseen.shown(put, 1_000)).toBeUndefined()
    expect(clock.pending).toBe(0)
    unseen.add('/k/a')
    unseen.add('/k/b')
    unseen.add('/other')
    const below = unseen.shown({ type: 'delete-prefix', prefix: '/k/' }, 1_000)
    unseen.add('/k/later')
    unseen.seen([{ key: '/k/b' }, { key: '/k/a' }])
    await below
    unseen.seen([{ key: '/k/later' }])
    expect(unseen.shown({ type: 'delete-prefix', prefix: '/k/' }, 1_000)).toBeUndefined()
    unseen.add('/k/a')
    const over = unseen.shown(put, 1_000)
    unseen.clear()
    await over
    expect(clock.pending).toBe(0)
  })
})
