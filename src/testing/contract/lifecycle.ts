import assert from 'node:assert/strict'
import { isSyncError } from '../../api/errors.ts'
import type { AddCase } from '../contract-case.ts'
import { NO_TIMEOUT } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import { text } from '../text.ts'

const isClosed = (error: unknown): boolean => isSyncError(error, 'SYNC_CLOSED')

/** open, close, and calls from inside handlers. */
export function lifecycleCases(add: AddCase): void {
  add(
    'case 15: close during a RESYNC: resolves, aborts, completes, and nothing comes later',
    async (c) => {
      const agent = c.agent()
      const seen = c.record(agent.watch('held', c.fixture.prefix, NO_TIMEOUT), {
        answer: () => 'hold',
      })
      const started = agent.start()
      started.catch(() => {})
      const resync = await seen.next()
      await Promise.all([agent.close(), agent.close()])
      await agent.close()
      assert.equal(resync.aborted, true)
      assert.equal(seen.completed, true)
      await assert.rejects(started, isClosed)
      resync.event.done()
      assert.equal(seen.events.length, 1)
    },
  )

  add('case 15: close during a put: it is stored or says why not', async (c) => {
    const { agent } = await c.watching()
    const put = agent.put(c.key('x'), text('1'))
    put.catch(() => {})
    await agent.close()
    const result = await put.catch((error: unknown) => error)
    assert.ok(!(result instanceof Error) || isSyncError(result), String(result))
    await assert.rejects(agent.put(c.key('x'), text('1')), isClosed)
    await assert.rejects(agent.get(c.key('x')), isClosed)
    await assert.rejects(agent.delete(c.key('x')), isClosed)
    await assert.rejects(agent.list('')[Symbol.asyncIterator]().next(), isClosed)
    await assert.rejects(agent.resync(), isClosed)
    assert.throws(() => agent.watch('late', c.fixture.prefix), isClosed)
    assert.throws(() => agent.txn(), isClosed)
    await assert.rejects(agent.start(), isClosed)
  })

  add('case 15, W23: close of agent and registration in their own handler', async (c) => {
    const agent = c.agent()
    const registration = agent.watch('closing', c.fixture.prefix)
    const other = agent.watch('other', c.fixture.prefix)
    const events: string[] = []
    registration.handle({
      change: async (event) => {
        events.push(event.key)
        await registration.close()
      },
    })
    let closed = false
    other.handle({
      change: async (event) => {
        if (event.key !== c.key('end')) return
        await agent.close()
        closed = true
      },
    })
    await agent.start()
    await agent.put(c.key('x'), text('1'))
    await eventually('the change', () => events.length === 1)
    await agent.put(c.key('y'), text('1'))
    // The agent may close before the answer is here.
    await agent.put(c.key('end'), text('1')).catch((error: unknown) => {
      assert.ok(isSyncError(error), String(error))
    })
    await eventually('the end', () => closed)
    assert.deepEqual(events, [c.key('x')])
  })

  add(
    'C11: after close nothing is emitted, also to a second subscriber of the same event',
    async (c) => {
      const agent = c.agent()
      const registration = agent.watch('closing', c.fixture.prefix)
      const first: string[] = []
      const second: string[] = []
      let completed = 0
      registration.handle({
        change: (event) => {
          first.push(event.key)
          void registration.close()
        },
      })
      registration.handle({ change: (event) => void second.push(event.key) })
      registration.changes$.subscribe({ complete: () => completed++ })
      registration.status$.subscribe({ complete: () => completed++ })
      const fence = c.record(agent.watch('fence', c.fixture.prefix))
      await agent.start()
      await agent.put(c.key('x'), text('1'))
      // Not every store keeps the order of two keys.
      await fence.until(c.key('x'), '1')
      await agent.put(c.key('y'), text('1'))
      await fence.until(c.key('y'), '1')
      assert.deepEqual([first, second, completed], [[c.key('x')], [], 2])
      assert.equal(registration.status.state, 'closed')
      await registration.close()
      await assert.rejects(registration.register('x'), isClosed)
      let late = false
      registration.events$.subscribe({
        complete: () => {
          late = true
        },
      })
      assert.equal(late, true, 'a late subscriber is completed')
    },
  )

  add('W23: a plain put, get and list in a handler never wait for its own event', async (c) => {
    const agent = c.agent()
    const registration = agent.watch('writer', c.key('in/'))
    registration.handle({
      resync: async () => void (await agent.put(c.key('out/resync'), text('1'))),
      change: async (event) => {
        await agent.put(c.key('out/change'), text(event.key))
        await agent.get(event.key)
        for await (const pair of agent.list(c.key('in/'))) void pair
      },
    })
    const out = c.record(agent.watch('out', c.key('out/')))
    await agent.start()
    await agent.put(c.key('in/x'), text('1'))
    await out.until(c.key('out/change'), c.key('in/x'))
    assert.equal(registration.status.refusals, 0)
  })

  add('W19: a second start is an error, and one run', async (c) => {
    const { agent, seen } = await c.watching()
    await assert.rejects(agent.start(), (error) => isSyncError(error, 'SYNC_ALREADY_STARTED'))
    await agent.put(c.key('x'), text('1'))
    await seen.until(c.key('x'), '1')
    assert.deepEqual(seen.lines(), ['resync startup', `put ${c.key('x')}=1`])
  })

  add('a transport opens and closes once, however often it is asked to', async (c) => {
    const io = {
      signal: new AbortController().signal,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      clock: { now: () => Date.now(), after: realTimer },
      random: Math.random,
    }
    await Promise.all([c.link.open(io), c.link.open(io)])
    await c.link.open(io)
    assert.deepEqual(await c.link.get([c.key('x')], io), [])
    await Promise.all([c.link.close(), c.link.close()])
    await c.link.close()
  })

  add('the store outlives the agent: what was written is there for the next', async (c) => {
    const first = c.agent()
    await first.put(c.key('x'), text('1'))
    await first.close()
    const second = c.agent()
    const seen = c.record(second.watch('next', c.fixture.prefix))
    await second.start()
    assert.deepEqual((await seen.next()).values, { [c.fixture.prefix]: [`${c.key('x')}=1`] })
  })

  add('closing one registration leaves the others as they were', async (c) => {
    const agent = c.agent()
    const closing = c.record(agent.watch('closing', c.fixture.prefix))
    const staying = c.record(agent.watch('staying', c.fixture.prefix))
    await agent.start()
    await closing.registration.close()
    await agent.put(c.key('x'), text('1'))
    await staying.until(c.key('x'), '1')
    assert.deepEqual(closing.lines(), ['resync startup'])
    assert.deepEqual(staying.lines(), ['resync startup', `put ${c.key('x')}=1`])
  })
}

function realTimer(delayMs: number, task: () => void): { stop(): void } {
  const handle = setTimeout(task, delayMs)
  return { stop: () => clearTimeout(handle) }
}
