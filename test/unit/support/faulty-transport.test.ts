import { describe, expect, it } from '@jest/globals'
import { silentLogger } from '../../../src/api/logger.ts'
import { raw } from '../../../src/api/message.ts'
import type { Batch, Io, Position } from '../../../src/api/transport.ts'
import { Agent, memory } from '../../../src/index.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { ScriptedTransport } from '../../../src/testing/scripted-transport.ts'
import { FaultyTransport } from '../../support/faulty-transport.ts'
import { recordEvents } from '../../support/record-events.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

const text = (value: string) => raw(new TextEncoder().encode(value))

function setUp() {
  const inner = new ScriptedTransport({ name: 'inner', livenessMs: 70 })
  const clock = new FakeClock()
  const abort = new AbortController()
  const io: Io = { signal: abort.signal, logger: silentLogger, clock, random: () => 0.5 }
  const transport = new FaultyTransport(inner)
  return { inner, clock, abort, transport, io, script: inner.script }
}

/** Reads a stream in the background. */
function read(transport: FaultyTransport, io: Io, from?: Position) {
  const state = { kinds: [] as Batch['kind'][], error: undefined as unknown, over: false }
  void (async () => {
    try {
      for await (const batch of transport.stream(['/'], from, io)) state.kinds.push(batch.kind)
    } catch (error) {
      state.error = error
    }
    state.over = true
  })()
  return state
}

describe('FaultyTransport', () => {
  it('passes everything through', async () => {
    const { transport, inner, script, io, abort } = setUp()
    expect(transport).toMatchObject({ name: 'inner', livenessMs: 70 })
    expect(transport.capabilities).toBe(inner.capabilities)
    expect(new FaultyTransport(inner, { livenessMs: 5 }).livenessMs).toBe(5)
    await transport.open(io)
    const reading = read(transport, io, 'p1')
    script
      .stream(0)
      .changes([['delete', '/a', 1]])
      .progress()
    await waitFor(() => reading.kinds.length === 2)
    expect([script.stream(0).from, transport.streams]).toEqual(['p1', 1])
    script.holds([['/a', '1', 1]])
    expect(await transport.get(['/a'], io)).toHaveLength(1)
    abort.abort()
    await waitFor(() => reading.over)
    expect([reading.error, transport.streams, script.stream(0).isClosed]).toEqual([
      undefined,
      0,
      true,
    ])
    await transport.close()
    expect([script.opens, script.closes]).toEqual([1, 1])
  })

  it('ends and fails as the stream underneath does', async () => {
    const { transport, script, io } = setUp()
    const first = read(transport, io)
    script.stream(0).listed().fail(new Error('own failure'))
    await waitFor(() => first.over)
    expect([first.kinds, first.error]).toEqual([['listed'], new Error('own failure')])
    const second = read(transport, io)
    script.stream(1).end()
    await waitFor(() => second.over)
    expect(second.error).toBeUndefined()
  })

  it('fails streams while they wait, and those underneath are closed', async () => {
    const { transport, script, io } = setUp()
    const a = read(transport, io)
    const b = read(transport, io)
    script.stream(0).listed()
    await waitFor(() => a.kinds.length === 1)
    transport.failStreams()
    await waitFor(() => a.over && b.over)
    expect([a.error, b.error]).toMatchObject([
      { code: 'SYNC_UNAVAILABLE' },
      { code: 'SYNC_UNAVAILABLE' },
    ])
    await Promise.all([script.stream(0).closed, script.stream(1).closed])
    transport.unreachable = true
    const c = read(transport, io)
    await waitFor(() => c.over)
    expect(transport.opened).toBe(2)
  })

  it('fails one list after so many batches, also the list of a reset', async () => {
    const { transport, script, io } = setUp()
    transport.failListAfter(2)
    const first = read(transport, io)
    script.stream(0).pairs([]).pairs([]).pairs([]).listed()
    await waitFor(() => first.over)
    expect([first.kinds, first.error]).toMatchObject([
      ['pairs', 'pairs'],
      { code: 'SYNC_UNAVAILABLE' },
    ])
    const second = read(transport, io)
    script.stream(1).pairs([]).pairs([]).pairs([]).listed()
    await waitFor(() => second.kinds.length === 4)
    transport.failListAfter(0)
    script.stream(1).progress().reset('compacted').pairs([])
    await waitFor(() => second.over)
    expect(second.kinds.slice(4)).toEqual(['progress', 'reset'])
  })

  it('hangs without ending, and goes on with what was held', async () => {
    const { transport, script, io } = setUp()
    const reading = read(transport, io)
    script.stream(0).listed()
    await waitFor(() => reading.kinds.length === 1)
    transport.hang()
    script.stream(0).progress().progress()
    const late = read(transport, io)
    script.stream(1).listed()
    const fence = new FaultyTransport(script2())
    const other = read(fence, io)
    await waitFor(() => other.kinds.length === 1)
    expect([reading.kinds.length, late.kinds.length, reading.over, late.over]).toEqual([
      1,
      0,
      false,
      false,
    ])
    transport.resume()
    await waitFor(() => reading.kinds.length === 3 && late.kinds.length === 1)
    transport.hang()
    transport.failStreams()
    await waitFor(() => reading.over && late.over)
  })

  it('delays each batch by the clock', async () => {
    const { transport, script, io, clock } = setUp()
    transport.delayMs = 10
    const reading = read(transport, io)
    script.stream(0).listed().progress()
    await clock.run(9)
    expect(reading.kinds).toEqual([])
    await clock.run(1)
    expect(reading.kinds).toEqual(['listed'])
    await clock.run(10)
    expect(reading.kinds).toEqual(['listed', 'progress'])
    script.stream(0).progress()
    await clock.run(5)
    transport.failStreams()
    await waitFor(() => reading.over)
    expect(clock.pending).toBe(0)
  })

  it('loses answers: the write is done, the caller does not know', async () => {
    const { transport, script, io } = setUp()
    const ops = [{ type: 'delete', key: '/a' }] as const
    const options = { waitFor: 'stored', timeoutMs: 1000 } as const
    transport.loseAnswers = true
    await expect(transport.commit(ops, options, io)).rejects.toMatchObject({ outcome: 'unknown' })
    transport.heal()
    await transport.commit(ops, options, io)
    expect(script.commits).toHaveLength(2)
  })

  it('under an agent the fold converges after every fault', async () => {
    const store = memory()
    const transport = new FaultyTransport(store)
    const agent = new Agent({ transport, random: () => 0 })
    onTeardown(() => agent.close())
    await agent.start()
    const recorder = recordEvents(agent.watch('faults', '/'))
    await agent.put('/a', text('0'))
    await recorder.untilFold({ '/a': '0' })
    transport.failStreams()
    await agent.put('/a', text('1'))
    await recorder.untilFold({ '/a': '1' })
    transport.hang()
    await agent.put('/a', text('2'))
    transport.failStreams()
    await agent.put('/b', text('3'))
    transport.resume()
    await recorder.untilFold({ '/a': '2', '/b': '3' })
  })
})

function script2(): ScriptedTransport {
  const inner = new ScriptedTransport()
  inner.script.stream(0).listed()
  return inner
}
