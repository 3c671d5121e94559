import { describe, expect, it } from '@jest/globals'
import { KafkaRecord, ValueCopier } from '../../../../src/adapters/kafka/kafka-record.ts'
import { newTable } from '../../../../src/adapters/kafka/table.ts'
import type { RawChange } from '../../../../src/api/transport.ts'
import type { Table } from '../../../../src/adapters/kafka/table.ts'

function record(
  key: string,
  value: string | null,
  offset: number,
  { partition = 0, timestamp = offset }: { partition?: number; timestamp?: number } = {},
): KafkaRecord {
  const made = new KafkaRecord(key, partition, offset, timestamp)
  if (value !== null) new ValueCopier().copyInto(made, Buffer.from(value))
  return made
}

/** Of the same key the last one counts. */
function listed(table: Table): Record<string, string> {
  const pairs: Record<string, string> = {}
  for (const { key, value } of table.listed()) pairs[key] = Buffer.from(value).toString()
  return pairs
}

async function looked(table: Table): Promise<Record<string, string>> {
  await table.settled()
  return Object.fromEntries(
    [...table.pairs].map(([key, { value }]) => [key, Buffer.from(value).toString()]),
  )
}

function revisionOf(change: RawChange | undefined): number {
  if (change === undefined) return -1
  return change.type === 'put' ? change.pair.revision : change.revision
}

describe.each([1, 2])('a table of %d partitions', (partitions) => {
  it('holds the last record of each key; one without value deletes, an empty one does not', async () => {
    const table = newTable(partitions, () => {})
    for (const one of [
      record('a', '1', 0),
      record('b', '1', 1),
      record('a', '2', 2),
      record('b', null, 3),
      record('c', null, 4),
      record('d', '1', 5),
      record('d', null, 6),
      record('d', '', 7),
    ]) {
      table.load(one)
    }
    expect(listed(table)).toEqual({ a: '2', d: '' })
    expect(table.apply(record('a', null, 8))).toEqual({ type: 'delete', key: 'a', revision: 8 })
    expect(table.apply(record('b', '2', 9))).toMatchObject({ type: 'put', pair: { revision: 9 } })
    expect(await looked(table)).toEqual({ b: '2', d: '' })
    table.apply(record('b', '3', 10))
    expect(await looked(table)).toEqual({ b: '3', d: '' })
    expect(table.stranded).toBe(false)
  })

  it('what is read again after a break is a change again', () => {
    const table = newTable(partitions, () => {})
    table.load(record('a', '1', 0))
    listed(table)
    expect(table.apply(record('a', '2', 1))?.type).toBe('put')
    expect(table.apply(record('a', '2', 1))?.type).toBe('put')
  })
})

describe('a key in two partitions', () => {
  it('the newest timestamp wins, whatever is read first; revisions grow', () => {
    const stranded: string[] = []
    const table = newTable(2, (key) => stranded.push(key))
    table.load(record('a', 'old', 1_000, { timestamp: 1 }))
    table.load(record('a', 'new', 5, { partition: 1, timestamp: 2 }))
    table.load(record('b', 'new', 6, { partition: 1, timestamp: 4 }))
    table.load(record('b', 'old', 1_001, { timestamp: 3 }))
    table.load(record('c', null, 7, { partition: 1, timestamp: 4 }))
    table.load(record('c', 'old', 1_002, { timestamp: 3 }))
    expect(listed(table)).toEqual({ a: 'new', b: 'new' })
    expect(stranded).toEqual(['a', 'b', 'c'])
    const revision = table.pairs.get('a')?.revision ?? 0
    expect(revision).toBeGreaterThan(1_000)
    const next = table.apply(record('a', 'newer', 8, { partition: 1, timestamp: 5 }))
    expect(next).toMatchObject({ type: 'put', pair: { version: '1:8' } })
    expect(revisionOf(next)).toBeGreaterThan(revision)
    expect(table.apply(record('a', 'late', 1_003, { timestamp: 4 }))).toBeUndefined()
    const gone = table.apply(record('a', null, 9, { partition: 1, timestamp: 6 }))
    expect(gone?.type).toBe('delete')
    expect(revisionOf(gone)).toBeGreaterThan(revisionOf(next))
    expect(table.apply(record('a', 'late', 1_004, { timestamp: 5 }))).toBeUndefined()
    expect(table.stranded).toBe(true)
  })
})

describe('a key that comes to lie in a second partition, live', () => {
  const put = (value: string | null, offset: number, partition: number, timestamp: number) =>
    record('k', value, offset, { partition, timestamp })

  it('an older put that is read behind the delete is none', () => {
    const table = newTable(2, () => {})
    table.load(put('first', 500, 0, 1))
    listed(table)
    expect(table.apply(put(null, 501, 0, 3))).toMatchObject({ type: 'delete', revision: 501 })
    expect(table.apply(put('older', 0, 1, 2))).toBeUndefined()
    const again = table.apply(put('newer', 1, 1, 4))
    expect(again?.type).toBe('put')
    expect(revisionOf(again)).toBeGreaterThan(501)
  })

  it('revisions grow from the first record of the other partition on, at its offset 0, too', () => {
    const table = newTable(2, () => {})
    table.load(put('first', 500, 0, 1))
    listed(table)
    expect(revisionOf(table.apply(put('second', 0, 1, 2)))).toBeGreaterThan(500)
  })

  it('ends in the same state and revision, whatever is read first', () => {
    const all = [
      [put('0', 7, 0, 10), put('1', 8, 0, 40)],
      [put('2', 3, 1, 50), put('3', 4, 1, 20)],
    ] as const
    const ends = [all, all.toReversed()].map((partitions) => {
      const table = newTable(2, () => {})
      for (const one of partitions.flat()) table.load(one)
      const { '0': pair } = [...table.listed()]
      return [Buffer.from(pair?.value ?? []).toString(), pair?.revision]
    })
    expect(ends[0]?.[0]).toBe('1')
    expect(ends[1]).toEqual(ends[0])
    const live = newTable(2, () => {})
    listed(live)
    const changes = all.flat().map((one) => live.apply(one))
    expect(changes.at(-1)).toMatchObject({ type: 'put', pair: { version: '0:8' } })
  })

  it('what is read again after a break is a change again, deletes, too', () => {
    const table = newTable(2, () => {})
    table.load(put('first', 5, 0, 1))
    listed(table)
    table.apply(put('second', 0, 1, 2))
    const gone = table.apply(put(null, 1, 1, 3))
    expect(gone?.type).toBe('delete')
    expect(table.apply(put(null, 1, 1, 3))).toEqual(gone)
  })

  it('a key in another partition than its own is one that only the table knows', () => {
    const own = newTable(
      2,
      () => {},
      () => 1,
    )
    own.load(put('x', 0, 1, 1))
    expect(own.stranded).toBe(false)
    own.load(record('other', 'x', 0, { partition: 0 }))
    expect(own.stranded).toBe(true)
  })
})

describe('values', () => {
  it('are copies, of their own length', () => {
    const copier = new ValueCopier()
    const source = Buffer.from('abc')
    const large = Buffer.alloc(100_000, 'x')
    const [small, empty, big] = [source, Buffer.alloc(0), large].map((value) => {
      const made = new KafkaRecord('k', 0, 0, 0)
      copier.copyInto(made, value)
      return made
    })
    source.fill(0)
    expect(Buffer.from(small?.value ?? []).toString()).toBe('abc')
    expect(empty?.deletes).toBe(false)
    expect(empty?.value.length).toBe(0)
    expect(big?.value.length).toBe(100_000)
  })
})
