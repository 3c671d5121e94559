import assert from 'node:assert/strict'
import type { Checkpoint } from '../../api/watcher.ts'
import { isSyncError } from '../../api/errors.ts'
import type { AddCase, ContractCase } from '../contract-case.ts'
import { NO_TIMEOUT } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import type { FoldedPair } from '../delivery-check.ts'
import type { Recorder } from '../recorder.ts'
import type { TestAgent } from '../runner.ts'
import { text } from '../text.ts'

/** What a checkpoint holds, as a {@link DeliveryCheck} wants it; passed through JSON, as a user would store it. */
function stored(checkpoint: Checkpoint | undefined): {
  resume: Checkpoint
  resumed: Map<string, FoldedPair>
} {
  assert.ok(checkpoint !== undefined, 'there is a checkpoint')
  const resume = JSON.parse(JSON.stringify(checkpoint)) as Checkpoint
  const resumed = new Map<string, FoldedPair>()
  for (const part of resume.parts) {
    for (const [key, value, revision] of part.pairs) {
      resumed.set(key, {
        value: Uint8Array.from(atob(value), (char) => char.charCodeAt(0)),
        revision,
      })
    }
  }
  return { resume, resumed }
}

async function withPairs(c: ContractCase): Promise<{ agent: TestAgent; seen: Recorder }> {
  const both = await c.watching()
  for (const name of ['a', 'b']) {
    await both.agent.put(c.key(name), text('1'))
    await both.seen.until(c.key(name), '1')
  }
  return both
}

/** `checkpoint()` and `resume` (C1, W21). */
export function checkpointCases(add: AddCase): void {
  add(
    'case 31: a checkpoint resumes without RESYNC where the transport can; else it is ignored',
    async (c) => {
      const { agent, seen } = await withPairs(c)
      const checkpoint = seen.registration.checkpoint()
      if (!c.capabilities.resumable) {
        assert.equal(checkpoint, undefined)
        return
      }
      const { resume, resumed } = stored(checkpoint)
      assert.deepEqual([...resumed.keys()].sort(), [c.key('a'), c.key('b')])
      await agent.put(c.key('a'), text('2'))
      await agent.delete(c.key('b'))
      await agent.put(c.key('new'), text('1'))
      const later = c.record(agent.watch('resumed', c.fixture.prefix, { resume }), { resumed })
      await c.converged(agent, later)
      await agent.put(c.key('a'), text('3'))
      await later.until(c.key('a'), '3')
      assert.deepEqual(later.lines(), [
        `put ${c.key('a')}=2 (1)`,
        `delete ${c.key('b')} (1)`,
        `put ${c.key('new')}=1`,
        `put ${c.key('a')}=3 (2)`,
      ])
    },
  )

  add('case 31: a checkpoint resumes in the next agent, watched before its start', async (c) => {
    if (!c.capabilities.resumable) return
    const { agent, seen } = await withPairs(c)
    const { resume, resumed } = stored(seen.registration.checkpoint())
    await agent.put(c.key('a'), text('2'))
    await agent.close()
    const next = c.agent()
    const later = c.record(next.watch('watched', c.fixture.prefix, { resume }), { resumed })
    await new Promise((resolve) => setImmediate(resolve))
    const report = await next.start()
    await next.put(c.key('b'), text('2'))
    await later.until(c.key('b'), '2')
    assert.deepEqual(later.lines(), [`put ${c.key('a')}=2 (1)`, `put ${c.key('b')}=2 (1)`])
    assert.equal(report.turns[0]?.outcome, 'resumed')
  })

  add(
    'case 31: a checkpoint that the source cannot go on from is ignored: RESYNC (startup)',
    async (c) => {
      if (!c.capabilities.resumable) return
      const { agent, seen } = await withPairs(c)
      const { resume } = stored(seen.registration.checkpoint())
      const parts = resume.parts.map((part) => ({ ...part, position: 'no-such-epoch:1' }))
      const later = c.record(
        agent.watch('stale', c.fixture.prefix, { resume: { ...resume, parts } }),
      )
      const first = await later.next()
      assert.equal(String(first), 'resync startup')
      assert.deepEqual(first.values, { [c.fixture.prefix]: [`${c.key('a')}=1`, `${c.key('b')}=1`] })
      await c.converged(agent, later)
    },
  )

  add(
    'a checkpoint of another transport or other prefixes is ignored; what is none is an error',
    async (c) => {
      if (!c.capabilities.resumable) return
      const { agent, seen } = await withPairs(c)
      const { resume } = stored(seen.registration.checkpoint())
      const other = c.record(agent.watch('other', c.key('a'), { resume }))
      assert.equal(String(await other.next()), 'resync startup')
      const foreign = { ...resume, transport: 'another' }
      const elsewhere = c.record(agent.watch('foreign', c.fixture.prefix, { resume: foreign }))
      assert.equal(String(await elsewhere.next()), 'resync startup')
      assert.throws(
        () => agent.watch('none', c.fixture.prefix, { resume: {} as Checkpoint }),
        (error) => isSyncError(error, 'SYNC_INVALID_OPTION'),
      )
    },
  )

  add('W21: a checkpoint is the last acknowledged state, not what was received', async (c) => {
    if (!c.capabilities.resumable) return
    const agent = c.agent()
    await agent.put(c.key('a'), text('1'))
    const seen = c.record(agent.watch('slow', c.fixture.prefix, NO_TIMEOUT), {
      answer: (event) => (event.value === '2' ? 'hold' : 'ack'),
    })
    assert.equal(seen.registration.checkpoint(), undefined, 'nothing is acknowledged')
    await agent.start()
    await agent.put(c.key('a'), text('2'))
    const open = await seen.until(c.key('a'), '2')
    await agent.delete(c.key('a'))
    await agent.put(c.key('b'), text('1'))
    await eventually('the queue', () => seen.registration.status.pending === 2)
    const first = stored(seen.registration.checkpoint())
    assert.deepEqual([...first.resumed.keys()], [c.key('a')])
    const later = c.record(agent.watch('resumed', c.fixture.prefix, { resume: first.resume }), {
      resumed: first.resumed,
    })
    await c.converged(agent, later)
    assert.deepEqual(later.lines(), [
      `put ${c.key('a')}=2 (1)`,
      `delete ${c.key('a')} (2)`,
      `put ${c.key('b')}=1`,
    ])
    open.ack()
    await seen.until(c.key('b'), '1')
    const second = stored(seen.registration.checkpoint())
    assert.deepEqual([...second.resumed.keys()], [c.key('b')])
  })

  add(
    'a resumed registration that loses continuity later gets a RESYNC with the reason',
    async (c) => {
      if (!c.capabilities.resumable) return
      const { agent, seen } = await withPairs(c)
      const { resume, resumed } = stored(seen.registration.checkpoint())
      const later = c.record(agent.watch('resumed', c.fixture.prefix, { resume }), { resumed })
      await agent.put(c.key('a'), text('2'))
      await later.until(c.key('a'), '2')
      c.link.cut('compacted')
      const resync = await later.next()
      assert.equal(String(resync), 'resync compacted')
      await c.converged(agent, later, seen)
    },
  )

  add('a resumed registration takes a further prefix with a RESYNC (prefix-changed)', async (c) => {
    if (!c.capabilities.resumable) return
    const agent = c.agent()
    await agent.put(c.key('a/x'), text('1'))
    await agent.put(c.key('b/x'), text('1'))
    const seen = c.record(agent.watch('first', c.key('a/')))
    await agent.start()
    await seen.next()
    const { resume, resumed } = stored(seen.registration.checkpoint())
    const later = c.record(agent.watch('resumed', c.key('a/'), { resume }), { resumed })
    await agent.put(c.key('a/x'), text('2'))
    await later.until(c.key('a/x'), '2')
    await later.registration.register(c.key('b/'))
    const writes = Array.from({ length: 20 }, (_, i) => agent.put(c.key('b/x'), text(String(i))))
    const resync = await later.next()
    assert.equal(String(resync), 'resync prefix-changed')
    await Promise.all(writes)
    await c.converged(agent, later)
  })
}
