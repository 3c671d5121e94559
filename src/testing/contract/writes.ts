import assert from 'node:assert/strict'
import { isSyncError } from '../../api/errors.ts'
import type { SyncErrorCode } from '../../api/errors.ts'
import type { PublishResult } from '../../api/writer.ts'
import type { AddCase } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import { text, textOf } from '../text.ts'

const DAY_MS = 24 * 3_600_000

const withCode =
  (code: SyncErrorCode) =>
  (error: unknown): boolean =>
    isSyncError(error, code)

/** get, list, put, delete, conditions, transactions, TTL, publish. */
export function writeCases(add: AddCase): void {
  add('get and list: one key, and ascending under a prefix; absent is undefined', async (c) => {
    const agent = c.agent()
    assert.equal(await agent.get(c.key('x')), undefined)
    for (const name of ['b', 'a', '\uff5e', '😀', 'ab'])
      await agent.put(c.key(`l/${name}`), text(name))
    await agent.put(c.key('m'), text('m'))
    const names: string[] = []
    for await (const pair of agent.list(c.key('l/'))) names.push(`${pair.key}=${textOf(pair)}`)
    assert.deepEqual(
      names,
      ['a', 'ab', 'b', '\uff5e', '😀'].map((name) => `${c.key(`l/${name}`)}=${name}`),
    )
    assert.equal(textOf(await agent.get(c.key('m'))), 'm')
  })

  add('writes work before start, and their results say what they did', async (c) => {
    const agent = c.agent()
    const { version } = await agent.put(c.key('x'), text('1'))
    assert.equal((await agent.get(c.key('x')))?.version, version)
    const { deleted } = await agent.delete(c.key('x'))
    assert.ok(deleted === undefined || deleted === 1)
    const nothing = await agent.delete(c.key('x'))
    assert.ok(nothing.deleted === undefined || nothing.deleted === 0)
  })

  add('prefix delete takes away what begins with it, nothing else', async (c) => {
    const { agent, seen } = await c.watching()
    for (const name of ['d/a', 'd/b', 'd', 'dd/a', 'e']) {
      await agent.put(c.key(name), text(name))
      await seen.until(c.key(name), name)
    }
    const { deleted } = await agent.delete(c.key('d/'), { prefix: true })
    assert.ok(deleted === undefined || deleted === 2)
    await c.converged(agent, seen)
    assert.deepEqual(
      seen.fold(),
      ['d', 'dd/a', 'e'].map((name) => `${c.key(name)}=${name}`),
    )
    const deletes = seen.events.filter((event) => event.changeType === 'delete')
    assert.deepEqual(deletes.map((event) => event.key).sort(), [c.key('d/a'), c.key('d/b')])
  })

  add('case 19: after its TTL a key is deleted, with previous value', async (c) => {
    const agent = c.agent()
    const seen = c.record(agent.watch('ttl', c.fixture.prefix))
    await agent.start()
    if (!c.capabilities.ttl) {
      await assert.rejects(
        agent.put(c.key('x'), text('1'), { ttlMs: 1_000 }),
        withCode('SYNC_UNSUPPORTED_OPTION'),
      )
      return
    }
    await agent.put(c.key('short'), text('1'), { ttlMs: 150 })
    await agent.put(c.key('kept'), text('1'), { ttlMs: 150 })
    await agent.put(c.key('kept'), text('2'))
    const gone = await seen.nextWhere('the end', (event) => event.changeType === 'delete')
    assert.equal(String(gone), `delete ${c.key('short')} (1)`)
    assert.equal(await agent.get(c.key('short')), undefined)
    await agent.put(c.key('later'), text('1'), { ttlMs: 150 })
    await seen.nextWhere('the end', (event) => event.changeType === 'delete')
    assert.equal(textOf(await agent.get(c.key('kept'))), '2', 'a put without TTL clears it')
  })

  add('case 19: a TTL of 30 days, with a fake clock', async (c) => {
    const { clock } = c.fixture
    if (clock === undefined || !c.capabilities.ttl) return
    const { agent, seen } = await c.watching({ clock })
    await agent.put(c.key('x'), text('1'), { ttlMs: 30 * DAY_MS })
    await seen.until(c.key('x'), '1')
    await clock.run(30 * DAY_MS - 1)
    assert.equal(textOf(await agent.get(c.key('x'))), '1')
    await clock.run(1)
    const gone = await seen.next()
    assert.equal(String(gone), `delete ${c.key('x')} (1)`)
  })

  add('case 20: a transaction is all or nothing', async (c) => {
    const { agent, seen } = await c.watching()
    const txn = agent.txn()
    for (const name of ['a', 'b', 'c']) txn.put(c.key(name), text('1'))
    if (!c.transactions) {
      await assert.rejects(txn.commit(), withCode('SYNC_UNSUPPORTED_OPTION'))
      assert.deepEqual(await c.stored(agent), [])
      return
    }
    const { versions } = await txn.commit()
    assert.deepEqual([...versions.keys()].sort(), [c.key('a'), c.key('b'), c.key('c')])
    await c.converged(agent, seen)
    assert.equal((await agent.get(c.key('a')))?.version, versions.get(c.key('a')))
    if (!c.capabilities.conditionalPut) return
    const stale = agent
      .txn()
      .put(c.key('a'), text('2'))
      .delete(c.key('b'))
      .put(c.key('c'), text('2'), { ifVersion: 'no such version' })
    await assert.rejects(stale.commit(), withCode('SYNC_VERSION_CONFLICT'))
    assert.deepEqual(
      await c.stored(agent),
      ['a', 'b', 'c'].map((name) => `${c.key(name)}=1`),
    )
    const fresh = agent
      .txn()
      .put(c.key('a'), text('2'), { ifVersion: versions.get(c.key('a')) ?? '' })
      .delete(c.key('b'), { ifVersion: versions.get(c.key('b')) ?? '' })
      .put(c.key('d'), text('1'), { ifAbsent: true })
    await fresh.commit()
    await c.converged(agent, seen)
    assert.deepEqual(seen.fold(), [`${c.key('a')}=2`, `${c.key('c')}=1`, `${c.key('d')}=1`])
  })

  add(
    "C2, W9: a transaction's changes come back to back where the source is ordered",
    async (c) => {
      if (!c.transactions || !c.capabilities.ordered) return
      const { agent, seen } = await c.watching()
      const commits = Array.from({ length: 30 }, (_, round) => {
        const txn = agent.txn()
        for (const name of ['a', 'b', 'c']) txn.put(c.key(name), text(String(round)))
        return [txn.commit(), agent.put(c.key(`between${round}`), text('1'))]
      })
      await Promise.all(commits.flat())
      await c.converged(agent, seen)
      const values = seen.events.filter((e) => e.kind === 'change').map((e) => e.value ?? '')
      for (let i = 0; i < values.length; i++) {
        const event = seen.events.filter((e) => e.kind === 'change')[i]
        if (event?.key !== c.key('a')) continue
        assert.deepEqual(values.slice(i, i + 3), [event.value, event.value, event.value])
      }
    },
  )

  add('a transaction takes each key once, and commits once', async (c) => {
    const agent = c.agent()
    const txn = agent.txn().put(c.key('x'), text('1'))
    assert.throws(() => txn.delete(c.key('x')), withCode('SYNC_INVALID_OPTION'))
    await txn.commit()
    await assert.rejects(txn.commit(), withCode('SYNC_CLOSED'))
    assert.throws(() => txn.put(c.key('y'), text('1')), withCode('SYNC_CLOSED'))
    assert.deepEqual([...(await agent.txn().commit()).versions], [])
    assert.deepEqual(await c.stored(agent), [`${c.key('x')}=1`])
  })

  add('case 21: ifVersion, two writers of different bytes at once: one wins', async (c) => {
    const agent = c.agent()
    const { version } = await agent.put(c.key('x'), text('0'))
    if (!c.capabilities.conditionalPut) {
      await assert.rejects(
        agent.put(c.key('x'), text('1'), { ifVersion: version }),
        withCode('SYNC_UNSUPPORTED_OPTION'),
      )
      return
    }
    const writes = ['a', 'b', 'c', 'd'].map((value) =>
      agent.put(c.key('x'), text(value), { ifVersion: version }),
    )
    const results = await Promise.allSettled(writes)
    const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []))
    assert.equal(won.length, 1)
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      assert.ok(isSyncError(result.reason, 'SYNC_VERSION_CONFLICT'))
      assert.deepEqual('key' in result.reason && result.reason.key, c.key('x'))
      assert.deepEqual('expected' in result.reason && result.reason.expected, version)
    }
    assert.equal(textOf(await agent.get(c.key('x'))), ['a', 'b', 'c', 'd'][won[0] ?? -1])
  })

  add(
    'ifVersion and ifAbsent of put, ifVersion of delete; the version of a watch or a read will do',
    async (c) => {
      if (!c.capabilities.conditionalPut) return
      const { agent, seen } = await c.watching()
      const conflict = withCode('SYNC_VERSION_CONFLICT')
      const { version } = await agent.put(c.key('x'), text('1'), { ifAbsent: true })
      await assert.rejects(agent.put(c.key('x'), text('2'), { ifAbsent: true }), conflict)
      await assert.rejects(agent.put(c.key('y'), text('1'), { ifVersion: version }), conflict)
      const event = (await seen.until(c.key('x'), '1')).event
      assert.ok(event.kind === 'change' && event.changeType === 'put')
      assert.equal(event.version, version)
      const second = await agent.put(c.key('x'), text('2'), { ifVersion: event.version })
      assert.notEqual(second.version, version)
      await assert.rejects(agent.delete(c.key('x'), { ifVersion: version }), conflict)
      const read = await agent.get(c.key('x'))
      await agent.delete(c.key('x'), { ifVersion: read?.version ?? '' })
      await agent.put(c.key('x'), text('3'), { ifAbsent: true })
      await agent.put(c.key('fence'), text('1'))
      await c.converged(agent, seen)
      const puts = seen.events.filter((e) => e.key === c.key('x') && e.changeType === 'put')
      assert.deepEqual(puts.at(-1)?.value, '3')
    },
  )

  add(
    'options that are unknown, out of range or contradict each other are refused at the door',
    async (c) => {
      const agent = c.agent()
      const invalid = withCode('SYNC_INVALID_OPTION')
      await assert.rejects(agent.put(c.key('x'), text('1'), { tttl: 1 } as object), invalid)
      await assert.rejects(agent.put(c.key('x'), text('1'), { timeoutMs: 0 }), invalid)
      await assert.rejects(
        agent.put(c.key('x'), text('1'), { waitFor: 'written' as 'stored' }),
        invalid,
      )
      await assert.rejects(agent.delete(c.key('x'), { prefix: 1 as unknown as boolean }), invalid)
      await assert.rejects(agent.put(c.key('x'), {} as never), invalid)
      assert.throws(
        () => agent.watch('x', c.fixture.prefix, { delivery: 'newest' as 'latest' }),
        invalid,
      )
      assert.throws(() => agent.watch('x', c.fixture.prefix, { queueLimit: 0 }), invalid)
      assert.throws(() => agent.watch('', c.fixture.prefix), invalid)
      if (c.capabilities.conditionalPut) {
        const both = { ifVersion: 'v', ifAbsent: true }
        await assert.rejects(agent.put(c.key('x'), text('1'), both), invalid)
        await assert.rejects(agent.delete(c.key('x'), { ifVersion: 'v', prefix: true }), invalid)
      }
      if (c.capabilities.ttl)
        await assert.rejects(agent.put(c.key('x'), text('1'), { ttlMs: 0 }), invalid)
      assert.deepEqual(await c.stored(agent), [])
    },
  )

  add(
    'publish: one result per input, in order; a failed input is a result, not the end',
    async (c) => {
      const { agent, seen } = await c.watching()
      const inputs = Array.from({ length: 600 }, (_, i) => {
        if (i === 300) return { key: '', message: text('invalid') }
        if (i === 301) return { key: c.key('k1'), delete: true as const }
        return { key: c.key(`k${i}`), message: text(String(i)) }
      })
      const results: PublishResult[] = []
      let completed = false
      const source = async function* (): AsyncGenerator<(typeof inputs)[number]> {
        yield* inputs
      }
      agent.publish(source()).subscribe({
        next: (result) => void results.push(result),
        complete: () => {
          completed = true
        },
      })
      await eventually('the end of publish', () => completed)
      assert.deepEqual(
        results.map((result) => result.key),
        inputs.map((input) => input.key),
      )
      assert.deepEqual(
        results.flatMap((result, i) => (result.ok ? [] : [i])),
        [300],
      )
      const failed = results[300]
      assert.ok(failed !== undefined && !failed.ok && isSyncError(failed.error, 'SYNC_INVALID_KEY'))
      await c.converged(agent, seen)
      assert.equal(seen.fold().length, 597)
    },
  )
}
