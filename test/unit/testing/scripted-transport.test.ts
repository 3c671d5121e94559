import { describe, expect, it } from '@jest/globals'
import { systemClock } from '../../../src/api/clock.ts'
import { silentLogger } from '../../../src/api/logger.ts'
import type { Batch, Io } from '../../../src/api/transport.ts'
import { ScriptedTransport } from '../../../src/testing/scripted-transport.ts'

const io = (signal: AbortSignal = new AbortController().signal): Io => ({
  signal,
  logger: silentLogger,
  clock: systemClock,
  random: () => 0.5,
})

describe('ScriptedTransport', () => {
  it('yields what the script says, told before or after the call', async () => {
    const { script, ...transport } = wrap()
    script
      .stream(0)
      .pairs([['/a', '1', 7]])
      .listed('p1')
    const seen: Batch[] = []
    const reading = (async () => {
      for await (const batch of transport.stream(['/'], undefined, io())) seen.push(batch)
    })()
    await script.stream(0).opened
    script
      .stream(0)
      .changes(
        [
          ['put', '/a', '2', 8],
          ['delete', '/a', 9],
        ],
        { position: 'p2' },
      )
      .progress()
      .reset('compacted')
      .end()
    await reading
    const value = (text: string) => new TextEncoder().encode(text)
    expect(seen).toEqual([
      { kind: 'pairs', pairs: [{ key: '/a', value: value('1'), revision: 7, version: 'r7' }] },
      { kind: 'listed', position: 'p1' },
      {
        kind: 'changes',
        changes: [
          { type: 'put', pair: { key: '/a', value: value('2'), revision: 8, version: 'r8' } },
          { type: 'delete', key: '/a', revision: 9 },
        ],
        position: 'p2',
      },
      { kind: 'progress' },
      { kind: 'reset', reason: 'compacted' },
    ])
    expect(script.stream(0).isClosed).toBe(true)
  })

  it('records calls of stream, in order', async () => {
    const { script, stream } = wrap()
    const abort = new AbortController()
    stream(['/a/', '/b/'], undefined, io())
    stream(['/'], 'p9', io(abort.signal))
    expect(script.streams.map(({ prefixes, from }) => [prefixes, from])).toEqual([
      [['/a/', '/b/'], undefined],
      [['/'], 'p9'],
    ])
    expect(script.stream(1).signal).toBe(abort.signal)
    expect(script.stream(2).prefixes).toBeUndefined()
  })

  it('fails and ends after what was told before', async () => {
    const { script, stream } = wrap()
    script.stream(0).listed().fail(new Error('cut'))
    const batches = stream(['/'], undefined, io())
    expect(await batches.next()).toEqual({ done: false, value: { kind: 'listed' } })
    await expect(batches.next()).rejects.toThrow('cut')
    expect(await batches.next()).toEqual({ done: true, value: undefined })
    await script.stream(0).closed
  })

  it('ends with its signal, also while it is waited for; nothing is yielded afterwards', async () => {
    const { script, stream } = wrap()
    const abort = new AbortController()
    const batches = stream(['/'], undefined, io(abort.signal))
    const waiting = batches.next()
    abort.abort()
    expect(await waiting).toEqual({ done: true, value: undefined })
    script.stream(0).listed()
    expect(await batches.next()).toEqual({ done: true, value: undefined })
    expect(script.stream(0).unread).toBe(0)
    const late = stream(['/'], undefined, io(abort.signal))
    expect(await late.next()).toEqual({ done: true, value: undefined })
  })

  it('routes receipts that nobody read to nobody', async () => {
    const { script, stream } = wrap()
    const routed: unknown[] = []
    const receipt = {
      routed: (names: readonly string[]) => void routed.push(names),
      answered: () => {},
      left: () => {},
    }
    const batches = stream(['/'], undefined, io())
    script.stream(0).changes([['delete', '/a', 1]], { receipt })
    await batches.return()
    expect(routed).toEqual([[]])
  })

  it('answers get and list from its store', async () => {
    const { script, get, list } = wrap()
    script.holds([
      ['/a/1', 'x', 1],
      ['/b/1', 'y', 2],
    ])
    expect((await get(['/a/1', '/none'])).map(({ key }) => key)).toEqual(['/a/1'])
    const listed: string[] = []
    for await (const pairs of list('/b/')) listed.push(...pairs.map(({ key }) => key))
    expect(listed).toEqual(['/b/1'])
  })

  it('records commits and answers them as told', async () => {
    const { script, commit } = wrap()
    const put = { type: 'put', key: '/a', value: new Uint8Array() } as const
    const options = { waitFor: 'stored', timeoutMs: 1000 } as const
    expect(await commit([put, { type: 'delete', key: '/b' }], options, io())).toEqual({
      versions: ['c1', undefined],
    })
    script.onCommit = () => {
      throw new Error('refused')
    }
    await expect(commit([put], options, io())).rejects.toThrow('refused')
    expect(script.commits.map(({ ops }) => ops.length)).toEqual([2, 1])
  })

  it('counts opens and closes; close ends the streams', async () => {
    const transport = new ScriptedTransport({
      name: 's',
      livenessMs: 50,
      capabilities: { resumable: false, storeRevisions: false },
    })
    expect(transport).toMatchObject({ name: 's', livenessMs: 50 })
    expect(transport.capabilities).toMatchObject({ resumable: false, ordered: true })
    await transport.open(io())
    const batches = transport.stream(['/'], undefined, io())
    await transport.close()
    await expect(batches.next()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    transport.script.onOpen = () => Promise.reject(new Error('no'))
    await expect(transport.open(io())).rejects.toThrow('no')
    expect([transport.script.opens, transport.script.closes]).toEqual([2, 1])
  })
})

function wrap() {
  const transport = new ScriptedTransport()
  return {
    script: transport.script,
    stream: transport.stream.bind(transport),
    get: transport.get.bind(transport),
    list: transport.list.bind(transport),
    commit: transport.commit.bind(transport),
  }
}
