import { describe, expect, it } from '@jest/globals'
import type { Receipt } from '../../../src/index.ts'
import type { ChangeInput } from '../../../src/testing/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

/** A receipt that writes down what it is told. */
function receipt(): { receipt: Receipt; told: string[] } {
  const told: string[] = []
  return {
    told,
    receipt: {
      routed: (names) => told.push(`routed ${names.join()}`),
      answered: (name, error) =>
        told.push(
          `${name} ${error === undefined ? 'done' : `refused: ${(error as Error).message}`}`,
        ),
      left: (name) => told.push(`${name} left`),
    },
  }
}

const put = (key: string, revision: number, value = '1'): ChangeInput => [
  'put',
  key,
  value,
  revision,
]

describe('receipts (case 32)', () => {
  it('routed once, to those that are subscribed and watch it; answered by their first word', async () => {
    const s = new ScriptedAgent({ agent: { acceptTimeoutMs: 0 } })
    s.watch('a', '/a/')
    const slow = s.watch('all', '/', {}, { answer: (e) => (e.kind === 'change' ? 'hold' : 'ack') })
    s.watch('b', '/b/')
    s.agent.watch('unsubscribed', '/a/')
    await s.start()
    const { receipt: own, told } = receipt()
    s.stream().changes([put('/a/x', 1)], { receipt: own })
    await s.settle()
    expect(told.splice(0)).toEqual([expect.stringMatching(/^routed (a,all|all,a)$/), 'a done'])
    slow.events[1]?.ack()
    slow.events[1]?.event.done(new Error('the second word'))
    expect(told).toEqual(['all done'])
  })

  it('nobody watches, or nothing changed: routed to nobody', async () => {
    const s = new ScriptedAgent()
    s.watch('a', '/a/')
    await s.start(['/a/x', '1', 5])
    const outside = receipt()
    s.stream().changes([put('/b/x', 6)], { receipt: outside.receipt })
    const repeat = receipt()
    s.stream().changes([put('/a/x', 5)], { receipt: repeat.receipt })
    await s.settle()
    expect([outside.told, repeat.told]).toEqual([['routed '], ['routed ']])
  })

  it('several changes of one batch: one answer, when all are; any refusal is one', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'a',
      '/',
      { onRefusal: 'continue' },
      {
        answer: (e) => (e.kind === 'resync' || e.key === '/x' ? 'ack' : 'hold'),
      },
    )
    await s.start()
    const { receipt: own, told } = receipt()
    s.stream().changes([put('/x', 1), put('/no', 1), put('/z', 1)], { receipt: own })
    await s.settle()
    seen.events[2]?.refuse(new Error('no'))
    await s.settle()
    expect(told).toEqual(['routed a'])
    seen.events[3]?.ack()
    expect(told).toEqual(['routed a', 'a refused: no'])
  })

  it.each(['resync', 'retry', 'continue'] as const)(
    '%s: the first word counts, not the repetition',
    async (onRefusal) => {
      const s = new ScriptedAgent()
      let refusals = 1
      s.watch(
        'a',
        '/',
        { onRefusal },
        {
          answer: (e) => (e.kind === 'change' && refusals-- > 0 ? 'refuse' : 'ack'),
        },
      )
      await s.start()
      const { receipt: own, told } = receipt()
      s.stream().changes([put('/x', 1)], { receipt: own })
      await s.settle()
      await s.run(1_000)
      expect(told).toEqual(['routed a', 'a refused: refused by the test'])
    },
  )

  it('a timeout is a refusal, whatever is said later', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('a', '/', {}, { answer: (e) => (e.kind === 'change' ? 'hold' : 'ack') })
    await s.start()
    const { receipt: own, told } = receipt()
    s.stream().changes([put('/x', 1)], { receipt: own })
    await s.run(2_000)
    seen.events[1]?.ack()
    await s.run(1_000)
    expect(told).toEqual([
      'routed a',
      expect.stringContaining('a refused: a: done of a change took longer'),
    ])
  })

  it('latest: coalesced changes are answered together, what vanished at once', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'a',
      '/',
      { delivery: 'latest' },
      { answer: (e) => (e.key === '/block' ? 'hold' : 'ack') },
    )
    await s.start()
    s.stream().changes([put('/block', 1)])
    await s.settle()
    const receipts = Array.from({ length: 4 }, receipt)
    s.stream().changes([put('/x', 2, '2')], { receipt: receipts[0]?.receipt as Receipt })
    s.stream().changes([put('/x', 3, '3')], { receipt: receipts[1]?.receipt as Receipt })
    s.stream().changes([put('/y', 4)], { receipt: receipts[2]?.receipt as Receipt })
    s.stream().changes([['delete', '/y', 5]], { receipt: receipts[3]?.receipt as Receipt })
    await s.settle()
    expect(receipts.map(({ told }) => told.at(-1))).toEqual([
      'routed a',
      'routed a',
      'a done',
      'a done',
    ])
    seen.events[1]?.ack()
    await s.settle()
    expect(receipts.map(({ told }) => told)).toEqual(Array(4).fill(['routed a', 'a done']))
    expect(seen.changes()).toEqual(['put /block=1', 'put /x=3'])
  })

  it('latest, retry: a newer value in the repeated event has its own answer', async () => {
    const s = new ScriptedAgent()
    s.watch(
      'a',
      '/',
      { delivery: 'latest', onRefusal: 'retry' },
      {
        answer: (e) => (e.value === 'no' ? 'refuse' : 'ack'),
      },
    )
    await s.start(['/x', '0', 1])
    const [first, second, third] = [receipt(), receipt(), receipt()]
    s.stream().changes([put('/x', 2, 'no')], { receipt: first.receipt })
    await s.settle()
    s.stream().changes([put('/x', 3, '0')], { receipt: second.receipt })
    await s.settle()
    expect(second.told).toEqual(['routed a', 'a done'])
    s.stream().changes([put('/x', 4, '4')], { receipt: third.receipt })
    await s.run(100)
    expect(first.told).toEqual(['routed a', 'a refused: refused by the test'])
    expect(third.told).toEqual(['routed a', 'a done'])
  })

  it("overflow: answered by the RESYNC that takes the queue's place", async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'a',
      '/',
      { queueLimit: 2 },
      { answer: (e) => (e.key === '/block' ? 'hold' : 'ack') },
    )
    await s.start()
    s.stream().changes([put('/block', 1)])
    await s.settle()
    const { receipt: own, told } = receipt()
    s.stream().changes([put('/x', 2)], { receipt: own })
    s.stream().changes([put('/y', 3), put('/z', 4), put('/zz', 5)])
    await s.settle()
    expect(told).toEqual(['routed a'])
    seen.answer('hold')
    seen.events[1]?.ack()
    await s.settle()
    expect(told).toEqual(['routed a'])
    seen.events[2]?.refuse(new Error('no'))
    expect(told).toEqual(['routed a', 'a refused: no'])
  })

  it('overflow: the RESYNC answers for more writes than the queue may hold', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('a', '/', { queueLimit: 2 })
    await s.start()
    seen.answer((e) => (e.kind === 'change' ? 'hold' : 'ack'))
    const writes = Array.from({ length: 20 }, receipt)
    for (const [i, { receipt: own }] of writes.entries()) {
      s.stream().changes([put(`/${i}`, i + 1)], { receipt: own })
    }
    await s.settle()
    seen.events[1]?.ack()
    await s.settle()
    expect(seen.lines().at(-1)).toBe('resync overflow')
    for (const { told } of writes) expect(told).toEqual(['routed a', 'a done'])
  })

  it('before the startup RESYNC, in a reset, and after a void one: answered by the RESYNC that carries it', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('a', '/', {}, { answer: () => 'hold' })
    const [first, second] = [receipt(), receipt()]
    s.stream().listed()
    void s.begin()
    await s.settle()
    s.stream().changes([put('/x', 1)], { receipt: first.receipt })
    s.stream().reset('compacted')
    await s.settle()
    s.stream()
      .pairs([['/x', '1', 1]])
      .listed()
    await s.settle()
    seen.events[0]?.event.done()
    expect(first.told).toEqual(['routed a'])
    s.stream().changes([put('/y', 2)], { receipt: second.receipt })
    await s.settle()
    seen.answer('ack')
    seen.events[1]?.ack()
    expect(first.told).toEqual(['routed a', 'a done'])
    await s.settle()
    expect(second.told).toEqual(['routed a', 'a done'])
  })

  it('10 000 may wait for a RESYNC, however short the queue; older ones are refused', async () => {
    const s = new ScriptedAgent({ agent: { ackTimeoutMs: 0 } })
    const seen = s.watch('a', '/', { queueLimit: 2 }, { answer: () => 'refuse' })
    await s.start()
    const receipts = Array.from({ length: 10_003 }, receipt)
    for (const [i, { receipt: own }] of receipts.entries()) {
      s.stream().changes([put(`/${i}`, i + 1)], { receipt: own })
    }
    while (s.stream().unread > 0) await s.settle()
    expect(receipts.slice(0, 5).map(({ told }) => told.length)).toEqual([2, 2, 2, 1, 1])
    expect(receipts[0]?.told[1]).toMatch(/^a refused: .*full \(10000\)$/)
    seen.answer('ack')
    await s.run(1_000)
    expect(receipts.slice(3).every(({ told }) => told[1] === 'a done')).toBe(true)
  })

  it('a registration that closes drops out: open, queued, in a back-off, and waiting for a RESYNC', async () => {
    for (const point of ['open', 'queued', 'back-off', 'resync'] as const) {
      const s = new ScriptedAgent()
      const seen = s.watch(
        'a',
        '/',
        point === 'resync' ? { queueLimit: 1 } : { onRefusal: 'retry' },
        {
          answer: (e) => (e.kind === 'resync' ? 'ack' : 'hold'),
        },
      )
      await s.start()
      const { receipt: own, told } = receipt()
      if (point !== 'open') s.stream().changes([put('/block', 1)])
      s.stream().changes([put('/x', 2)], { receipt: own })
      if (point === 'resync') s.stream().changes([put('/y', 3), put('/z', 4)])
      await s.settle()
      if (point === 'back-off') seen.events[1]?.refuse()
      await seen.registration.close()
      expect(told).toEqual(['routed a', 'a left'])
    }
  })

  it('unregister drops what is queued: nothing is left to answer', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch(
      'a',
      ['/a/', '/b/'],
      {},
      { answer: (e) => (e.kind === 'resync' ? 'ack' : 'hold') },
    )
    await s.start()
    s.stream().changes([put('/a/block', 1)])
    const { receipt: own, told } = receipt()
    s.stream().changes([put('/b/x', 2)], { receipt: own })
    await s.settle()
    await seen.registration.unregister('/b/')
    expect(told).toEqual(['routed a', 'a done'])
  })

  it('what a stream still held when it was given up is routed to nobody', async () => {
    const s = new ScriptedAgent()
    s.watch('a')
    await s.start()
    const [first, second] = [receipt(), receipt()]
    s.stream().changes([put('/x', 1)], { receipt: first.receipt })
    s.stream().changes([put('/y', 2)], { receipt: second.receipt })
    await s.agent.close()
    await s.settle()
    expect([first.told, second.told]).toEqual([['routed '], ['routed ']])
  })
})
