import { describe, expect, it } from '@jest/globals'
import { lmdb } from '../../../src/adapters/lmdb/index.ts'
import { Agent, cached, memory, raw } from '../../../src/index.ts'
import type { BatchIterator, Served, Transport } from '../../../src/index.ts'
import { ScriptedTransport } from '../../../src/testing/index.ts'
import { RemoteReader } from '../../support/remote-reader.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { waitFor } from '../../support/wait-for.ts'

const text = (value: string): ReturnType<typeof raw> => raw(new TextEncoder().encode(value))

function remote(served: Served, prefixes: readonly string[], from?: string): RemoteReader {
  return new RemoteReader(served, prefixes, from)
}

const transports: [string, () => Transport][] = [
  ['memory', () => memory()],
  ['cached memory', () => cached(memory())],
]

describe.each(transports)('what remote watchers get, on %s', (_, make) => {
  it('the list and the changes, in batches that equal prefixes share; what fell behind resumes', async () => {
    await using agent = new Agent({ transport: make() })
    await agent.start()
    await agent.put('/k/a', text('1'))
    // Two servers, of REST and gRPC.
    const [rest, grpc] = [agent.served(), agent.served()]
    const one = remote(rest, ['/k/'])
    const two = remote(grpc, ['/k/'])
    const other = remote(rest, ['/other/'])
    await Promise.all([one.until('listed'), two.until('listed'), other.until('listed')])
    await agent.put('/k/a', text('2'))
    await Promise.all([one.until('put /k/a=2'), two.until('put /k/a=2')])
    expect(one.lines).toEqual(['pairs /k/a=1', 'listed', 'put /k/a=2'])
    for (const [i, batch] of one.batches.entries()) expect(two.batches[i]).toBe(batch)
    expect(other.lines).toEqual(['listed'])
    const { position } = one
    one.stop()
    await agent.txn().put('/k/b', text('1')).delete('/k/a').commit()
    await two.until('put /k/b=1 delete /k/a')
    const back = remote(rest, ['/k/'], position)
    await back.until('put /k/b=1 delete /k/a')
    expect(back.lines).toEqual(['put /k/b=1 delete /k/a'])
    expect(back.batches[0]).toBe(two.batches.at(-1))
  })

  it('applied counts and waits for receivers of this process only, whether remote ones read or not (§5)', async () => {
    await using agent = new Agent({ transport: make() })
    const served = agent.served()
    const reading = remote(served, [''])
    const end = new AbortController()
    const stuck: BatchIterator = served.stream([''], undefined, end.signal)[Symbol.asyncIterator]()
    expect((await stuck.next()).value).toMatchObject({ kind: 'listed' })
    await agent.start()
    await reading.until('listed')
    const nobody = await agent.put('/k/a', text('1'), { waitFor: 'applied' })
    expect(nobody.receivers ?? 0).toBe(0)
    agent.watch('local', '/k/').handle({})
    await waitFor(() => agent.health().registrations[0]?.state === 'live')
    const one = await agent.put('/k/a', text('2'), { waitFor: 'applied' })
    expect(one.receivers).toBe(1)
    await reading.until('put /k/a=2')
    for (const batch of reading.batches) expect(batch).not.toHaveProperty('receipt')
    end.abort()
  })

  it('ClosedError when the agent closes; a later stream throws at once', async () => {
    const agent = new Agent({ transport: make() })
    await agent.start()
    const served = agent.served()
    const reader = remote(served, [''])
    await reader.until('listed')
    await agent.close()
    await waitFor(() => reader.error !== undefined)
    expect(reader.error).toMatchObject({ code: 'SYNC_CLOSED' })
    const { signal } = new AbortController()
    expect(() => served.stream([''], undefined, signal)).toThrow(
      expect.objectContaining({ code: 'SYNC_CLOSED' }),
    )
  })
})

describe('the shared watch', () => {
  it('is one per set of served prefixes, beside the watch of the agent', async () => {
    const s = new ScriptedTransport()
    await using agent = new Agent({ transport: s })
    await agent.start()
    for (let i = 0; i < 2; i++) s.script.stream(i).listed('p')
    const readers = [
      remote(agent.served({ prefixes: ['/a/', '/b/'] }), ['/a/']),
      remote(agent.served({ prefixes: ['/b/', '/a/', '/a/x/'] }), ['/b/1']),
      remote(agent.served(), ['/a/']),
    ]
    for (const reader of readers) await reader.until('listed')
    expect(s.script.streams.map(({ prefixes }) => prefixes)).toEqual([['/a/', '/b/'], ['']])
  })

  it("above a cache is the cache's own", async () => {
    const s = new ScriptedTransport()
    await using agent = new Agent({ transport: cached(s) })
    s.script.stream(0).listed('p')
    agent.watch('local', '/a/').handle({})
    await agent.start()
    const readers = [
      remote(agent.served(), ['/a/']),
      remote(agent.served({ prefixes: ['/b/'] }), ['/b/']),
    ]
    for (const reader of readers) await reader.until('listed')
    expect(s.script.streams).toHaveLength(1)
  })

  it('where the store has no revisions: reads have those that watchers see; a new one resumes', async () => {
    const s = new ScriptedTransport({ capabilities: { storeRevisions: false, resumable: false } })
    s.script.holds([
      ['/a', '1'],
      ['/b', '2'],
    ])
    await using agent = new Agent({ transport: s })
    await agent.start()
    const served = agent.served()
    expect(served.capabilities).toMatchObject({ storeRevisions: true, resumable: true })
    expect(await served.get(['/a'])).toMatchObject([{ revision: 0 }])
    s.script
      .stream(0)
      .pairs([
        ['/0', '1'],
        ['/a', '1'],
        ['/b', '1'],
      ])
      .listed()
    const reader = remote(served, [''])
    await reader.until('listed')
    expect(await served.get(['/a'])).toMatchObject([{ key: '/a', revision: 2 }])
    // The value that no watcher has seen is behind all that they have.
    expect((await served.list('')).map(({ revision }) => revision)).toEqual([2, 3])
  })

  it('shows in the health of an agent that has no watch of its own', async () => {
    const s = new ScriptedTransport()
    await using agent = new Agent({ transport: s, random: () => 0 })
    await agent.start()
    const reader = remote(agent.served(), [''])
    expect(agent.health().status).toBe('ok')
    s.script.stream(0).listed('p')
    await reader.until('listed')
    s.script.stream(0).fail(new Error('lost'))
    await waitFor(() => agent.health().transports[0]?.state === 'stale')
    s.script.stream(1).progress('p')
    await waitFor(() => agent.health().transports[0]?.state === 'live')
    expect(agent.health().transports[0]?.reconnects).toBe(1)
    expect(reader.error).toBeUndefined()
  })

  it('begins when the transport is open; its failure is told, and an abort does not wait for it', async () => {
    const s = new ScriptedTransport()
    let fail: (error: unknown) => void = () => {}
    s.script.onOpen = () =>
      new Promise((_, reject) => {
        fail = reject
      })
    const agent = new Agent({ transport: s })
    const reader = remote(agent.served(), [''])
    const gone = new AbortController()
    const iterator = agent.served().stream([''], undefined, gone.signal)[Symbol.asyncIterator]()
    const waiting = iterator.next()
    gone.abort()
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(s.script.streams).toHaveLength(0)
    const problem = new Error('bad URL')
    fail(problem)
    await waitFor(() => reader.error !== undefined)
    expect(reader.error).toBe(problem)
    expect(s.script.streams).toHaveLength(0)
    await agent.close()
  })

  it('nothing is served of what cannot be watched, nor outside of what is served', async () => {
    const path = await tempDir('lmdb')
    const owner = new Agent({ transport: lmdb({ path }) })
    await owner.put('/k/a', text('1'))
    await owner.close()
    const { signal } = new AbortController()
    await using agent = new Agent({ transport: memory() })
    expect(() => agent.served({ prefixes: ['/k/'] }).stream(['/'], undefined, signal)).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_KEY' }),
    )
    await using reader = new Agent({ transport: lmdb({ path, readOnly: true }) })
    expect(() => reader.served().stream([''], undefined, signal)).toThrow(
      expect.objectContaining({ code: 'SYNC_UNSUPPORTED_OPTION' }),
    )
  })

  it('holds of what is served what the transport can watch', async () => {
    const inner = cached(memory(), { prefixes: ['/a/', '/b/'] })
    await using agent = new Agent({ transport: withoutSharedStream(inner) })
    await agent.start()
    await agent.put('/a/x', text('1'))
    const reader = remote(agent.served(), ['/a/'])
    await reader.until('pairs /a/x=1')
  })
})

/** A transport like another, without its shared watch. */
function withoutSharedStream(inner: Transport): Transport {
  return {
    name: inner.name,
    capabilities: inner.capabilities,
    open: (io) => inner.open(io),
    stream: (prefixes, from, io) => inner.stream(prefixes, from, io),
    get: (keys, io) => inner.get(keys, io),
    commit: (ops, options, io) => inner.commit(ops, options, io),
    close: () => inner.close(),
  }
}
