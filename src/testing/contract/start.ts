import assert from 'node:assert/strict'
import type { AddCase } from '../contract-case.ts'
import { NO_TIMEOUT } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import { text, textOf } from '../text.ts'

/** The first RESYNC, and what a RESYNC is. */
export function startCases(add: AddCase): void {
  add(
    'case 1: an empty store gives a RESYNC with every prefix present and empty (C1, W10)',
    async (c) => {
      const agent = c.agent()
      const prefixes = [c.key('a/'), c.key('b/')]
      const seen = c.record(agent.watch('empty', prefixes))
      await agent.start()
      const first = await seen.next()
      assert.equal(String(first), 'resync startup')
      assert.deepEqual(first.values, { [prefixes[0] as string]: [], [prefixes[1] as string]: [] })
      await agent.put(c.key('a/x'), text('1'))
      const put = await seen.next()
      assert.equal(String(put), `put ${c.key('a/x')}=1`)
      assert.equal(put.event.kind === 'change' && 'prev' in put.event && put.event.prev, undefined)
    },
  )

  add(
    'case 2: a RESYNC is ascending by UTF-8 bytes; a put has the stored previous value',
    async (c) => {
      // UTF-16 would put the emoji first.
      const [fullwidth, emoji] = [c.key('k/\uff5e'), c.key('k/😀')]
      const agent = c.agent()
      await agent.put(emoji, text('emoji'))
      await agent.put(fullwidth, text('fullwidth'))
      const seen = c.record(agent.watch('two', c.key('k/')))
      await agent.start()
      const first = await seen.next()
      assert.deepEqual(first.values, {
        [c.key('k/')]: [`${fullwidth}=fullwidth`, `${emoji}=emoji`],
      })
      await agent.put(emoji, text('new'))
      assert.equal(String(await seen.next()), `put ${emoji}=new (emoji)`)
    },
  )

  add(
    'case 27: a RESYNC walked after 1 000 later changes shows the state at its delivery',
    async (c) => {
      const agent = c.agent()
      await agent.put(c.key('same'), text('old'))
      await agent.put(c.key('gone'), text('old'))
      const slow = c.record(agent.watch('slow', c.fixture.prefix, NO_TIMEOUT), {
        answer: () => 'hold',
      })
      const quick = c.record(agent.watch('quick', c.fixture.prefix))
      const started = agent.start()
      const resync = await slow.next()
      const changes = Array.from({ length: 1_000 }, (_, i) =>
        agent.put(c.key(`new${i}`), text('new')),
      )
      await Promise.all([
        ...changes,
        agent.put(c.key('same'), text('new')),
        agent.delete(c.key('gone')),
      ])
      assert.ok(resync.event.kind === 'resync')
      const walk = (): string[] =>
        Array.from(resync.event.kind === 'resync' ? resync.event.values : [], ([, pairs]) =>
          Array.from(pairs, (pair) => `${pair.key}=${textOf(pair)}`).join(),
        )
      const expected = [`${c.key('gone')}=old,${c.key('same')}=old`]
      assert.deepEqual(walk(), expected)
      assert.deepEqual(walk(), expected, 'a second walk')
      resync.ack()
      slow.answer('ack')
      await started
      await c.converged(agent, slow, quick)
    },
  )

  add('C1: no CHANGE before the startup RESYNC is acknowledged; then all of them', async (c) => {
    const agent = c.agent()
    const fence = c.record(agent.watch('fence', c.fixture.prefix))
    const held = c.record(agent.watch('held', c.fixture.prefix, NO_TIMEOUT), {
      answer: () => 'hold',
    })
    const started = agent.start()
    const resync = await held.next()
    assert.equal(
      held.registration.status.state,
      'resyncing',
      'W20: not live before it is acknowledged',
    )
    await agent.put(c.key('x'), text('1'))
    await fence.until(c.key('x'), '1')
    assert.deepEqual(held.lines(), ['resync startup'])
    held.answer('ack')
    resync.ack()
    assert.equal(String(await held.next()), `put ${c.key('x')}=1`)
    await started
    await eventually('W20: live', () => held.registration.status.state === 'live')
  })

  add(
    'W8, W11: with a writer running throughout, nothing is missed and nothing comes twice',
    async (c) => {
      const agent = c.agent()
      const write = async (from: number): Promise<void> => {
        for (let i = from; i < from + 100; i++) {
          await agent.put(c.key(`k${i % 37}`), text(String(i)))
          if (i % 11 === 0) await agent.delete(c.key(`k${(i + 5) % 37}`))
        }
      }
      await write(0)
      const early = c.record(agent.watch('early', c.fixture.prefix))
      const writing = write(100)
      await agent.start()
      const late = c.record(agent.watch('late', c.fixture.prefix))
      await writing
      await write(200)
      await late.nextResync()
      await c.converged(agent, early, late)
      assert.equal(early.events.filter((event) => event.kind === 'resync').length, 1)
    },
  )

  add(
    'a watch made after start, on keys that others watch, begins with its own startup RESYNC',
    async (c) => {
      const { agent, seen } = await c.watching()
      await agent.put(c.key('x'), text('1'))
      await seen.until(c.key('x'), '1')
      const late = c.record(agent.watch('late', c.fixture.prefix))
      const first = await late.next()
      assert.equal(String(first), 'resync startup')
      assert.deepEqual(first.values, { [c.fixture.prefix]: [`${c.key('x')}=1`] })
      assert.equal(seen.events.length, 2, 'nobody else is disturbed')
    },
  )

  add(
    'delivery begins with the first subscription; what came before is in the RESYNC',
    async (c) => {
      const agent = c.agent({ acceptTimeoutMs: 10 })
      const registration = agent.watch('late', c.fixture.prefix)
      const fence = c.record(agent.watch('fence', c.fixture.prefix))
      const report = await agent.start()
      assert.deepEqual(
        report.turns.map((turn) => [turn.name, turn.outcome]),
        [
          ['late', 'passed-over'],
          ['fence', 'acked'],
        ],
      )
      await agent.put(c.key('x'), text('1'))
      await fence.until(c.key('x'), '1')
      const late = c.record(registration)
      const first = await late.next()
      assert.equal(String(first), 'resync startup')
      assert.deepEqual(first.values, { [c.fixture.prefix]: [`${c.key('x')}=1`] })
    },
  )

  add('a kind that nobody wants is acknowledged by the framework', async (c) => {
    const agent = c.agent()
    const registration = agent.watch('changes only', c.fixture.prefix)
    const keys: string[] = []
    registration.changes$.subscribe((event) => {
      keys.push(event.key)
      event.done()
    })
    const report = await agent.start()
    assert.equal(report.turns[0]?.outcome, 'acked')
    await agent.put(c.key('x'), text('1'))
    await eventually('the change', () => keys.includes(c.key('x')))
  })
}
