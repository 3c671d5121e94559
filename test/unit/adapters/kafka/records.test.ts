import { describe, expect, it } from '@jest/globals'
import { decodePosition, encodePosition } from '../../../../src/adapters/kafka/position.ts'
import { evidenceOf, readRecords } from '../../../../src/adapters/kafka/records.ts'
import type { FetchedMessage, FetchedPartition } from '../../../../src/adapters/kafka/records.ts'

interface Made {
  readonly offset: number
  readonly key?: string | Buffer | null
  readonly value?: string | null
  readonly producer?: string
  readonly transaction?: boolean
  readonly marker?: boolean
  /** First offset and length of its batch. */
  readonly batch?: readonly [first: number, length: number]
}

function message(made: Made): FetchedMessage {
  const { offset, key = 'k', value = 'v', batch = [offset, 1] } = made
  return {
    offset: String(offset),
    timestamp: '1000',
    key: typeof key === 'string' ? Buffer.from(key) : key,
    value: value === null ? null : Buffer.from(value),
    isControlRecord: made.marker === true,
    batchContext: {
      firstOffset: String(batch[0]),
      lastOffsetDelta: batch[1] - 1,
      producerId: made.producer ?? '-1',
      inTransaction: made.transaction === true,
    },
  }
}

function fetched(
  messages: readonly Made[],
  part: Partial<FetchedPartition> = {},
): FetchedPartition {
  return {
    partition: 3,
    highWatermark: '100',
    lastStableOffset: '50',
    messages: messages.map(message),
    ...part,
  }
}

function read(part: FetchedPartition, from = 0): { keys: string[]; next: number; skipped: number } {
  let skipped = 0
  const filter = { covers: (key: string) => key !== 'other', skipped: () => skipped++ }
  const page = readRecords(part, from, filter)
  expect(page.end).toBe(50)
  return { keys: page.records.map(({ key }) => key), next: page.next, skipped }
}

describe('records of an answer', () => {
  it('begin where they were asked for; the next offset is behind the batch, whatever is left of it', () => {
    const part = fetched([
      { offset: 8, key: 'before', batch: [5, 10] },
      { offset: 10, key: 'a', batch: [5, 10] },
      { offset: 11, key: 'other', batch: [5, 10] },
    ])
    expect(read(part, 10)).toEqual({ keys: ['a'], next: 15, skipped: 0 })
    expect(read(fetched([]), 10)).toEqual({ keys: [], next: 10, skipped: 0 })
  })

  it('of aborted transactions are left out, by producer, until their marker', () => {
    const of = (producer: string, key: string, offset: number): Made => ({
      offset,
      key,
      producer,
      transaction: true,
    })
    const part = fetched(
      [
        of('1', 'aborted', 0),
        of('2', 'committed', 1),
        { offset: 2, key: 'plain', producer: '1' },
        { offset: 3, producer: '1', marker: true },
        of('1', 'later', 4),
        of('2', 'aborted too', 5),
        { offset: 6, producer: '2', marker: true },
      ],
      {
        abortedTransactions: [
          { producerId: '2', firstOffset: '5' },
          { producerId: '1', firstOffset: '0' },
        ],
      },
    )
    expect(read(part)).toEqual({ keys: ['committed', 'plain', 'later'], next: 7, skipped: 0 })
  })

  it('with keys that are none are skipped and counted', () => {
    const keys = [null, Buffer.alloc(0), Buffer.from([0xff]), 'x'.repeat(1_025), 'x'.repeat(1_024)]
    const part = fetched(keys.map((key, offset) => ({ offset, key })))
    expect(read(part)).toEqual({ keys: ['x'.repeat(1_024)], next: 5, skipped: 4 })
  })

  it('are told apart by time, producer, key and value', () => {
    const digests = [
      message({ offset: 1 }),
      message({ offset: 1, value: 'w' }),
      message({ offset: 1, value: null }),
      message({ offset: 1, key: 'l' }),
      message({ offset: 1, producer: '7' }),
      { ...message({ offset: 1 }), timestamp: '1001' },
    ].map((one) => evidenceOf(one).digest)
    expect(new Set(digests).size).toBe(digests.length)
    expect(evidenceOf(message({ offset: 1 }))).toEqual(evidenceOf(message({ offset: 1 })))
  })
})

describe('positions', () => {
  it('come back as they were', () => {
    const position = {
      topic: 't',
      known: 17,
      stranded: true,
      partitions: [
        { next: 0, evidence: undefined },
        { next: 5, evidence: { offset: 4, digest: 'abc' } },
      ],
    }
    expect(decodePosition(encodePosition(position))).toEqual(position)
  })

  it.each(['', 'x', '[]', '[2,"t",1,0,[]]', '{}', '17', '[1,2,3,0,[]]'])('%s is none', (text) => {
    expect(decodePosition(text)).toBeUndefined()
  })
})
