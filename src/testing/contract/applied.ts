import assert from 'node:assert/strict'
import { isSyncError } from '../../api/errors.ts'
import type { RefusedError, TimeoutError } from '../../api/errors.ts'
import type { PutResult } from '../../api/writer.ts'
import type { AddCase, ContractCase } from '../contract-case.ts'
import { NO_TIMEOUT } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import type { Recorded } from '../recorder.ts'
import type { TestAgent } from '../runner.ts'
import { text, textOf } from '../text.ts'

/** Runs the body where the transport has `waitFor: 'applied'`; else looks that it says so. */
function applied(add: AddCase, title: string, body: (c: ContractCase) => Promise<void>): void {
  add(title, async (c) => {
    if (c.capabilities.waitForApplied && c.fixture.receivers !== false) {
      await body(c)
      return
    }
    if (c.capabilities.waitForApplied) {
      assert.equal((await putApplied(c)).receivers, 0, 'nobody watches there')
      return
    }
    const put = c.agent().put(c.key('x'), text('1'), { waitFor: 'applied' })
    await assert.rejects(put, (error) => isSyncError(error, 'SYNC_UNSUPPORTED_OPTION'))
  })
}

function putApplied(c: ContractCase): Promise<PutResult> {
  return put(c.agent(), c.key('x'), '1')
}

function put(agent: TestAgent, key: string, value: string, timeoutMs = 10_000): Promise<PutResult> {
  const written = agent.put(key, text(value), { waitFor: 'applied', timeoutMs })
  // Awaited later by the test.
  written.catch(() => {})
  return written
}

function refusers(error: unknown): string[] {
  assert.ok(isSyncError(error, 'SYNC_REFUSED'), String(error))
  return (error as RefusedError).refusals.map((refusal) => refusal.registration).sort()
}

/** Case 32: when `waitFor: 'applied'` is settled. */
export function appliedCases(add: AddCase): void {
  applied(add, 'case 32: applied waits for every matching receiver', async (c) => {
    const agent = c.agent()
    const held: Recorded[] = []
    const hold = (event: Recorded): 'ack' | 'hold' => {
      if (event.kind === 'resync') return 'ack'
      held.push(event)
      return 'hold'
    }
    c.record(agent.watch('a', c.fixture.prefix, NO_TIMEOUT), { answer: hold })
    c.record(agent.watch('b', c.key('x'), NO_TIMEOUT), { answer: hold })
    const fence = c.record(agent.watch('elsewhere', c.key('y')))
    await agent.start()
    let settled = false
    const written = put(agent, c.key('x'), '1')
    void written.then(() => {
      settled = true
    })
    await eventually('both events', () => held.length === 2)
    held[0]?.ack()
    await agent.put(c.key('y'), text('1'))
    await fence.until(c.key('y'), '1')
    assert.equal(settled, false)
    held[1]?.ack()
    assert.equal((await written).receivers, 2)
  })

  applied(add, 'case 32: who has asked to watch just before is waited for', async (c) => {
    const agent = c.agent()
    c.record(agent.watch('first', c.key('elsewhere/')))
    await agent.start()
    const held: Recorded[] = []
    c.record(agent.watch('late', c.fixture.prefix, NO_TIMEOUT), {
      answer: (event) => {
        held.push(event)
        return 'hold'
      },
    })
    const written = put(agent, c.key('x'), '1')
    const carries = (event: Recorded): boolean =>
      event.key === c.key('x') || (event.values[c.fixture.prefix] ?? []).includes(`${c.key('x')}=1`)
    for (let i = 0; ; i++) {
      const event = await eventually('the event that carries the write', () => held[i])
      event.ack()
      if (carries(event)) break
    }
    assert.equal((await written).receivers, 1)
  })

  applied(add, 'case 32: nobody watches, or nobody is subscribed: at once', async (c) => {
    const agent = c.agent({ acceptTimeoutMs: 10 })
    agent.watch('unsubscribed', c.fixture.prefix)
    await agent.start()
    assert.equal((await put(agent, c.key('x'), '1')).receivers, 0)
    assert.equal((await agent.delete(c.key('x'), { waitFor: 'applied' })).receivers, 0)
    assert.equal(
      (await agent.delete(c.key('x'), { waitFor: 'applied' })).receivers,
      0,
      'an absent key',
    )
  })

  for (const onRefusal of ['resync', 'retry', 'continue'] as const) {
    applied(
      add,
      `case 32: any refusal under ${onRefusal} is a RefusedError with all; the value stays`,
      async (c) => {
        const agent = c.agent()
        const refuse = {
          onRefusal,
          answer: (event: Recorded) => (event.value === '1' ? 'refuse' : 'ack'),
        } as const
        c.record(agent.watch('a', c.fixture.prefix, { onRefusal }), refuse)
        c.record(agent.watch('b', c.fixture.prefix, { onRefusal }), refuse)
        const fine = c.record(agent.watch('c', c.fixture.prefix))
        await agent.start()
        const error: unknown = await put(agent, c.key('x'), '1').catch((e: unknown) => e)
        assert.deepEqual(refusers(error), ['a', 'b'])
        assert.equal(textOf(await agent.get(c.key('x'))), '1')
        await fine.until(c.key('x'), '1')
      },
    )
  }

  applied(add, 'case 32: the first done counts: a timeout is a refusal', async (c) => {
    const agent = c.agent()
    c.record(
      agent.watch('slow', c.fixture.prefix, {
        doneTimeoutMs: { change: 50 },
        onRefusal: 'continue',
      }),
      {
        onRefusal: 'continue',
        answer: (event) => (event.kind === 'resync' ? 'ack' : 'hold'),
      },
    )
    await agent.start()
    const error: unknown = await put(agent, c.key('x'), '1').catch((e: unknown) => e)
    assert.deepEqual(refusers(error), ['slow'])
    assert.ok(isSyncError((error as RefusedError).refusals[0]?.cause, 'SYNC_TIMEOUT'))
  })

  applied(add, 'case 32: out of time: TimeoutError, stored', async (c) => {
    const { agent } = await c.watching({
      watch: NO_TIMEOUT,
      answer: (event) => (event.kind === 'resync' ? 'ack' : 'hold'),
    })
    const error: unknown = await put(agent, c.key('x'), '1', 250).catch((e: unknown) => e)
    assert.ok(isSyncError(error, 'SYNC_TIMEOUT'))
    assert.equal((error as TimeoutError).outcome, 'stored')
    assert.equal(textOf(await agent.get(c.key('x'))), '1')
  })

  applied(
    add,
    'case 32: latest: coalesced changes are settled by the event that carries them',
    async (c) => {
      const { agent, seen } = await c.watching({
        watch: { ...NO_TIMEOUT, delivery: 'latest' },
        answer: (event) => (event.key === c.key('block') ? 'hold' : 'ack'),
      })
      const blocking = put(agent, c.key('block'), '1')
      const block = await seen.until(c.key('block'), '1')
      const writes = ['1', '2', '3'].map((value) => put(agent, c.key('x'), value))
      const vanishing = [
        put(agent, c.key('y'), '1'),
        agent.delete(c.key('y'), { waitFor: 'applied' }),
      ]
      await Promise.all(vanishing)
      seen.answer('ack')
      block.ack()
      await Promise.all([blocking, ...writes])
      assert.deepEqual(seen.changes(), [`put ${c.key('block')}=1`, `put ${c.key('x')}=3`])
    },
  )

  applied(
    add,
    'case 32: overflow: what was queued is settled by the RESYNC, not before',
    async (c) => {
      const { agent, seen } = await c.watching({
        watch: { ...NO_TIMEOUT, queueLimit: 3 },
        answer: (event) => (event.key === c.key('block') ? 'hold' : 'ack'),
      })
      const blocking = put(agent, c.key('block'), '1')
      const block = await seen.until(c.key('block'), '1')
      let settled = 0
      const writes = [agent.put(c.key('x0'), text('1')), agent.put(c.key('x1'), text('1'))]
      for (const name of ['x2', 'x3']) writes.push(put(agent, c.key(name), '1'))
      for (const write of writes.slice(2)) void write.then(() => settled++)
      await eventually(
        'the overflow',
        () =>
          seen.registration.status.state === 'resyncing' && seen.registration.status.pending === 0,
      )
      seen.answer('hold')
      block.ack()
      await blocking
      const resync = await seen.nextResync()
      const overflow = resync.reason === 'startup' ? await seen.nextResync() : resync
      assert.equal(overflow.reason, 'overflow')
      assert.equal(settled, 0)
      seen.answer('ack')
      overflow.ack()
      await Promise.all(writes)
    },
  )

  applied(
    add,
    "case 32: overflow while a RESYNC is open: that one's done settles nothing that it does not carry",
    async (c) => {
      const agent = c.agent()
      const fence = c.record(agent.watch('fence', c.fixture.prefix))
      const seen = c.record(
        agent.watch('slow', c.fixture.prefix, { ...NO_TIMEOUT, queueLimit: 3 }),
        { answer: () => 'hold' },
      )
      const started = agent.start()
      const startup = await seen.next()
      let settled = 0
      const writes = [agent.put(c.key('x0'), text('1')), agent.put(c.key('x1'), text('1'))]
      for (const name of ['x2', 'x3']) writes.push(put(agent, c.key(name), '1'))
      for (const write of writes.slice(2)) void write.then(() => settled++)
      await fence.until(c.key('x3'), '1')
      startup.ack()
      const overflow = await seen.next()
      assert.equal(overflow.reason, 'overflow')
      await started
      await agent.put(c.key('fence'), text('1'))
      await fence.until(c.key('fence'), '1')
      assert.equal(settled, 0)
      seen.answer('ack')
      overflow.ack()
      await Promise.all(writes)
    },
  )

  applied(
    add,
    'case 32: a registration that closes drops out, whatever it was doing',
    async (c) => {
      const { agent, seen } = await c.watching({
        watch: NO_TIMEOUT,
        answer: (event) => (event.kind === 'resync' ? 'ack' : 'hold'),
      })
      const open = put(agent, c.key('x'), '1')
      await seen.until(c.key('x'), '1')
      const queued = put(agent, c.key('y'), '1')
      await eventually('the queue', () => seen.registration.status.pending === 1)
      const written = put(agent, c.key('z'), '1')
      await seen.registration.close()
      const after = put(agent, c.key('z'), '2')
      assert.deepEqual(
        (await Promise.all([open, queued, written, after])).map((result) => result.receivers),
        [0, 0, 0, 0],
      )
    },
  )

  applied(add, 'applied of a transaction and of a prefix delete: all their changes', async (c) => {
    if (!c.capabilities.transactions) return
    const { agent, seen } = await c.watching()
    const { receivers } = await agent
      .txn()
      .put(c.key('a'), text('1'))
      .put(c.key('b'), text('1'))
      .commit({ waitFor: 'applied' })
    assert.equal(receivers, 1)
    assert.equal(seen.changes().length, 2)
    const deleted = await agent.delete(c.fixture.prefix, { prefix: true, waitFor: 'applied' })
    assert.deepEqual(deleted, { deleted: 2, receivers: 1 })
    assert.equal(seen.changes().length, 4)
  })
}
