import { cp, rm } from 'node:fs/promises'
import { describe, expect, it } from '@jest/globals'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import type { Batch, Position, Receipt, Transport } from '../../src/api/transport.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { openStore, watch } from './lmdb-fixture.ts'
import type { Watch } from './lmdb-fixture.ts'

function deferred(): { readonly done: Promise<void>; resolve(): void } {
  let resolve!: () => void
  const done = new Promise<void>((settle) => {
    resolve = settle
  })
  return { done, resolve }
}

describe('lmdb: a stream', () => {
  it('lists, then gives the changes under its prefixes in the order of their commits', async () => {
    const store = await openStore()
    await commitTo(store, put('/a/1', '1'), put('/b/1', '1'), put('/c/1', '1'))
    const seen = watch(store, ['/a/', '/c/', '/a/x/'])
    await seen.until('listed')
    await commitTo(store, put('/b/2', '1'), put('/a/x/2', '1'))
    await Promise.all([
      commitTo(store, { type: 'delete-prefix', prefix: '/a/' }),
      commitTo(store, put('/c/1', '2')),
      commitTo(store, put('/a/1', '3')),
    ])
    await seen.until('put /a/1')
    expect(seen.lines).toEqual([
      'pairs /a/1 /c/1',
      'listed',
      'put /a/x/2',
      'delete /a/1',
      'delete /a/x/2',
      'put /c/1',
      'put /a/1',
    ])
  })

  it('of an empty store is listed at once', async () => {
    const store = await openStore()
    const seen = watch(store, ['/a/'])
    await seen.until('listed')
    expect(seen.lines).toEqual(['listed'])
  })

  it('misses nothing and repeats nothing with a writer running throughout (W8)', async () => {
    const store = await openStore()
    const keys = Array.from({ length: 3_000 }, (_, i) => `k${i}`)
    await commitTo(store, ...keys.map((key) => put(key, '0')))
    let writing = true
    let count = 0
    const writer = (async () => {
      while (writing) await commitTo(store, put(`k${count % 3_000}`, String(++count)))
    })()
    const watches: Watch[] = []
    for (let i = 0; i < 5; i++) {
      const seen = watch(store, [''])
      watches.push(seen)
      await waitFor(() => seen.lines.length > 1 + i)
    }
    await waitFor(() => watches.every((seen) => seen.lines.includes('listed')))
    const before = count
    await waitFor(() => count > before + 200)
    writing = false
    await writer
    await commitTo(store, put('end', '1'))
    for (const seen of watches) {
      await seen.until('put end')
      const revisions = new Map<string, number>()
      for (const batch of seen.batches) {
        if (batch.kind === 'pairs')
          for (const pair of batch.pairs) revisions.set(pair.key, pair.revision)
        if (batch.kind !== 'changes') continue
        for (const change of batch.changes) {
          if (change.type === 'delete') throw new Error('nothing is deleted here')
          expect(change.pair.revision).toBeGreaterThan(revisions.get(change.pair.key) ?? 0)
          revisions.set(change.pair.key, change.pair.revision)
        }
      }
      const present = await store.get(keys, realIo())
      for (const pair of present) expect(revisions.get(pair.key)).toBe(pair.revision)
    }
  })

  it('says how far it is when other keys change', async () => {
    const store = await openStore()
    const seen = watch(store, ['/a/'])
    await seen.until('listed')
    const { position } = seen
    await commitTo(store, put('/b/1', '1'))
    await seen.until('progress')
    expect(seen.position).not.toBe(position)
    await seen.stop()
    // From there it goes on, though nothing under its prefix happened.
    const next = watch(store, ['/a/'], seen.position)
    await commitTo(store, put('/a/1', '1'))
    await next.until('put /a/1')
    expect(next.lines).toEqual(['progress', 'put /a/1'])
  })

  it('puts waiting transactions together', async () => {
    const store = await openStore()
    const gate = deferred()
    const seen = watch(store, [''], undefined, (batch) =>
      batch.kind === 'listed' ? gate.done : undefined,
    )
    await seen.until('listed')
    for (let i = 0; i < 50; i++) await commitTo(store, put(`k${i}`, '1'), put('both', String(i)))
    gate.resolve()
    await seen.until('put k49')
    const changes = seen.batches.filter((batch) => batch.kind === 'changes')
    expect(changes).toHaveLength(1)
    expect(seen.lines).toHaveLength(1 + 100)
  })

  it('that is held up lists again when too much has happened', async () => {
    const store = await openStore({ historyLimit: 10 })
    const gate = deferred()
    let listed = 0
    const seen = watch(store, [''], undefined, (batch) =>
      batch.kind === 'listed' && ++listed === 1 ? gate.done : undefined,
    )
    await seen.until('listed')
    const value = new Uint8Array(8 * 1024 * 1024)
    for (let i = 0; i < 20; i++) await commitTo(store, { type: 'put', key: `k${i % 2}`, value })
    gate.resolve()
    await waitFor(() => seen.lines.at(-1) === 'listed' && listed === 2)
    expect(seen.lines).toEqual(['listed', 'reset compacted', 'pairs k0', 'pairs k1', 'listed'])
    await commitTo(store, put('next', '1'))
    await seen.until('put next')
  })

  it('ends with its signal, whatever it is doing', async () => {
    const store = await openStore()
    const waiting = watch(store, [''])
    await waiting.until('listed')
    await waiting.stop()
    const aborted = realIo()
    aborted.abort()
    const none: Batch[] = []
    for await (const batch of store.stream([''], undefined, aborted)) none.push(batch)
    expect(none.length).toBeLessThanOrEqual(1)
    expect(waiting.error).toBeUndefined()
  })
})

describe('lmdb: going on from a position', () => {
  async function positionOf(store: Transport): Promise<Position> {
    const seen = watch(store, [''])
    await seen.until('listed')
    await seen.stop()
    return seen.position as Position
  }

  async function linesFrom(store: Transport, from: Position): Promise<readonly string[]> {
    const seen = watch(store, [''], from)
    await waitFor(() => seen.lines.length > 0)
    await commitTo(store, put('fence', '1'))
    await seen.until('put fence')
    await seen.stop()
    return seen.lines
  }

  it('that is the present one', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'))
    expect(await linesFrom(store, await positionOf(store))).toEqual(['progress', 'put fence'])
  })

  it('gives what was missed', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'), put('b', '1'))
    const from = await positionOf(store)
    await commitTo(store, put('a', '2'))
    await commitTo(store, put('a', '3'))
    await commitTo(store, { type: 'delete', key: 'b' })
    expect(await linesFrom(store, from)).toEqual([
      'progress',
      'put a',
      'put a',
      'delete b',
      'put fence',
    ])
  })

  it('too long ago lists again', async () => {
    const store = await openStore({ historyLimit: 5 })
    const from = await positionOf(store)
    for (let i = 0; i < 6; i++) await commitTo(store, put(`k${i}`, '1'))
    expect(await linesFrom(store, from)).toEqual([
      'reset compacted',
      'pairs k0 k1 k2 k3 k4 k5',
      'listed',
      'put fence',
    ])
  })

  it('of another store, of the future or of nowhere lists again', async () => {
    const store = await openStore()
    const other = await openStore()
    await commitTo(store, put('a', '1'))
    const [epoch, run] = (await positionOf(store)).split(':')
    for (const from of [await positionOf(other), `${epoch}:${run}:99`, 'nowhere', '']) {
      const seen = watch(store, [''], from)
      await seen.until('listed')
      expect(seen.lines[0]).toBe('reset reconnected')
      await seen.stop()
    }
  })

  it('goes on after a restart, with the last change of each key', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'), put('b', '1'), put('c', '1'))
    const from = await positionOf(store)
    await commitTo(store, put('a', '2'))
    await commitTo(store, { type: 'delete', key: 'b' })
    await commitTo(store, put('a', '3'), put('d', '1'))
    const between = await positionOf(store)
    await store.close()
    const again = await openStore({ path: store.path })
    expect(await positionOf(again)).toBe(between)
    await commitTo(again, put('e', '1'))
    const seen = watch(again, [''], from)
    await seen.until('put e')
    expect(seen.lines).toEqual(['progress', 'delete b', 'put a', 'put d', 'put e'])
    const last = seen.batches.find((batch) => batch.kind === 'changes')
    expect(last).toMatchObject({
      changes: [{ key: 'b', revision: 3 }, { pair: { revision: 4 } }, {}, {}],
    })
    await again.close()
    const third = await openStore({ path: store.path })
    expect(await linesFrom(third, between)).toEqual(['progress', 'put e', 'put fence'])
    expect((await linesFrom(third, from)).slice(0, 2)).toEqual(['progress', 'delete b'])
  })

  it('after a restart knows no more than the history limit', async () => {
    const store = await openStore({ historyLimit: 20 })
    const positions: Position[] = []
    for (let i = 0; i < 200; i++) {
      positions.push(await positionOf(store))
      await commitTo(store, put(`k${i}`, '1'))
    }
    await store.close()
    const again = await openStore({ path: store.path, historyLimit: 20 })
    expect((await linesFrom(again, positions[170] as Position))[0]).toBe('reset compacted')
    expect((await linesFrom(again, positions[190] as Position)).slice(0, 2)).toEqual([
      'progress',
      'put k190',
    ])
  })

  it('a history that was switched off for a while has no gap', async () => {
    const store = await openStore()
    const from = await positionOf(store)
    await commitTo(store, put('a', '1'))
    await store.close()
    const without = await openStore({ path: store.path, historyLimit: 0 })
    const within = await positionOf(without)
    await commitTo(without, put('b', '1'))
    await without.close()
    const again = await openStore({ path: store.path })
    const present = await positionOf(again)
    expect((await linesFrom(again, from))[0]).toBe('reset compacted')
    expect((await linesFrom(again, within))[0]).toBe('reset compacted')
    expect((await linesFrom(again, present))[0]).toBe('progress')
  })

  it('a transaction past the history limit ends the history', async () => {
    const store = await openStore({ historyLimit: 10 })
    const from = await positionOf(store)
    await commitTo(store, ...Array.from({ length: 30 }, (_, i) => put(`k${i}`, '1')))
    const behind = await positionOf(store)
    await commitTo(store, put('a', '1'))
    await store.close()
    const again = await openStore({ path: store.path, historyLimit: 10 })
    expect(await linesFrom(again, behind)).toEqual(['progress', 'put a', 'put fence'])
    expect((await linesFrom(again, from))[0]).toBe('reset compacted')
  })

  it('a store that was put back from a backup is another history (W6)', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'))
    await store.close()
    const backup = `${await tempDir('lmdb-backup')}/copy`
    await cp(store.path, backup, { recursive: true })
    const before = await openStore({ path: store.path })
    await commitTo(before, put('a', 'lost with the backup'))
    const from = await positionOf(before)
    await before.close()
    await rm(store.path, { recursive: true })
    await cp(backup, store.path, { recursive: true })
    const after = await openStore({ path: store.path })
    expect((await positionOf(after)).split(':')[2]).toBe('1')
    expect(await linesFrom(after, from)).toContain('reset reconnected')
    // As far as it was, but not the same way.
    expect((await positionOf(after)).split(':')[2]).toBe('2')
    expect((await linesFrom(after, from))[0]).toBe('reset reconnected')
  })
})

describe('lmdb: applied', () => {
  const applied = (store: Transport, timeoutMs = 10_000): Promise<{ receivers?: number }> =>
    store.commit([put('a', '1')], { waitFor: 'applied', timeoutMs }, realIo())

  const answering = (answer: (receipt: Receipt) => void) => (batch: Batch) => {
    if (batch.kind === 'changes' && batch.receipt !== undefined) answer(batch.receipt)
  }

  it('without a stream resolves at once', async () => {
    const store = await openStore()
    expect(await applied(store)).toMatchObject({ receivers: 0 })
    const nothing = store.commit(
      [{ type: 'delete', key: 'none' }],
      { waitFor: 'applied', timeoutMs: 10_000 },
      realIo(),
    )
    expect(await nothing).toEqual({ versions: [undefined], deleted: 0, receivers: 0 })
  })

  it('waits for what the receivers of all streams say', async () => {
    const store = await openStore()
    const one = watch(
      store,
      ['a'],
      undefined,
      answering((receipt) => {
        receipt.routed(['x', 'y'])
        receipt.answered('x')
        receipt.answered('y')
      }),
    )
    const two = watch(
      store,
      [''],
      undefined,
      answering((receipt) => {
        receipt.routed(['z'])
        receipt.answered('z')
      }),
    )
    const other = watch(store, ['b'])
    for (const seen of [one, two, other]) await seen.until('listed')
    expect(await applied(store)).toMatchObject({ receivers: 3 })
  })

  it('tells of a refusal; the value stays', async () => {
    const store = await openStore()
    const seen = watch(
      store,
      [''],
      undefined,
      answering((receipt) => {
        receipt.routed(['x'])
        receipt.answered('x', new Error('no'))
      }),
    )
    await seen.until('listed')
    await expect(applied(store)).rejects.toMatchObject({ code: 'SYNC_REFUSED' })
    expect(await store.get(['a'], realIo())).toHaveLength(1)
  })

  it('runs out of time, stored', async () => {
    const store = await openStore()
    const seen = watch(
      store,
      [''],
      undefined,
      answering((receipt) => receipt.routed(['x'])),
    )
    await seen.until('listed')
    // Time enough for the commit: what runs out is the wait for the answer.
    await expect(applied(store, 2_000)).rejects.toMatchObject({
      code: 'SYNC_TIMEOUT',
      outcome: 'stored',
    })
  })

  it('is not held up by a stream that was given up, or by close', async () => {
    const store = await openStore()
    const io = realIo()
    const abandoned = store.stream([''], undefined, io)[Symbol.asyncIterator]()
    await abandoned.next()
    io.abort()
    expect(await applied(store)).toMatchObject({ receivers: 0 })
    const unread = store.stream([''], undefined, realIo())[Symbol.asyncIterator]()
    await unread.next()
    const waiting = applied(store)
    await waitFor(async () => (await store.get(['a'], realIo()))[0]?.revision === 2)
    await store.close()
    expect(await waiting).toMatchObject({ receivers: 0 })
  })

  it('is not held up by a stream whose reader drops the batch', async () => {
    const store = lmdb({ path: await tempDir('lmdb') })
    onTeardown(() => store.close())
    await store.open(realIo())
    const waiting = (async () => {
      for await (const batch of store.stream([''], undefined, realIo())) {
        if (batch.kind === 'changes') break
      }
    })()
    await waitFor(() => store.get([], realIo()))
    expect(await applied(store)).toMatchObject({ receivers: 0 })
    await waiting
  })
})
