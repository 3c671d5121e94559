import { describe, expect, it } from '@jest/globals'
import { KafkaRecord, ValueCopier } from '../../../../src/adapters/kafka/kafka-record.ts'
import { newTable } from '../../../../src/adapters/kafka/table.ts'
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
    expect(next).toMatchObject({ type: 'put', pair: { revision: revision + 1, version: '1:8' } })
    expect(table.apply(record('a', 'late', 1_003, { timestamp: 4 }))).toBeUndefined()
    expect(table.apply(record('a', null, 9, { partition: 1, timestamp: 6 }))).toMatchObject({
      type: 'delete',
      revision: revision + 2,
    })
    expect(table.apply(record('a', 'late', 1_004, { timestamp: 5 }))).toBeUndefined()
    expect(table.stranded).toBe(true)
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
