import { describe, expect, it } from '@jest/globals'
import type { Checkpoint } from '../../../src/index.ts'
import type { FoldedPair } from '../../../src/testing/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

/** `/a=1@2` for every pair, with the position before. */
function shown(checkpoint: Checkpoint | undefined): string[] | undefined {
  return checkpoint?.parts.map(
    (part) =>
      `${part.position}: ${part.pairs.map(([key, value, revision]) => `${key}=${atob(value)}@${revision}`).join()}`,
  )
}

function resumed(checkpoint: Checkpoint): Map<string, FoldedPair> {
  return new Map(
    checkpoint.parts.flatMap((part) =>
      part.pairs.map(([key, value, revision]) => [
        key,
        { value: new TextEncoder().encode(atob(value)), revision },
      ]),
    ),
  )
}

function checkpointOf(
  pairs: readonly string[],
  position = 'p1',
  prefixes: readonly string[] = ['/'],
): Checkpoint {
  return {
    format: 1,
    transport: 'scripted',
    prefixes,
    parts: [{ prefixes, position, pairs: pairs.map((key) => [key, btoa('1'), 1, 'v'] as const) }],
  }
}

describe('checkpoint() (W21)', () => {
  it('is the last acknowledged position with its fold: open and queued changes are taken back', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', {}, { answer: (e) => (e.value === 'hold' ? 'hold' : 'ack') })
    expect(seen.registration.checkpoint()).toBeUndefined()
    await s.start(['/a', '1', 1], ['/b', '1', 1])
    expect(shown(seen.registration.checkpoint())).toEqual(['p0: /a=1@1,/b=1@1'])
    s.stream().changes([['put', '/a', '2', 2]], { position: 'p2' })
    await s.settle()
    expect(shown(seen.registration.checkpoint())).toEqual(['p2: /a=2@2,/b=1@1'])
    s.stream().changes(
      [
        ['put', '/a', 'hold', 3],
        ['delete', '/b', 3],
      ],
      { position: 'p3' },
    )
    s.stream().changes(
      [
        ['put', '/c', '1', 4],
        ['put', '/a', '5', 4],
      ],
      { position: 'p4' },
    )
    await s.settle()
    expect(shown(seen.registration.checkpoint())).toEqual(['p2: /a=2@2,/b=1@1'])
    seen.answer('hold')
    seen.events[2]?.ack()
    await s.settle()
    // Resume falls on the border of the transaction (W9).
    expect(shown(seen.registration.checkpoint())).toEqual(['p2: /a=hold@3,/b=1@1'])
    seen.answer('ack')
    seen.events[3]?.ack()
    await s.settle()
    expect(shown(seen.registration.checkpoint())).toEqual(['p4: /a=5@4,/c=1@4'])
    s.stream().progress('p9')
    await s.settle()
    expect(shown(seen.registration.checkpoint())).toEqual(['p9: /a=5@4,/c=1@4'])
  })

  it('there is none while a RESYNC is owed or open, in its back-off, while a prefix is new, after close', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/a/', {}, { answer: (_, i) => (i === 0 ? 'hold' : 'ack') })
    s.stream().listed('p0')
    void s.begin()
    await s.settle()
    const { registration } = seen
    expect(registration.checkpoint()).toBeUndefined()
    seen.events[0]?.refuse()
    expect(registration.checkpoint()).toBeUndefined()
    await s.run(100)
    expect(registration.checkpoint()).toBeDefined()
    await registration.register('/b/')
    expect(registration.checkpoint()).toBeUndefined()
    s.stream(1).listed('q0')
    await s.settle()
    expect(shown(registration.checkpoint())).toEqual(['p0: ', 'q0: '])
    await registration.close()
    expect(registration.checkpoint()).toBeUndefined()
  })

  it('there is none on a transport that cannot resume, or a feed without a position', async () => {
    const s = new ScriptedAgent({ transport: { capabilities: { resumable: false } } })
    const seen = s.watch('r')
    await s.start(['/a', '1', 1])
    expect(seen.registration.checkpoint()).toBeUndefined()
    const t = new ScriptedAgent()
    const other = t.watch('r')
    t.stream().listed()
    void t.begin()
    await t.settle()
    expect(other.registration.checkpoint()).toBeUndefined()
  })

  it('in the back-off of a retry it lacks the refused change; after continue it has it', async () => {
    for (const onRefusal of ['retry', 'continue'] as const) {
      const s = new ScriptedAgent()
      const seen = s.watch(
        'r',
        '/',
        { onRefusal },
        { answer: (e) => (e.kind === 'change' ? 'refuse' : 'ack') },
      )
      await s.start(['/a', '1', 1])
      s.stream().changes([['put', '/a', '2', 2]], { position: 'p2' })
      await s.settle()
      const expected = onRefusal === 'retry' ? ['p0: /a=1@1'] : ['p2: /a=2@2']
      expect(shown(seen.registration.checkpoint())).toEqual(expected)
    }
  })
})

describe('resume (C1)', () => {
  it("goes on behind the position without a RESYNC; previous values are the checkpoint's", async () => {
    const s = new ScriptedAgent()
    const resume = checkpointOf(['/a', '/b'])
    const seen = s.watch('r', '/', { resume }, { resumed: resumed(resume) })
    s.stream().changes(
      [
        ['put', '/a', '2', 2],
        ['delete', '/b', 3],
      ],
      { position: 'p3' },
    )
    const started = s.begin()
    await s.settle()
    expect(s.stream().from).toBe('p1')
    expect((await started).turns[0]?.outcome).toBe('resumed')
    expect(seen.lines()).toEqual(['put /a=2 (1)', 'delete /b (1)'])
    expect(seen.registration.status).toMatchObject({ state: 'live', lastResync: undefined })
    expect(shown(seen.registration.checkpoint())).toEqual(['p3: /a=2@2'])
    expect(s.violations).toEqual([])
  })

  it('is not opened before start', async () => {
    const s = new ScriptedAgent()
    s.watch('r', '/', { resume: checkpointOf([]) })
    await s.settle()
    expect(s.transport.script.streams).toHaveLength(0)
    s.stream().progress()
    void s.begin()
    await s.settle()
    expect(s.transport.script.streams).toHaveLength(1)
  })

  it('too old: RESYNC (startup), whatever reason the source gives', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', { resume: checkpointOf(['/a', '/b']) })
    s.stream()
      .reset('compacted')
      .pairs([['/c', '1', 9]])
      .listed('p9')
    void s.begin()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup'])
    expect(seen.fold()).toEqual(['/c=1'])
    expect(s.violations).toEqual([])
  })

  it('further behind than the queue holds: RESYNC (startup); no CHANGE comes first', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', { resume: checkpointOf(['/a']), queueLimit: 3 })
    s.stream().changes(
      Array.from({ length: 5 }, (_, i) => ['put', `/${i}`, '1', i + 2] as const),
      { position: 'p7' },
    )
    s.stream().changes([['put', '/a', '2', 8]], { position: 'p8' })
    void s.begin()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup'])
    expect(seen.fold()).toHaveLength(6)
    s.stream().changes([['put', '/a', '3', 9]], { position: 'p9' })
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup', 'put /a=3 (2)'])
    expect(s.violations).toEqual([])
  })

  it('the link breaks before it goes on: it asks again for the same position', async () => {
    const s = new ScriptedAgent()
    const resume = checkpointOf(['/a'])
    const seen = s.watch('r', '/', { resume }, { resumed: resumed(resume) })
    s.stream(0).fail(new Error('cut'))
    s.stream(1).changes([['delete', '/a', 2]], { position: 'p2' })
    void s.begin()
    await s.settle()
    await s.run(10)
    expect(s.stream(1).from).toBe('p1')
    expect(seen.lines()).toEqual(['delete /a (1)'])
  })

  it('with several parts: one that is too old makes it a RESYNC of all', async () => {
    const s = new ScriptedAgent()
    const [a, b] = [checkpointOf(['/a/x'], 'p1', ['/a/']), checkpointOf(['/b/x'], 'q1', ['/b/'])]
    const resume = { ...a, prefixes: ['/a/', '/b/'], parts: [...a.parts, ...b.parts] }
    const seen = s.watch('r', ['/a/', '/b/'], { resume })
    s.stream(0).changes([['put', '/a/x', '2', 2]], { position: 'p2' })
    s.stream(1)
      .reset('compacted')
      .pairs([['/b/y', '1', 9]])
      .listed('q9')
    void s.begin()
    await s.settle()
    expect(seen.lines()).toEqual(['resync startup'])
    expect(seen.fold()).toEqual(['/a/x=2', '/b/y=1'])
    expect(s.violations).toEqual([])
  })

  it('with several parts that all go on', async () => {
    const s = new ScriptedAgent()
    const [a, b] = [checkpointOf(['/a/x'], 'p1', ['/a/']), checkpointOf(['/b/x'], 'q1', ['/b/'])]
    const resume = { ...a, prefixes: ['/a/', '/b/'], parts: [...a.parts, ...b.parts] }
    const seen = s.watch('r', ['/a/', '/b/'], { resume }, { resumed: resumed(resume) })
    s.stream(0).changes([['put', '/a/x', '2', 2]], { position: 'p2' })
    void s.begin()
    await s.settle()
    expect(seen.lines()).toEqual([])
    s.stream(1).progress()
    await s.settle()
    expect(seen.lines()).toEqual(['put /a/x=2 (1)'])
    expect(shown(seen.registration.checkpoint())).toEqual(['p2: /a/x=2@2', 'q1: /b/x=1@1'])
    expect(s.violations).toEqual([])
  })

  it.each([
    ['another transport', { transport: 'other' }],
    ['other prefixes', { parts: [{ prefixes: ['/elsewhere/'], position: 'p', pairs: [] }] }],
    ['fewer prefixes', { parts: [] }],
  ] as const)('of %s is ignored', async (_, difference) => {
    const s = new ScriptedAgent()
    const seen = s.watch('r', '/', {
      resume: { ...checkpointOf(['/a']), ...difference } as Checkpoint,
    })
    await s.start(['/b', '1', 1])
    expect(s.stream().from).toBeUndefined()
    expect(seen.lines()).toEqual(['resync startup'])
  })

  it('on a transport that cannot resume is ignored', async () => {
    const s = new ScriptedAgent({ transport: { capabilities: { resumable: false } } })
    const seen = s.watch('r', '/', { resume: checkpointOf(['/a']) })
    await s.start(['/b', '1', 1])
    expect(seen.lines()).toEqual(['resync startup'])
  })

  it.each([
    {},
    { format: 2 },
    { ...checkpointOf([]), parts: undefined },
    { ...checkpointOf([]), parts: [null] },
    { ...checkpointOf([]), parts: [{ prefixes: ['/'], pairs: [] }] },
    {
      ...checkpointOf([]),
      parts: [{ prefixes: ['/'], position: 'p', pairs: [['/a', 1, 1, 'v']] }],
    },
    {
      ...checkpointOf([]),
      parts: [{ prefixes: ['/'], position: 'p', pairs: [['/a', 'not base64!', 1, 'v']] }],
    },
  ])('what is none is an error: %j', (resume) => {
    const s = new ScriptedAgent()
    expect(() => s.agent.watch('r', '/', { resume: resume as unknown as Checkpoint })).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_OPTION' }),
    )
    // The name was not taken.
    s.agent.watch('r', '/')
  })

  it('register while it catches up: RESYNC (prefix-changed), after what was missed', async () => {
    const s = new ScriptedAgent()
    const resume = checkpointOf(['/a/x'], 'p1', ['/a/'])
    const seen = s.watch('r', '/a/', { resume }, { resumed: resumed(resume) })
    void s.begin()
    await s.settle()
    await seen.registration.register('/b/')
    await s.settle()
    // The feed of its own is shared with nobody while it lies behind.
    expect(s.stream(1).prefixes).toEqual(['/a/', '/b/'])
    s.stream(1)
      .pairs([
        ['/a/x', '2', 2],
        ['/b/x', '1', 1],
      ])
      .listed()
    await s.settle()
    expect(seen.lines()).toEqual([])
    s.stream(0).changes([['put', '/a/x', '2', 2]], { position: 'p2' })
    await s.settle()
    expect(seen.fold()).toEqual(['/a/x=2', '/b/x=1'])
    expect(seen.events.filter((e) => e.kind === 'resync').map(String)).toEqual([
      expect.stringMatching(/^resync (prefix-changed|startup)$/),
    ])
    expect(s.violations).toEqual([])
  })
})
