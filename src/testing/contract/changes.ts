import assert from 'node:assert/strict'
import type { ChangeEvent } from '../../api/change-event.ts'
import { isSyncError } from '../../api/errors.ts'
import { raw } from '../../api/message.ts'
import type { AddCase } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import { text, textCodec } from '../text.ts'

/** Puts and deletes as they arrive. */
export function changeCases(add: AddCase): void {
  add(
    'case 3: the delete of an absent key is no event; of a present one it has the previous value',
    async (c) => {
      const { agent, seen } = await c.watching()
      await agent.delete(c.key('absent'))
      await agent.put(c.key('x'), text('1'))
      // A store without history may never show a value between two others (C3).
      await seen.until(c.key('x'), '1')
      await agent.delete(c.key('x'))
      await seen.nextWhere('the delete', (e) => e.changeType === 'delete')
      await agent.put(c.key('empty'), raw(new Uint8Array()))
      await seen.until(c.key('empty'), '')
      assert.deepEqual(seen.lines(), [
        'resync startup',
        `put ${c.key('x')}=1`,
        `delete ${c.key('x')} (1)`,
        `put ${c.key('empty')}=`,
      ])
      await agent.delete(c.key('empty'))
      assert.equal(
        String(
          await seen.nextWhere(
            'a delete',
            (e) => e.changeType === 'delete' && e.key === c.key('empty'),
          ),
        ),
        `delete ${c.key('empty')} ()`,
      )
    },
  )

  add(
    'case 4: the same bytes put again are a change where the store has revisions, none elsewhere (C5, W12)',
    async (c) => {
      const { agent, seen } = await c.watching()
      await agent.put(c.key('x'), text('1'))
      await seen.until(c.key('x'), '1')
      await agent.put(c.key('x'), text('1'))
      await agent.put(c.key('y'), text('fence'))
      await seen.until(c.key('y'), 'fence')
      const repeats = c.fixture.repeats ?? c.capabilities.storeRevisions
      const again = repeats ? [`put ${c.key('x')}=1 (1)`] : []
      assert.deepEqual(seen.changes(), [`put ${c.key('x')}=1`, ...again, `put ${c.key('y')}=fence`])
    },
  )

  add(
    'case 24: a value of 1 MiB passes; past the limit the put fails and the next one works',
    async (c) => {
      const { agent, seen } = await c.watching()
      const { maxValueBytes = Infinity } = c.capabilities
      const large = new Uint8Array(2 ** 20).map((_, i) => i % 251)
      if (maxValueBytes >= large.length) {
        await agent.put(c.key('large'), raw(large))
        const put = await seen.nextWhere('the large value', (e) => e.key === c.key('large'))
        assert.ok(put.event.kind === 'change' && put.event.changeType === 'put')
        assert.deepEqual(put.event.bytes, large)
        assert.deepEqual((await agent.get(c.key('large')))?.bytes, large)
      }
      if (maxValueBytes <= 2 ** 27) {
        const tooLarge = new Uint8Array(maxValueBytes + 1)
        await assert.rejects(agent.put(c.key('x'), { serializeBinary: () => tooLarge }), (error) =>
          isSyncError(error, 'SYNC_PAYLOAD_TOO_LARGE'),
        )
      }
      await agent.put(c.key('x'), text('small'))
      await seen.until(c.key('x'), 'small')
    },
  )

  add(
    'case 25: a value that cannot be decoded breaks getValue only; the next change is delivered',
    async (c) => {
      const { agent, seen } = await c.watching()
      await agent.put(c.key('bad'), raw(Uint8Array.of(0xff, 0xfe)))
      const bad = await seen.nextWhere('the bad value', (e) => e.key === c.key('bad'))
      const event = bad.event
      assert.ok(event.kind === 'change' && event.changeType === 'put')
      assert.throws(
        () => event.getValue(textCodec),
        (error) =>
          isSyncError(error, 'SYNC_DECODE') &&
          'key' in error &&
          error.key === c.key('bad') &&
          error.cause !== undefined,
      )
      await agent.put(c.key('bad'), text('good'))
      const good = await seen.until(c.key('bad'), 'good')
      const next = good.event
      assert.ok(next.kind === 'change' && next.changeType === 'put')
      assert.equal(next.getValue(textCodec), 'good')
      assert.throws(
        () => next.getPrevValue(textCodec),
        (error) => isSyncError(error, 'SYNC_DECODE'),
      )
    },
  )

  add('case 31: after delete and re-create the revisions of a key go on growing', async (c) => {
    const { agent, seen } = await c.watching()
    for (const value of ['1', '2', '3']) {
      await agent.put(c.key('x'), text(value))
      await seen.until(c.key('x'), value)
      await agent.delete(c.key('x'))
      await seen.nextWhere('the delete', (event) => event.changeType === 'delete')
    }
    const revisions = seen.events.filter((event) => event.kind === 'change').map((e) => e.revision)
    assert.deepEqual(
      revisions,
      [...new Set(revisions)].sort((a, b) => a - b),
    )
    assert.equal(revisions.length, 6)
  })

  add('W25, C9: a receiver that changes what it got changes nothing for others', async (c) => {
    const agent = c.agent()
    await agent.put(c.key('x'), text('1'))
    const spoil = (event: ChangeEvent): void => {
      event.prev?.bytes.fill(0)
      if (event.changeType === 'put') event.bytes.fill(0)
    }
    agent.watch('spoiler', c.fixture.prefix).handle({
      resync: (event) => {
        for (const pairs of event.values.values()) for (const pair of pairs) pair.bytes.fill(0)
      },
      change: spoil,
    })
    const seen = c.record(agent.watch('other', c.fixture.prefix))
    const fence = c.record(agent.watch('fence', c.fixture.prefix))
    await agent.start()
    await agent.put(c.key('x'), text('2'))
    await agent.put(c.key('x'), text('3'))
    await fence.until(c.key('x'), '3')
    await c.converged(agent, seen)
    await agent.resync(['other'])
    await seen.nextResync()
    assert.deepEqual(seen.fold(), [`${c.key('x')}=3`])
    assert.equal((await agent.get(c.key('x')))?.getValue(textCodec), '3')
  })

  add("the bytes that were written are the framework's own with raw()", async (c) => {
    const { agent, seen } = await c.watching()
    const bytes = new TextEncoder().encode('1')
    const message = raw(bytes)
    bytes.fill(0)
    await agent.put(c.key('x'), message)
    await seen.until(c.key('x'), '1')
  })

  add(
    'C2: changes of one key come in order; where the source is ordered, all of them do',
    async (c) => {
      const { agent, seen } = await c.watching()
      const expected: string[] = []
      for (let i = 0; i < 60; i++) {
        const key = c.key(`k${i % 3}`)
        const before = i < 3 ? '' : ` (${i - 3})`
        await agent.put(key, text(String(i)))
        expected.push(`put ${key}=${i}${before}`)
        // A store that names the key only may skip values between; slowly written it does not.
        if (!c.capabilities.ordered) await seen.until(key, String(i))
      }
      await eventually('all changes', () => seen.changes().length >= expected.length)
      assert.deepEqual(seen.changes(), expected)
    },
  )

  add(
    "C3: concurrent writers on few keys; every receiver ends with the store's state",
    async (c) => {
      const agent = c.agent()
      const seen = [c.fixture.prefix, [c.key('k1'), c.key('k2')], c.key('k')].map((prefix, i) =>
        c.record(agent.watch(`r${i}`, prefix, { delivery: i === 2 ? 'latest' : 'all' })),
      )
      await agent.start()
      const writer = async (id: number): Promise<void> => {
        for (let i = 0; i < 80; i++) {
          const key = c.key(`k${(i * 7 + id) % 20}`)
          if (i % 5 === id) await agent.delete(key)
          else await agent.put(key, text(`${id}-${i}`))
        }
      }
      await Promise.all([writer(0), writer(1), writer(2)])
      await c.converged(agent, ...seen)
    },
  )

  add("another program's writes are changes too", async (c) => {
    const { external } = c.fixture
    if (external === undefined) return
    const { agent, seen } = await c.watching()
    const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
    await external.put(c.key('x'), bytes('1'))
    await seen.until(c.key('x'), '1')
    await agent.put(c.key('x'), text('2'))
    await seen.until(c.key('x'), '2')
    await external.put(c.key('x'), bytes('3'))
    await seen.until(c.key('x'), '3')
    await external.delete(c.key('x'))
    await seen.nextWhere('the delete', (event) => event.changeType === 'delete')
    assert.deepEqual(seen.changes(), [
      `put ${c.key('x')}=1`,
      `put ${c.key('x')}=2 (1)`,
      `put ${c.key('x')}=3 (2)`,
      `delete ${c.key('x')} (3)`,
    ])
  })

  add('W1, W3, W12: a cut stream loses nothing, and what did not change is not told', async (c) => {
    const agent = c.agent()
    for (let i = 0; i < 20; i++) await agent.put(c.key(`k${i}`), text('0'))
    const seen = c.record(agent.watch('watched', c.fixture.prefix))
    await agent.start()
    for (let round = 1; round <= 3; round++) {
      const release = c.link.hold()
      c.link.cut()
      await agent.put(c.key('k1'), text(String(round)))
      await agent.delete(c.key(`k${round + 4}`))
      release()
      await agent.put(c.key('k2'), text(String(round)))
      await c.converged(agent, seen)
    }
    const reasons = new Set(seen.events.flatMap((event) => event.reason ?? []))
    reasons.delete('startup')
    if (c.capabilities.resumable) assert.deepEqual([...reasons], [])
    else assert.deepEqual([...reasons], ['reconnected'])
    assert.equal(
      seen.changes().some((line) => line.includes(c.key('k10'))),
      false,
    )
  })
}
