import assert from 'node:assert/strict'
import { isSyncError } from '../../api/errors.ts'
import type { AddCase } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import { text } from '../text.ts'

/** Names that other layers could take for something else. */
const AWKWARD = [
  '*',
  'a*b',
  '?',
  '[a-c]',
  '[^a]',
  'back\\slash',
  'trailing\\',
  'with space',
  ' ',
  'new\nline',
  'nul\u0000byte',
  'ключ',
  '😀',
  '\uff5e',
  '..',
  '../x',
  './x',
  'a//b',
  '/',
  '%2F',
  'a%b',
  '#',
  'a?b=c&d',
  '"quoted"',
  "it's",
  '{1}',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
] as const

/** Prefixes and keys (L22). */
export function prefixCases(add: AddCase): void {
  add(
    'case 5: overlapping prefixes in one registration: each change once, RESYNC under both',
    async (c) => {
      const agent = c.agent()
      const prefixes = [c.key('a/'), c.key('a/b/')] as const
      await agent.put(c.key('a/b/x'), text('0'))
      const seen = c.record(agent.watch('overlapping', prefixes))
      await agent.start()
      const pair = `${c.key('a/b/x')}=0`
      assert.deepEqual((await seen.next()).values, { [prefixes[0]]: [pair], [prefixes[1]]: [pair] })
      await agent.put(c.key('a/b/x'), text('1'))
      await agent.put(c.key('a/y'), text('1'))
      await seen.until(c.key('a/y'), '1')
      assert.equal(seen.changes().length, 2)
    },
  )

  add('case 6: 1 000 registrations on distinct prefixes: each sees only its own key', async (c) => {
    const agent = c.agent()
    const seen = Array.from({ length: 1_000 }, (_, i) =>
      c.record(agent.watch(`r${i}`, c.key(`${i}/`))),
    )
    await agent.start()
    await Promise.all(seen.map((_, i) => agent.put(c.key(`${i}/k`), text(String(i)))))
    await eventually('one change each', () => seen.every((one) => one.events.length >= 2))
    for (const [i, one] of seen.entries()) {
      assert.deepEqual(one.lines(), ['resync startup', `put ${c.key(`${i}/k`)}=${i}`])
    }
  })

  add(
    'case 12: register gives that registration a RESYNC (prefix-changed); unregister stops its events',
    async (c) => {
      const agent = c.agent()
      await agent.put(c.key('b/x'), text('0'))
      const seen = c.record(agent.watch('changing', c.key('a/')))
      const other = c.record(agent.watch('other', c.key('a/')))
      await agent.start()
      await seen.registration.register(c.key('b/'))
      assert.deepEqual(seen.registration.prefixes, [c.key('a/'), c.key('b/')])
      await seen.nextResync()
      const resync = await seen.nextResync()
      assert.equal(String(resync), 'resync prefix-changed')
      assert.deepEqual(resync.values, { [c.key('a/')]: [], [c.key('b/')]: [`${c.key('b/x')}=0`] })
      await agent.put(c.key('b/x'), text('1'))
      assert.equal(String(await seen.next()), `put ${c.key('b/x')}=1 (0)`)
      await seen.registration.register(c.key('b/'))
      await seen.registration.unregister(c.key('b/'))
      seen.check.narrowed(seen.registration.prefixes)
      await agent.put(c.key('b/x'), text('2'))
      await agent.put(c.key('a/x'), text('1'))
      assert.equal(String(await seen.next()), `put ${c.key('a/x')}=1`, 'a known prefix was a no-op')
      await other.until(c.key('a/x'), '1')
      assert.deepEqual(other.lines(), ['resync startup', `put ${c.key('a/x')}=1`])
    },
  )

  add('case 12, W23: register and unregister in a handler; several are one RESYNC', async (c) => {
    const agent = c.agent()
    await agent.put(c.key('c/x'), text('0'))
    const registration = agent.watch('changing', c.key('a/'))
    const events: string[] = []
    registration.handle({
      resync: (event) =>
        void events.push(`${event.reason}: ${[...event.values.keys()].sort().join()}`),
      change: async (event) => {
        events.push(event.key)
        if (event.key !== c.key('a/go')) return
        await registration.register(c.key('b/'))
        await registration.register(c.key('c/'))
        await registration.unregister(c.key('b/'))
      },
    })
    await agent.start()
    await agent.put(c.key('a/go'), text('1'))
    await eventually('the second RESYNC', () => events.length >= 3)
    await agent.put(c.key('b/x'), text('1'))
    await agent.put(c.key('c/x'), text('1'))
    await eventually('the change', () => events.includes(c.key('c/x')))
    assert.deepEqual(events, [
      `startup: ${c.key('a/')}`,
      c.key('a/go'),
      `prefix-changed: ${[c.key('a/'), c.key('c/')].join()}`,
      c.key('c/x'),
    ])
  })

  add(
    'unregister drops what is queued of keys that no other prefix covers, and nothing else',
    async (c) => {
      const agent = c.agent()
      const seen = c.record(
        agent.watch('narrow', [c.key('a/'), c.key('a/b/'), c.key('d/')], {
          doneTimeoutMs: { change: 0 },
        }),
        { answer: (event) => (event.key === c.key('d/block') ? 'hold' : 'ack') },
      )
      const fence = c.record(agent.watch('fence', c.fixture.prefix))
      await agent.start()
      await agent.put(c.key('d/block'), text('1'))
      const open = await seen.until(c.key('d/block'), '1')
      for (const key of ['a/x', 'a/b/x', 'd/x']) {
        await agent.put(c.key(key), text('1'))
        await fence.until(c.key(key), '1')
      }
      await seen.registration.unregister(c.key('a/'))
      seen.check.narrowed(seen.registration.prefixes)
      seen.answer('ack')
      open.ack()
      await seen.until(c.key('d/x'), '1')
      await agent.put(c.key('a/y'), text('1'))
      await agent.put(c.key('a/b/y'), text('1'))
      await seen.until(c.key('a/b/y'), '1')
      assert.deepEqual(seen.changes().slice(1), [
        `put ${c.key('a/b/x')}=1`,
        `put ${c.key('d/x')}=1`,
        `put ${c.key('a/b/y')}=1`,
      ])
    },
  )

  add(
    'case 23: keys with *, ?, [, \\, spaces, emoji, .., //, __proto__ are just keys',
    async (c) => {
      const agent = c.agent()
      await agent.put(c.key(`old/${AWKWARD[0]}`), text('old'))
      const seen = c.record(agent.watch('all', c.fixture.prefix))
      const own = AWKWARD.map((name) => c.record(agent.watch(`own ${name}`, c.key(`new/${name}`))))
      await agent.start()
      for (const name of AWKWARD) await agent.put(c.key(`new/${name}`), text(name))
      await c.converged(agent, seen, ...own)
      for (const [i, name] of AWKWARD.entries()) {
        const key = c.key(`new/${name}`)
        const got = await agent.get(key)
        assert.equal(got?.key, key)
        assert.equal(new TextDecoder().decode(got?.bytes), name)
        assert.ok(own[i]?.fold().includes(`${key}=${name}`))
      }
      for (const name of AWKWARD) await agent.delete(c.key(`new/${name}`))
      await c.converged(agent, seen, ...own)
      assert.deepEqual(seen.fold(), [`${c.key('old/*')}=old`])
    },
  )

  add(
    'L22: a prefix ends where it ends: a/b/ is not a/bc; a prefix may be a whole key',
    async (c) => {
      const agent = c.agent()
      const slash = c.record(agent.watch('slash', c.key('a/b/')))
      const exact = c.record(agent.watch('exact', c.key('a/b')))
      for (const key of ['a/b', 'a/b/c', 'a/bc', 'a/c', 'a/B/c', 'a'])
        await agent.put(c.key(key), text('1'))
      await agent.start()
      for (const key of ['a/b', 'a/b/c', 'a/bc', 'a/c', 'a/B/c', 'a'])
        await agent.put(c.key(key), text('2'))
      await slash.until(c.key('a/b/c'), '2')
      await exact.until(c.key('a/bc'), '2')
      await c.converged(agent, slash, exact)
      assert.deepEqual(slash.fold(), [`${c.key('a/b/c')}=2`])
      assert.deepEqual(exact.fold(), [
        `${c.key('a/b')}=2`,
        `${c.key('a/b/c')}=2`,
        `${c.key('a/bc')}=2`,
      ])
    },
  )

  add('L22: the empty prefix matches everything', async (c) => {
    const agent = c.agent()
    const keys: string[] = []
    agent.watch('everything', '').handle({ change: (event) => void keys.push(event.key) })
    await agent.start()
    await agent.put(c.key('x'), text('1'))
    await eventually('the change', () => keys.includes(c.key('x')))
    const listed: string[] = []
    for await (const pair of agent.list('')) listed.push(pair.key)
    assert.ok(listed.includes(c.key('x')))
  })

  add(
    'a registration without prefixes has its place in the order and an empty RESYNC',
    async (c) => {
      const agent = c.agent()
      const seen = c.record(agent.register('part'))
      await agent.start()
      const first = await seen.next()
      assert.equal(String(first), 'resync startup')
      assert.deepEqual(first.values, {})
    },
  )

  add('keys and prefixes that break the rules are refused at the door', async (c) => {
    const agent = c.agent()
    const invalid = (error: unknown): boolean => isSyncError(error, 'SYNC_INVALID_KEY')
    const tooLong = 'x'.repeat(1_025)
    for (const key of ['', tooLong, '\ud800']) {
      await assert.rejects(agent.put(key, text('1')), invalid)
      await assert.rejects(agent.get(key), invalid)
      await assert.rejects(agent.delete(key), invalid)
      assert.throws(() => agent.txn().put(key, text('1')), invalid)
    }
    for (const prefix of [tooLong, '\ud800']) {
      assert.throws(() => agent.watch('invalid', prefix), invalid)
      await assert.rejects(agent.delete(prefix, { prefix: true }), invalid)
      await assert.rejects(agent.list(prefix)[Symbol.asyncIterator]().next(), invalid)
    }
    const valid = agent.watch('valid', c.fixture.prefix)
    await assert.rejects(valid.register(tooLong), invalid)
    assert.deepEqual(valid.prefixes, [c.fixture.prefix])
    const longest = c.key('é').padEnd(Math.min(1_024, c.capabilities.maxKeyBytes ?? 1_024) - 1, 'x')
    await agent.put(longest, text('1'))
    assert.equal((await agent.get(longest))?.key, longest)
  })
}
