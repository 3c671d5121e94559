import { describe, expect, it } from '@jest/globals'
import { EventFolder } from '../../../../src/adapters/etcd/event-folder.ts'
import { digestOf, parsePosition } from '../../../../src/adapters/etcd/position.ts'
import type { EtcdPosition } from '../../../../src/adapters/etcd/position.ts'
import type { WatchEvent, WatchResponse } from '../../../../src/adapters/etcd/schema.ts'
import type { Batch } from '../../../../src/index.ts'

const START: EtcdPosition = {
  clusterId: 'c1',
  revision: 10,
  range: 'ab-ac',
  count: 5,
  lastKey: '/f/start',
  lastRevision: 9,
  lastDigest: 'd1',
}

function response(part: Partial<WatchResponse>): WatchResponse {
  return {
    header: { clusterId: 0xc1, memberId: 1, revision: 1_000 },
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: '',
    fragment: false,
    events: [],
    ...part,
  }
}

function put(key: string, revision: number, version = 2): WatchEvent {
  const kv = { key: Buffer.from(key), modRevision: revision, version, value: Buffer.from('v') }
  return { type: 0, kv }
}

function del(key: string, revision: number): WatchEvent {
  const kv = { key: Buffer.from(key), modRevision: revision, version: 0, value: Buffer.alloc(0) }
  return { type: 1, kv }
}

function folder(): { events: EventFolder; skipped: () => number } {
  let count = 0
  const events = new EventFolder(START, () => void count++)
  return { events, skipped: () => count }
}

function keys(batch: Batch | undefined): string[] {
  if (batch?.kind !== 'changes') return []
  return batch.changes.map((change) => (change.type === 'put' ? change.pair.key : `-${change.key}`))
}

function positionOf(batch: Batch | undefined): EtcdPosition | undefined {
  const position = batch !== undefined && 'position' in batch ? batch.position : undefined
  return position === undefined ? undefined : parsePosition(position)
}

describe('the events of a watch', () => {
  it('W3: the position is the last event, whatever the header says', () => {
    const { events } = folder()
    const batch = events.next(response({ events: [put('/f/a', 11), put('/f/b', 12)] }), true)
    expect(keys(batch)).toEqual(['/f/a', '/f/b'])
    const last = { lastKey: '/f/b', lastRevision: 12, lastDigest: digestOf(Buffer.from('v')) }
    expect(positionOf(batch)).toEqual({ ...START, revision: 12, ...last })
  })

  it('counts new keys and deletes, and remembers a delete as the last', () => {
    const { events } = folder()
    const batch = events.next(
      response({ events: [put('/f/a', 11, 1), put('/f/b', 12, 1), del('/f/a', 13)] }),
      false,
    )
    expect(positionOf(batch)).toEqual({
      ...START,
      revision: 13,
      count: 6,
      lastKey: '/f/a',
      lastRevision: 13,
      lastDigest: '',
    })
  })

  it('W9: parts of a message are cut where a revision begins, never inside', () => {
    const { events } = folder()
    const first = response({
      fragment: true,
      events: [put('/f/a', 11), put('/f/b', 12), put('/f/c', 12)],
    })
    const batch = events.next(first, false)
    expect(keys(batch)).toEqual(['/f/a'])
    expect(positionOf(batch)?.revision).toBe(11)
    expect(events.amid).toBe(true)
    const second = events.next(response({ fragment: true, events: [put('/f/d', 12)] }), false)
    expect(second).toEqual({ kind: 'progress' })
    const third = events.next(response({ events: [put('/f/e', 12), put('/f/f', 13)] }), false)
    expect(keys(third)).toEqual(['/f/b', '/f/c', '/f/d', '/f/e', '/f/f'])
    expect(positionOf(third)?.revision).toBe(13)
    expect(events.amid).toBe(false)
  })

  it('W3: a progress mark moves the position only where marks are in step with the stream', () => {
    const { events } = folder()
    expect(events.next(response({}), false)).toEqual({ kind: 'progress' })
    expect(events.position).toEqual(START)
    expect(positionOf(events.next(response({}), true))).toEqual({ ...START, revision: 1_000 })
    const older = response({ header: { clusterId: 0xc1, memberId: 1, revision: 999 } })
    expect(events.next(older, true)).toEqual({ kind: 'progress' })
    expect(events.position.revision).toBe(1_000)
    expect(events.next(response({ created: true }), true)).toBeUndefined()
  })

  it('keys that break the rules are skipped, and count for the position', () => {
    const { events, skipped } = folder()
    const invalid: WatchEvent = {
      type: 0,
      kv: { key: Buffer.of(0xff), modRevision: 11, version: 1, value: Buffer.alloc(0) },
    }
    const batch = events.next(response({ events: [invalid, put('x'.repeat(1_025), 12, 1)] }), false)
    expect(batch).toMatchObject({ kind: 'progress' })
    expect(positionOf(batch)).toEqual({ ...START, revision: 12, count: 7 })
    expect(skipped()).toBe(2)
  })

  it('a small value of a large message does not keep the message', () => {
    const { events } = folder()
    const message = Buffer.alloc(1_000_000)
    const value = message.subarray(10, 20)
    const kv = { key: Buffer.from('/f/a'), modRevision: 11, version: 1, value }
    const batch = events.next(response({ events: [{ type: 0, kv }] }), false)
    if (batch?.kind !== 'changes') throw new Error('no changes')
    const [change] = batch.changes
    if (change?.type !== 'put') throw new Error('no put')
    expect(change.pair.value.buffer.byteLength).toBeLessThan(100_000)
  })
})
