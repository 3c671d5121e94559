import { describe, expect, it } from '@jest/globals'
import { ChangeLog } from '../../../../src/adapters/lmdb/change-log.ts'
import type { Cursor, Piece } from '../../../../src/adapters/lmdb/change-log.ts'
import type { RawChange } from '../../../../src/api/transport.ts'
import { systemClock } from '../../../../src/api/clock.ts'
import { Applied } from '../../../../src/kit/applied.ts'
import { Timeouts } from '../../../../src/kit/timeouts.ts'

function put(key: string, revision: number, size = 1): RawChange {
  const pair = { key, value: new Uint8Array(size), revision, version: String(revision) }
  return { type: 'put', pair }
}

function appendTo(log: ChangeLog, ...keys: string[]): void {
  const revision = log.last + 1
  log.append(
    keys.map((key) => put(key, revision)),
    undefined,
  )
}

function keysOf(piece: Piece | 'lost' | undefined): string[] {
  if (piece === 'lost' || piece === undefined) return []
  return piece.changes.map((change) => (change.type === 'put' ? change.pair.key : change.key))
}

function wholeOf(cursor: Cursor): string[] {
  const keys: string[] = []
  for (let piece = cursor.take(); piece !== undefined; piece = cursor.take()) {
    if (piece === 'lost') throw new Error('lost')
    keys.push(...keysOf(piece))
  }
  return keys
}

describe('the change log', () => {
  it('gives each stream what is under its prefixes, in order', () => {
    const log = new ChangeLog(10, 0)
    const a = log.open(['/a/'], 0)
    const all = log.open([''], 0)
    appendTo(log, '/a/1', '/b/1')
    appendTo(log, '/b/2')
    appendTo(log, '/a/2')
    log.announce()
    expect(a.take()).toMatchObject({ revision: 3, receipt: undefined })
    expect(a.take()).toBeUndefined()
    expect(wholeOf(all)).toEqual(['/a/1', '/b/1', '/b/2', '/a/2'])
  })

  it('tells a stream how far it is also when nothing concerned it', () => {
    const log = new ChangeLog(10, 4)
    const a = log.open(['/a/'], 4)
    appendTo(log, '/b/1')
    expect(a.take()).toEqual({ changes: [], revision: 5, receipt: undefined })
    expect(a.take()).toBeUndefined()
  })

  it('holds whole transactions in a piece, about 1 000 changes', () => {
    const log = new ChangeLog(100_000, 0)
    const cursor = log.open([''], 0)
    const keys = Array.from({ length: 700 }, (_, i) => `k${i}`)
    for (let i = 0; i < 3; i++) appendTo(log, ...keys)
    expect(keysOf(cursor.take())).toHaveLength(1_400)
    expect(keysOf(cursor.take())).toHaveLength(700)
  })

  it('lets a cursor go on behind a revision', () => {
    const log = new ChangeLog(10, 0)
    for (const key of ['1', '2', '3']) appendTo(log, key)
    const cursor = log.open([''], log.last)
    cursor.seek(1)
    expect(wholeOf(cursor)).toEqual(['2', '3'])
  })

  it('gives a cursor that is ahead nothing before its revision', () => {
    const log = new ChangeLog(10, 0)
    const cursor = log.open([''], 2)
    appendTo(log, '1')
    appendTo(log, '2')
    expect(cursor.take()).toBeUndefined()
    appendTo(log, '3')
    expect(wholeOf(cursor)).toEqual(['3'])
  })

  it('keeps the history that was asked for, and no more without streams', () => {
    const log = new ChangeLog(3, 0)
    for (let i = 1; i <= 10; i++) {
      appendTo(log, `k${i}`)
      log.announce()
    }
    expect([log.floor, log.last]).toEqual([7, 10])
    const cursor = log.open([''], 6)
    expect(cursor.take()).toBe('lost')
  })

  it('keeps no more than 16 MiB of values without streams', () => {
    const log = new ChangeLog(1_000, 0)
    for (let i = 1; i <= 20; i++) {
      log.append([put('k', i, 1024 * 1024)], undefined)
      log.announce()
    }
    expect(log.floor).toBe(5)
  })

  it('keeps what a stream has not read, and lets go when it has', () => {
    const log = new ChangeLog(2, 0)
    const cursor = log.open([''], 0)
    for (let i = 1; i <= 5; i++) appendTo(log, `k${i}`)
    log.announce()
    expect(log.floor).toBe(0)
    expect(wholeOf(cursor)).toHaveLength(5)
    expect(log.floor).toBe(3)
  })

  it('loses a stream that does not read, past a limit', () => {
    const log = new ChangeLog(2, 0)
    const cursor = log.open([''], 0)
    const many = new Array<RawChange>(600_000).fill(put('k', 1))
    log.append(many, undefined)
    log.append(many, undefined)
    log.announce()
    expect(cursor.take()).toBe('lost')
    cursor.seek(log.last)
    expect(cursor.take()).toBeUndefined()
  })

  it('begins with what is known', () => {
    const known = [
      { revision: 4, changes: [put('a', 4)] },
      { revision: 5, changes: [] },
      { revision: 6, changes: [put('b', 6)] },
    ]
    const log = new ChangeLog(10, 6, known)
    expect([log.floor, log.last]).toEqual([3, 6])
    expect(wholeOf(log.open([''], 4))).toEqual(['b'])
    expect([new ChangeLog(1, 6, known).floor, new ChangeLog(0, 6, known).floor]).toEqual([4, 6])
  })

  it('restarted, it has lost every stream, one that stands there already too', () => {
    const log = new ChangeLog(10, 0)
    appendTo(log, '1')
    const cursor = log.open([''], 1)
    log.restart(1)
    expect(cursor.take()).toBe('lost')
    cursor.seek(1)
    expect(cursor.take()).toBeUndefined()
  })

  it('wakes its streams', async () => {
    const log = new ChangeLog(10, 0)
    const cursor = log.open([''], 0)
    const woken = cursor.changed()
    appendTo(log, '1')
    log.announce()
    await woken
    expect(wholeOf(cursor)).toEqual(['1'])
    // What came before the wait counts.
    log.announce()
    await cursor.changed()
    log.close()
    await cursor.changed()
    cursor.close()
    await cursor.changed()
    expect(log.streams).toBe(0)
  })
})

describe('receipts in the change log', () => {
  function applied(log: ChangeLog, key: string): Promise<number> {
    const waiting = new Applied()
    log.append([put(key, log.last + 1)], waiting)
    log.announce()
    return waiting.settled(1_000, new Timeouts(systemClock))
  }

  it('travel alone with their transaction, one per stream that is concerned', async () => {
    const log = new ChangeLog(10, 0)
    const one = log.open(['/a/'], 0)
    const two = log.open([''], 0)
    log.open(['/b/'], 0)
    appendTo(log, '/a/0')
    const settled = applied(log, '/a/1')
    appendTo(log, '/a/2')
    expect(keysOf(one.take())).toEqual(['/a/0'])
    const pieces = [one.take(), two.take(), two.take()]
    expect(pieces.map(keysOf)).toEqual([['/a/1'], ['/a/0'], ['/a/1']])
    for (const piece of [pieces[0], pieces[2]]) {
      if (piece === 'lost') throw new Error('lost')
      piece?.receipt?.routed(['r'])
      piece?.receipt?.answered('r')
    }
    expect(await settled).toBe(2)
    expect(keysOf(one.take())).toEqual(['/a/2'])
  })

  it('of nobody are settled at once', async () => {
    const log = new ChangeLog(10, 0)
    log.open(['/b/'], 0)
    log.open([''], 7)
    expect(await applied(log, '/a/1')).toBe(0)
  })

  it.each<[string, (log: ChangeLog, cursor: Cursor) => void]>([
    ['is closed', (_log, cursor) => cursor.close()],
    ['lists anew', (log, cursor) => cursor.seek(log.last)],
    ['sees the log closed', (log) => log.close()],
    ['sees the log restarted', (log) => log.restart(9)],
    [
      'is lost',
      (log) => {
        const many = new Array<RawChange>(1_000_001).fill(put('k', 1))
        log.append(many, undefined)
        log.announce()
      },
    ],
  ])('of a stream that %s are given back', async (_how, end) => {
    const log = new ChangeLog(10, 0)
    const cursor = log.open([''], 0)
    const settled = applied(log, '/a/1')
    end(log, cursor)
    expect(await settled).toBe(0)
  })
})
