import assert from 'node:assert/strict'
import type { ContractCase, AddCase } from '../contract-case.ts'
import { NO_TIMEOUT } from '../contract-case.ts'
import type { WatchOptions } from '../../api/watcher.ts'
import { eventually } from '../eventually.ts'
import type { Recorder } from '../recorder.ts'
import type { TestAgent } from '../runner.ts'
import { text } from '../text.ts'

/** A receiver that is in the middle of a change, and one that shows what has arrived. */
async function blocked(
  c: ContractCase,
  watch: WatchOptions,
): Promise<{ agent: TestAgent; seen: Recorder; fence: Recorder; release: () => void }> {
  const agent = c.agent()
  const seen = c.record(agent.watch('blocked', c.fixture.prefix, { ...NO_TIMEOUT, ...watch }), {
    ...(watch.onRefusal === undefined ? {} : { onRefusal: watch.onRefusal }),
    answer: (event) => (event.key === c.key('block') ? 'hold' : 'ack'),
  })
  const fence = c.record(agent.watch('fence', c.fixture.prefix))
  await agent.start()
  await agent.put(c.key('x'), text('old'))
  await seen.until(c.key('x'), 'old')
  await agent.put(c.key('block'), text('1'))
  const open = await seen.until(c.key('block'), '1')
  return {
    agent,
    seen,
    fence,
    release: () => {
      seen.answer('ack')
      open.ack()
    },
  }
}

/** Queues, `latest`, limits (C8). */
export function boundedCases(add: AddCase): void {
  add(
    'case 10: queue limit 100, receiver blocked, 10 000 changes: bounded, RESYNC (overflow), fold right',
    async (c) => {
      const { agent, seen, fence, release } = await blocked(c, { queueLimit: 100 })
      let most = 0
      for (let i = 0; i < 10_000; i += 500) {
        const writes = Array.from({ length: 500 }, (_, j) =>
          agent.put(c.key(`k${(i + j) % 700}`), text(String(i + j))),
        )
        await Promise.all(writes)
        most = Math.max(most, seen.registration.status.pending)
      }
      // Writes at the same time have no order: this one is behind them all.
      await agent.put(c.key('last'), text('1'))
      await fence.until(c.key('last'), '1')
      assert.ok(most <= 100, `${most} changes were pending`)
      const before = seen.events.length
      release()
      await eventually('the RESYNC', () => seen.events.length > before)
      assert.equal(String(seen.events[before]), 'resync overflow')
      await c.converged(agent, seen, fence)
      // Where values are read again, changes from before the release may still be on their way.
      const overflows = seen.events.filter((event) => event.reason === 'overflow').length
      assert.ok(
        c.capabilities.ordered === true ? overflows === 1 : overflows >= 1,
        `${overflows} overflows`,
      )
    },
  )

  add('queueBytes bounds the queue too', async (c) => {
    const { agent, seen, fence, release } = await blocked(c, { queueBytes: 1_000 })
    for (let i = 0; i < 12; i++) await agent.put(c.key(`k${i}`), text('v'.repeat(100)))
    await fence.until(c.key('k11'), 'v'.repeat(100))
    assert.ok(seen.registration.status.pendingBytes <= 1_000)
    release()
    await eventually('the RESYNC', () => seen.lines().includes('resync overflow'))
    await c.converged(agent, seen)
  })

  add(
    'case 11: latest, receiver blocked, 1 000 puts of one key: one CHANGE with last and last delivered value',
    async (c) => {
      const { agent, seen, fence, release } = await blocked(c, { delivery: 'latest' })
      for (let i = 0; i < 1_000; i++) await agent.put(c.key('x'), text(String(i)))
      await fence.until(c.key('x'), '999')
      assert.equal(seen.registration.status.pending, 1)
      release()
      assert.equal(String(await seen.next()), `put ${c.key('x')}=999 (old)`)
      await agent.put(c.key('y'), text('1'))
      assert.equal(String(await seen.next()), `put ${c.key('y')}=1`)
    },
  )

  add(
    'latest: back to the same bytes, or created and deleted, disappears; a delete and re-create is one put',
    async (c) => {
      const { agent, seen, fence, release } = await blocked(c, { delivery: 'latest' })
      await agent.put(c.key('x'), text('new'))
      await agent.put(c.key('x'), text('old'))
      await agent.put(c.key('short'), text('1'))
      await agent.delete(c.key('short'))
      await agent.put(c.key('fence'), text('1'))
      await fence.until(c.key('fence'), '1')
      // Where the source has no order across keys, the fence may overtake what is before it.
      const pending = async (count: number): Promise<unknown> =>
        eventually(
          () => `${count} pending; there are ${seen.registration.status.pending}`,
          () => seen.registration.status.pending === count,
        )
      await pending(1)
      await agent.delete(c.key('x'))
      await agent.put(c.key('x'), text('again'))
      await fence.until(c.key('x'), 'again')
      await agent.put(c.key('fence'), text('2'))
      await fence.until(c.key('fence'), '2')
      await pending(2)
      const before = seen.events.length
      release()
      await eventually('two changes', () => seen.events.length >= before + 2)
      assert.deepEqual(seen.lines().slice(before), [
        `put ${c.key('fence')}=2`,
        `put ${c.key('x')}=again (old)`,
      ])
      await c.converged(agent, seen)
    },
  )

  add('latest: a pending change stays at the place of its first', async (c) => {
    const { agent, seen, fence, release } = await blocked(c, { delivery: 'latest' })
    for (const [key, value] of [
      ['a', '1'],
      ['b', '1'],
      ['a', '2'],
      ['c', '1'],
      ['b', '2'],
    ] as const) {
      await agent.put(c.key(key), text(value))
      // Where the source has no order across keys, each is waited for.
      await fence.until(c.key(key), value)
    }
    const before = seen.events.length
    release()
    await eventually('three changes', () => seen.events.length >= before + 3)
    assert.deepEqual(seen.lines().slice(before), [
      `put ${c.key('a')}=2`,
      `put ${c.key('b')}=2`,
      `put ${c.key('c')}=1`,
    ])
  })

  add('latest, retry: a newer value becomes part of the repeated event', async (c) => {
    const agent = c.agent()
    const seen = c.record(
      agent.watch('retry', c.fixture.prefix, { delivery: 'latest', onRefusal: 'retry' }),
      {
        onRefusal: 'retry',
        answer: (event) => (event.value === 'refuse' ? 'refuse' : 'ack'),
      },
    )
    const fence = c.record(agent.watch('fence', c.fixture.prefix))
    await agent.start()
    await agent.put(c.key('x'), text('old'))
    await seen.until(c.key('x'), 'old')
    await agent.put(c.key('x'), text('refuse'))
    await seen.until(c.key('x'), 'refuse')
    await agent.put(c.key('x'), text('newer'))
    await fence.until(c.key('x'), 'newer')
    await seen.until(c.key('x'), 'newer')
    assert.equal(seen.lines().at(-1), `put ${c.key('x')}=newer (old)`)
    await c.converged(agent, seen)
  })

  add('C9: a blocked receiver delays no other one', async (c) => {
    const { agent, seen, fence, release } = await blocked(c, {})
    for (let i = 0; i < 200; i++) await agent.put(c.key(`k${i}`), text('1'))
    await fence.until(c.key('k199'), '1')
    assert.equal(seen.events.at(-1)?.key, c.key('block'))
    assert.equal(seen.registration.status.inFlight, 1)
    release()
    await c.converged(agent, seen, fence)
  })
}
