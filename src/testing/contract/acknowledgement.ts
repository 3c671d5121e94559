import assert from 'node:assert/strict'
import type { AddCase } from '../contract-case.ts'
import { NO_TIMEOUT } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import { text } from '../text.ts'

const POLICIES = ['resync', 'retry', 'continue'] as const

/** Short, for events that are to run out of time. */
const SHORT = { doneTimeoutMs: { change: 40, resync: 40 } } as const

/** done, refusals, timeouts, repetitions. */
export function acknowledgementCases(add: AddCase): void {
  add(
    'case 7: done never called: the next event comes after the timeout, counted; others are not delayed',
    async (c) => {
      const agent = c.agent()
      const watch = { doneTimeoutMs: { change: 300 }, onRefusal: 'continue' } as const
      const silent = c.record(agent.watch('silent', c.fixture.prefix, watch), {
        onRefusal: 'continue',
        answer: (event) => (event.key === c.key('x') ? 'hold' : 'ack'),
      })
      const other = c.record(agent.watch('other', c.fixture.prefix))
      await agent.start()
      await agent.put(c.key('x'), text('1'))
      await agent.put(c.key('y'), text('1'))
      await other.until(c.key('y'), '1')
      assert.equal(
        silent.registration.status.refusals,
        0,
        'the other one was served before the timeout',
      )
      await silent.until(c.key('y'), '1')
      assert.equal(silent.registration.status.refusals, 1)
      assert.equal((silent.registration.status.lastError as { code?: string }).code, 'SYNC_TIMEOUT')
      assert.equal(silent.events[1]?.aborted, true, 'the signal of the first is aborted')
    },
  )

  add('case 7: after a RESYNC that ran out of time comes a RESYNC', async (c) => {
    const agent = c.agent({ ackTimeoutMs: 100 })
    const seen = c.record(agent.watch('silent', c.fixture.prefix, SHORT), {
      answer: (_, index) => (index === 0 ? 'hold' : 'ack'),
    })
    const report = await agent.start()
    assert.equal(report.turns[0]?.outcome, 'timeout')
    await agent.put(c.key('x'), text('1'))
    await seen.until(c.key('x'), '1')
    assert.deepEqual(seen.lines().slice(0, 2), ['resync startup', 'resync refused'])
    assert.equal(seen.registration.status.lastResync?.outcome, 'acked')
  })

  add(
    'case 8: done(error) on a CHANGE: a RESYNC (refused) with the refused change in it',
    async (c) => {
      const { agent, seen } = await c.watching({
        answer: (event) => (event.kind === 'change' ? 'refuse' : 'ack'),
      })
      await agent.put(c.key('x'), text('1'))
      const change = await seen.nextWhere('the change', (event) => event.kind === 'change')
      assert.equal(String(change), `put ${c.key('x')}=1`)
      seen.answer('ack')
      const resync = await seen.next()
      assert.equal(String(resync), 'resync refused')
      assert.deepEqual(resync.values, { [c.fixture.prefix]: [`${c.key('x')}=1`] })
      assert.equal(seen.registration.status.refusals, 1)
      await agent.put(c.key('x'), text('2'))
      assert.equal(String(await seen.next()), `put ${c.key('x')}=2 (1)`)
    },
  )

  for (const onRefusal of POLICIES) {
    add(
      `case 9: done(error) on the startup RESYNC under ${onRefusal}: another, no CHANGE between`,
      async (c) => {
        const agent = c.agent()
        const seen = c.record(agent.watch('refuser', c.fixture.prefix, { onRefusal }), {
          onRefusal,
          answer: (_, index) => (index < 2 ? 'refuse' : 'ack'),
        })
        const fence = c.record(agent.watch('fence', c.fixture.prefix))
        const report = await agent.start()
        assert.equal(report.turns[0]?.outcome, 'refused', 'a refused RESYNC does not fail start')
        await agent.put(c.key('x'), text('1'))
        await fence.until(c.key('x'), '1')
        await eventually('three RESYNCs', () => seen.events.length >= 3)
        await agent.put(c.key('x'), text('2'))
        await seen.until(c.key('x'), '2')
        assert.deepEqual(seen.lines(), [
          'resync startup',
          'resync refused',
          'resync refused',
          `put ${c.key('x')}=2 (1)`,
        ])
      },
    )
  }

  add('case 14: a direct subscriber that throws refuses; others go on', async (c) => {
    const agent = c.agent()
    const seen = c.record(agent.watch('thrower', c.fixture.prefix), {
      answer: (event) => {
        if (event.kind === 'change' && event.value === 'throw') throw new Error('thrown on purpose')
        return 'ack'
      },
    })
    const other = c.record(agent.watch('other', c.fixture.prefix))
    await agent.start()
    await agent.put(c.key('x'), text('throw'))
    await agent.put(c.key('y'), text('1'))
    await other.until(c.key('y'), '1')
    await eventually('the RESYNC (refused)', () => seen.lines().includes('resync refused'))
    assert.equal((seen.registration.status.lastError as Error).message, 'thrown on purpose')
    await c.converged(agent, seen, other)
  })

  add('case 14: a handler that throws or rejects refuses; the next event comes', async (c) => {
    const agent = c.agent()
    const registration = agent.watch('thrower', c.fixture.prefix)
    const lines: string[] = []
    registration.handle({
      resync: async (event) => {
        lines.push(event.reason)
        if (event.reason === 'startup') throw new Error('thrown on purpose')
      },
      change: (event) => {
        lines.push(event.key)
        if (lines.length < 4) throw new Error('thrown again')
      },
    })
    await agent.start()
    await eventually('the second RESYNC', () => lines.length >= 2)
    await eventually('live', () => registration.status.state === 'live')
    await agent.put(c.key('x'), text('1'))
    await eventually('the third RESYNC', () => lines.length >= 4)
    await eventually('live', () => registration.status.state === 'live')
    await agent.put(c.key('y'), text('1'))
    await eventually('the last change', () => lines.length >= 5)
    assert.deepEqual(lines, ['startup', 'refused', c.key('x'), 'refused', c.key('y')])
    assert.equal(registration.status.refusals, 2)
  })

  add('case 28: a late done() of a RESYNC in the back-off settles it (C12)', async (c) => {
    // The back-off is one second at least: the word comes long before its end.
    const agent = c.agent({ ackTimeoutMs: 100, random: () => 1 - 2 ** -20 })
    const seen = c.record(agent.watch('slow', c.fixture.prefix, SHORT), { answer: () => 'hold' })
    await agent.start()
    const resync = await seen.next()
    await eventually('the timeout', () => resync.aborted)
    seen.answer('ack')
    resync.ack()
    await eventually('live', () => seen.registration.status.state === 'live')
    assert.equal(seen.registration.status.lastResync?.outcome, 'acked')
    await agent.put(c.key('x'), text('1'))
    assert.equal(String(await seen.next()), `put ${c.key('x')}=1`)
  })

  add('case 28: with working() there is no timeout', async (c) => {
    const { agent, seen } = await c.watching({
      watch: { doneTimeoutMs: { change: 150, resync: 150 } },
      answer: (event) => (event.kind === 'change' ? 'hold' : 'ack'),
    })
    await agent.put(c.key('x'), text('1'))
    const change = await seen.nextWhere('the change', (event) => event.kind === 'change')
    const end = performance.now() + 400
    await eventually('two timeouts have passed', () => {
      change.event.working()
      return performance.now() > end
    })
    assert.equal(change.aborted, false)
    seen.answer('ack')
    change.ack()
    await agent.put(c.key('y'), text('1'))
    assert.equal(String(await seen.next()), `put ${c.key('y')}=1`)
    assert.equal(seen.registration.status.refusals, 0)
  })

  add('case 29: retry, refused twice: the same event again, nothing overtakes', async (c) => {
    let refusals = 2
    const { agent, seen } = await c.watching({
      watch: { onRefusal: 'retry' },
      answer: (event) => (event.value === 'refuse' && refusals-- > 0 ? 'refuse' : 'ack'),
    })
    await agent.put(c.key('x'), text('0'))
    await seen.until(c.key('x'), '0')
    await agent.put(c.key('x'), text('refuse'))
    await agent.put(c.key('y'), text('1'))
    await seen.until(c.key('y'), '1')
    assert.deepEqual(seen.changes(), [
      `put ${c.key('x')}=0`,
      `put ${c.key('x')}=refuse (0)`,
      `put ${c.key('x')}=refuse (0)`,
      `put ${c.key('x')}=refuse (0)`,
      `put ${c.key('y')}=1`,
    ])
    assert.equal(seen.events.filter((event) => event.kind === 'resync').length, 1)
  })

  add('case 29: overflow in the back-off of a retry: one RESYNC, not before its end', async (c) => {
    // A back-off that is longer than the writes take, also over a network.
    const agent = c.agent({ random: () => 0.9 })
    const seen = c.record(
      agent.watch('retry', c.fixture.prefix, { onRefusal: 'retry', queueLimit: 5 }),
      {
        onRefusal: 'retry',
        answer: (event) => (event.kind === 'change' ? 'refuse' : 'ack'),
      },
    )
    const fence = c.record(agent.watch('fence', c.fixture.prefix))
    await agent.start()
    await agent.put(c.key('x'), text('refuse'))
    await eventually('the back-off', () => seen.registration.status.state === 'backing-off')
    seen.answer('ack')
    await Promise.all(Array.from({ length: 20 }, (_, i) => agent.put(c.key(`y${i}`), text('1'))))
    await fence.until(c.key('y19'), '1')
    await eventually('the RESYNC', () => seen.events.length >= 3)
    assert.deepEqual(seen.lines().slice(0, 3), [
      'resync startup',
      `put ${c.key('x')}=refuse`,
      'resync overflow',
    ])
    await c.converged(agent, seen)
    assert.equal(seen.events.filter((event) => event.kind === 'resync').length, 2)
  })

  add('retry, refused more than maxRetries times: a RESYNC (refused)', async (c) => {
    const { agent, seen } = await c.watching({
      watch: { onRefusal: 'retry', maxRetries: 1 },
      answer: (event) => (event.kind === 'change' ? 'refuse' : 'ack'),
    })
    await agent.put(c.key('x'), text('1'))
    await seen.nextResync()
    await seen.nextResync()
    const put = `put ${c.key('x')}=1`
    assert.deepEqual(seen.lines(), ['resync startup', put, put, 'resync refused'])
  })

  add(
    'continue: the next event follows a refused one at once, whose value is in the fold (C4)',
    async (c) => {
      const { agent, seen } = await c.watching({
        watch: { onRefusal: 'continue' },
        answer: (event) => (event.value === 'refuse' ? 'refuse' : 'ack'),
      })
      await agent.put(c.key('x'), text('refuse'))
      await seen.until(c.key('x'), 'refuse')
      await agent.put(c.key('x'), text('2'))
      await seen.until(c.key('x'), '2')
      assert.deepEqual(seen.lines(), [
        'resync startup',
        `put ${c.key('x')}=refuse`,
        `put ${c.key('x')}=2 (refuse)`,
      ])
      assert.equal(seen.registration.status.refusals, 1)
    },
  )

  add('C12, W22: done counts once, the first', async (c) => {
    const { agent, seen } = await c.watching()
    await agent.put(c.key('x'), text('1'))
    const change = await seen.until(c.key('x'), '1')
    change.event.done(new Error('too late'))
    change.event.done()
    seen.events[0]?.event.done(new Error('too late'))
    await agent.put(c.key('y'), text('1'))
    await seen.until(c.key('y'), '1')
    assert.equal(seen.registration.status.refusals, 0)
    assert.equal(seen.lines().length, 3)
  })

  add(
    'a subscription that ends with an event open is a refusal; the next subscriber gets a RESYNC',
    async (c) => {
      const { agent, seen } = await c.watching({
        watch: NO_TIMEOUT,
        answer: (event) => (event.kind === 'change' ? 'hold' : 'ack'),
      })
      await agent.put(c.key('x'), text('1'))
      await seen.until(c.key('x'), '1')
      seen.unsubscribe()
      assert.equal(seen.registration.status.refusals, 1)
      const again = c.record(seen.registration, { resumed: new Map() })
      const resync = await again.next()
      assert.equal(String(resync), 'resync refused')
      assert.deepEqual(resync.values, { [c.fixture.prefix]: [`${c.key('x')}=1`] })
    },
  )

  add('done(null) and done(undefined) are no refusals', async (c) => {
    const agent = c.agent()
    const registration = agent.watch('null', c.fixture.prefix)
    let count = 0
    registration.events$.subscribe((event) => {
      event.done(count++ % 2 === 0 ? null : undefined)
    })
    await agent.start()
    await agent.put(c.key('x'), text('1'))
    await eventually('the change', () => count === 2)
    assert.equal(registration.status.refusals, 0)
  })
}
