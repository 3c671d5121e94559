import { afterEach, describe, expect, it } from '@jest/globals'
import {
  Agent,
  composite,
  memory,
  PartialWriteError,
  prefixed,
  raw,
  VersionConflictError,
} from '../../../src/index.ts'
import type { CompositeOptions, Transport } from '../../../src/index.ts'
import { SwitchableTransport } from '../../support/switchable-transport.ts'
import { waitFor } from '../../support/wait-for.ts'

const text = (value: string): ReturnType<typeof raw> => raw(new TextEncoder().encode(value))
const shown = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const agents: Agent[] = []
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()))
})

function agentOn(transport: Transport): Agent {
  const agent = new Agent({ transport })
  agents.push(agent)
  return agent
}

interface Seen {
  readonly log: string[]
  readonly revisions: number[]
}

/** Everything under `/k/` as lines: `resync startup a=1 b=2`, `put a=2 (1)`, `delete a (2)`. */
function record(agent: Agent): Seen {
  const seen: Seen = { log: [], revisions: [] }
  agent.watch('recorder', '/k/').handle({
    resync: (event) => {
      const pairs = [...(event.values.get('/k/') ?? [])]
      const list = pairs.map((pair) => ` ${pair.key.slice(3)}=${shown(pair.bytes)}`).join('')
      seen.log.push(`resync ${event.reason}${list}`)
    },
    change: (event) => {
      const before = event.prev === undefined ? '' : ` (${shown(event.prev.bytes)})`
      const now = event.changeType === 'put' ? `=${shown(event.bytes)}` : ''
      seen.log.push(`${event.changeType} ${event.key.slice(3)}${now}${before}`)
      seen.revisions.push(event.revision)
    },
  })
  return seen
}

async function pair(options?: CompositeOptions): Promise<{
  first: SwitchableTransport
  second: SwitchableTransport
  writeFirst: Agent
  writeSecond: Agent
  both: Agent
}> {
  const first = new SwitchableTransport(memory({ name: 'one' }), { forgetful: true })
  const second = new SwitchableTransport(memory({ name: 'two' }), { forgetful: true })
  return {
    first,
    second,
    writeFirst: agentOn(first),
    writeSecond: agentOn(second),
    both: agentOn(composite([first, second], options)),
  }
}

describe('composite', () => {
  it('shows the first part, and the second when the first deletes', async () => {
    const { writeFirst, writeSecond, both } = await pair()
    await writeFirst.put('/k/a', text('1'))
    await writeSecond.put('/k/a', text('2'))
    await writeSecond.put('/k/b', text('3'))
    const seen = record(both)
    await both.start()
    await writeSecond.put('/k/a', text('hidden'))
    await writeFirst.put('/k/a', text('4'))
    await writeFirst.delete('/k/a')
    await writeSecond.delete('/k/a')
    await waitFor(() => seen.log.length === 4)
    expect(seen.log).toEqual([
      'resync startup a=1 b=3',
      'put a=4 (1)',
      'put a=hidden (4)',
      'delete a (hidden)',
    ])
    expect(seen.revisions).toEqual([...seen.revisions].sort((a, b) => a - b))
  })

  it('tells nothing when the other part holds the same bytes', async () => {
    const { writeFirst, writeSecond, both } = await pair()
    await writeFirst.put('/k/a', text('1'))
    await writeSecond.put('/k/a', text('1'))
    const seen = record(both)
    await both.start()
    await writeFirst.delete('/k/a')
    await writeSecond.put('/k/fence', text('x'))
    await waitFor(() => seen.log.includes('put fence=x'))
    expect(seen.log).toEqual(['resync startup a=1', 'put fence=x'])
    const found = await both.get('/k/a')
    expect(found?.version).toMatch(/^two#/)
  })

  it('latest: the part that changed the key last wins', async () => {
    const { writeFirst, writeSecond, both } = await pair({ conflict: 'latest' })
    await writeFirst.put('/k/a', text('1'))
    await writeSecond.put('/k/a', text('2'))
    const seen = record(both)
    await both.start()
    await writeSecond.put('/k/a', text('3'))
    await waitFor(() => seen.log.length === 2)
    await writeFirst.put('/k/a', text('4'))
    await waitFor(() => seen.log.length === 3)
    await writeFirst.delete('/k/a')
    await waitFor(() => seen.log.length === 4)
    expect(seen.log).toEqual(['resync startup a=1', 'put a=3 (1)', 'put a=4 (3)', 'put a=3 (4)'])
  })

  it('latest: a pair listed again counts only when its bytes differ', async () => {
    const { first, writeFirst, writeSecond, both } = await pair({ conflict: 'latest' })
    await writeFirst.put('/k/a', text('1'))
    await writeFirst.put('/k/b', text('1'))
    await writeSecond.put('/k/a', text('2'))
    await writeSecond.put('/k/b', text('2'))
    const seen = record(both)
    await both.start()
    await writeSecond.put('/k/a', text('3'))
    await writeSecond.put('/k/b', text('3'))
    await waitFor(() => seen.log.length === 3)
    first.cut()
    first.restore()
    await writeFirst.put('/k/b', text('4'))
    await waitFor(() => seen.log.length === 4)
    expect(seen.log[3]).toBe('resync reconnected a=3 b=4')
  })

  it("a part's reset carries the other part's keys", async () => {
    const { first, writeFirst, writeSecond, both } = await pair()
    await writeFirst.put('/k/a', text('1'))
    await writeSecond.put('/k/b', text('2'))
    const seen = record(both)
    await both.start()
    first.cut()
    await writeSecond.put('/k/c', text('3'))
    await waitFor(() => seen.log.includes('put c=3'))
    first.restore()
    await writeFirst.delete('/k/a')
    await waitFor(() => seen.log.some((line) => line.startsWith('resync reconnected')))
    expect(seen.log.at(-1)).toBe('resync reconnected b=2 c=3')
  })

  it('keep: a lost part keeps its last known pairs', async () => {
    const { first, writeFirst, writeSecond, both } = await pair()
    await writeFirst.put('/k/a', text('1'))
    const seen = record(both)
    await both.start()
    first.cut()
    await writeSecond.put('/k/fence', text('x'))
    await waitFor(() => seen.log.includes('put fence=x'))
    expect(seen.log).toEqual(['resync startup a=1', 'put fence=x'])
  })

  it('drop: a lost part is taken out as changes and comes back', async () => {
    const { first, writeFirst, writeSecond, both } = await pair({ onPartLost: 'drop' })
    await writeFirst.put('/k/a', text('1'))
    await writeFirst.put('/k/b', text('1'))
    await writeSecond.put('/k/b', text('2'))
    const seen = record(both)
    await both.start()
    first.cut()
    await waitFor(() => seen.log.length === 3)
    expect(seen.log.slice(1).sort()).toEqual(['delete a (1)', 'put b=2 (1)'])
    first.restore()
    await waitFor(() => seen.log.length === 4)
    expect(seen.log[3]).toBe('resync reconnected a=1 b=1')
  })

  it('keep: the first RESYNC waits for every part; drop: not for a lost one', async () => {
    for (const onPartLost of ['keep', 'drop'] as const) {
      const { first, writeSecond, both } = await pair({ onPartLost })
      await writeSecond.put('/k/b', text('2'))
      first.cut()
      const seen = record(both)
      const started = both.start()
      if (onPartLost === 'keep') first.restore()
      await started
      expect(seen.log).toEqual(['resync startup b=2'])
    }
  })

  it('writes to all parts; a part that is out of reach makes it partial', async () => {
    const { second, writeFirst, writeSecond, both } = await pair()
    await both.put('/k/a', text('1'))
    expect(shown((await writeFirst.get('/k/a'))?.bytes ?? new Uint8Array())).toBe('1')
    expect(shown((await writeSecond.get('/k/a'))?.bytes ?? new Uint8Array())).toBe('1')
    second.cut()
    const failed = await both.put('/k/a', text('2')).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(PartialWriteError)
    expect((failed as PartialWriteError).parts.map(({ part, outcome }) => [part, outcome])).toEqual(
      [
        ['one', 'stored'],
        ['two', 'not-applied'],
      ],
    )
    // A delete begins with the last part: nothing was deleted in front of the failure.
    await expect(both.delete('/k/a')).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    expect(shown((await writeFirst.get('/k/a'))?.bytes ?? new Uint8Array())).toBe('2')
  })

  it('a delete shows no older value of a later part', async () => {
    const { both } = await pair()
    const seen = record(both)
    await both.start()
    await both.put('/k/a', text('1'))
    await both.delete('/k/a')
    await both.put('/k/fence', text('x'))
    await waitFor(() => seen.log.includes('put fence=x'))
    expect(seen.log).toEqual(['resync startup', 'put a=1', 'delete a (1)', 'put fence=x'])
  })

  it('conditions and txn need write: first, and versions name the part', async () => {
    const all = await pair()
    await expect(all.both.put('/k/a', text('1'), { ifAbsent: true })).rejects.toMatchObject({
      code: 'SYNC_UNSUPPORTED_OPTION',
    })
    const { both, writeSecond } = await pair({ write: 'first' })
    const { version } = await both.put('/k/a', text('1'), { ifAbsent: true })
    expect(version).toMatch(/^one#/)
    await both.put('/k/a', text('2'), { ifVersion: version })
    const conflict = await both
      .put('/k/a', text('3'), { ifVersion: version })
      .catch((e: unknown) => e)
    expect(conflict).toBeInstanceOf(VersionConflictError)
    expect((conflict as VersionConflictError).expected).toBe(version)
    expect(await writeSecond.get('/k/a')).toBeUndefined()
    await writeSecond.put('/k/second', text('1'))
    const other = (await both.get('/k/second'))?.version as string
    await expect(both.put('/k/second', text('2'), { ifVersion: other })).rejects.toMatchObject({
      key: '/k/second',
      expected: other,
      actual: undefined,
    })
    await both.txn().put('/k/x', text('1')).put('/k/y', text('1')).commit()
    expect((await both.get('/k/y'))?.key).toBe('/k/y')
  })

  it('applied waits for the receivers behind it', async () => {
    const { both } = await pair()
    const seen = record(both)
    await both.start()
    const { receivers } = await both.put('/k/a', text('1'), { waitFor: 'applied' })
    expect(receivers).toBeGreaterThan(0)
    expect(seen.log).toContain('put a=1')
  })
})

describe('what is no transport', () => {
  it('is refused at the door', () => {
    const invalid = expect.objectContaining({ code: 'SYNC_INVALID_OPTION' })
    for (const parts of [undefined, memory(), [], [memory(), {}], [undefined]]) {
      expect(() => composite(parts as never)).toThrow(invalid)
    }
    expect(() => prefixed({} as never, '/a/')).toThrow(invalid)
  })
})
