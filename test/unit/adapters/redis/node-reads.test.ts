import { describe, expect, it } from '@jest/globals'
import type { Connection, Reply } from '../../../../src/adapters/redis/connection.ts'
import { decodeKey } from '../../../../src/adapters/redis/key-names.ts'
import { MOVED } from '../../../../src/adapters/redis/key-reader.ts'
import type { ReadValue } from '../../../../src/adapters/redis/key-reader.ts'
import { NodeReads } from '../../../../src/adapters/redis/node-reads.ts'
import type { Landed, ReadContext } from '../../../../src/adapters/redis/node-reads.ts'
import { ReadSize } from '../../../../src/adapters/redis/read-size.ts'
import { RedisPair, versionOf } from '../../../../src/adapters/redis/redis-pair.ts'

interface Sent {
  readonly keys: readonly string[]
  answer(values: readonly ReadValue[]): Promise<void>
}

/** Reads whose answers the test gives. */
function script(pages: readonly string[][], scanCount = 4) {
  const sent: Sent[] = []
  const scans: (() => Promise<void>)[] = []
  const log: string[] = []
  let page = 0
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const call = (): Promise<Reply> =>
    new Promise((resolve) => {
      scans.push(() => {
        const keys = pages[page++] ?? []
        resolve([
          Buffer.from(page < pages.length ? String(page) : '0'),
          keys.map((key) => Buffer.from(key)),
        ])
        return settle()
      })
    })
  const context: ReadContext = {
    read: (_connection, keys) =>
      new Promise((resolve) => {
        sent.push({
          keys,
          answer: (values) => {
            resolve(values)
            return settle()
          },
        })
      }),
    scanCount,
    pattern: '*',
    listed: (key) => reads.listKey(key),
    moved: (keys, of) => log.push(`moved ${of} ${keys.join()}`),
    skipped: (what) => log.push(`skipped ${what}`),
    wake: () => log.push('wake'),
  }
  const reads: NodeReads = new NodeReads({ call } as unknown as Connection, context)
  return { reads, sent, scans, log }
}

function shown(landed: Landed | undefined): string {
  if (landed === undefined) return 'nothing'
  if (landed.kind === 'pairs')
    return landed.pairs.map(({ key, value }) => `${key}=${textOf(value)}`).join(' ')
  return landed.changes
    .map((change) =>
      change.type === 'put' ? `${change.pair.key}:${textOf(change.pair.value)}` : `-${change.key}`,
    )
    .join(' ')
}

const textOf = (value: Uint8Array): string => Buffer.from(value).toString()
const bytes = (text: string): Buffer => Buffer.from(text)

describe('NodeReads', () => {
  it('hands over in the order of sending, whatever is ready first', async () => {
    const { reads, sent, scans } = script([['a', 'b']])
    reads.list()
    reads.send(true)
    await scans[0]?.()
    reads.send(true)
    reads.dirty.add('a')
    reads.send(true)
    expect(sent.map(({ keys }) => keys)).toEqual([['a', 'b'], ['a']])
    await sent[1]?.answer([bytes('new')])
    expect(shown(reads.take())).toBe('nothing')
    await sent[0]?.answer([bytes('old'), bytes('x')])
    expect(shown(reads.take())).toBe('a=old b=x')
    expect(shown(reads.take())).toBe('a:new')
    expect(reads.idle).toBe(true)
    expect(reads.listing).toBe(false)
  })

  it('has one read of changes under way; what is marked meanwhile is read again', async () => {
    const { reads, sent } = script([])
    reads.dirty.add('a')
    reads.send(true)
    reads.dirty.add('a')
    reads.dirty.add('b')
    reads.send(true)
    expect(sent).toHaveLength(1)
    await sent[0]?.answer([null])
    reads.send(true)
    // Nothing more before it was taken: the consumer sets the pace.
    expect(sent).toHaveLength(1)
    expect(shown(reads.take())).toBe('-a')
    reads.send(true)
    expect(sent[1]?.keys).toEqual(['a', 'b'])
  })

  it('reads no changes before they are wanted', () => {
    const { reads, sent } = script([])
    reads.dirty.add('a')
    reads.send(false)
    expect(sent).toHaveLength(0)
  })

  it('is two pages ahead of the consumer, and the keys of two more, no further', async () => {
    const { reads, sent, scans } = script(
      Array.from({ length: 20 }, (_, i) => [`${i}a`, `${i}b`, `${i}c`, `${i}d`]),
    )
    reads.list()
    reads.send(false)
    for (let i = 0; i < 10; i++) {
      await scans.at(-1)?.()
      reads.take()
      reads.send(false)
    }
    expect(sent).toHaveLength(2)
    expect(scans).toHaveLength(4)
    await sent[0]?.answer([bytes('1'), bytes('2'), bytes('3'), bytes('4')])
    expect(shown(reads.take())).toBe('0a=1 0b=2 0c=3 0d=4')
    reads.send(false)
    expect(sent).toHaveLength(3)
  })

  it('reads small pages together', async () => {
    const { reads, sent, scans } = script([['a'], [], ['b'], [], []], 100)
    reads.list()
    reads.send(false)
    for (let i = 0; i < 5; i++) {
      expect(sent).toHaveLength(0)
      await scans.at(-1)?.()
      reads.take()
      reads.send(false)
    }
    expect(sent.map(({ keys }) => keys)).toEqual([['a', 'b']])
  })

  it('skips what is no string, and tells of what has moved', async () => {
    const { reads, sent, scans, log } = script([['a', 'b', 'c']])
    reads.list()
    reads.send(false)
    await scans[0]?.()
    reads.send(false)
    await sent[0]?.answer([null, MOVED, bytes('1')])
    expect(shown(reads.take())).toBe('c=1')
    expect(log).toContain('skipped value')
    expect(log).toContain('moved page b')
    reads.dirty.add('d')
    reads.send(true)
    await sent[1]?.answer([MOVED])
    expect(shown(reads.take())).toBe('')
    expect(log).toContain('moved changes d')
  })

  it('gives an error when its turn comes', async () => {
    const { reads } = script([])
    const broken = new NodeReads({} as Connection, {
      read: () => Promise.reject(new Error('lost')),
      scanCount: 1,
      pattern: '*',
      listed: () => {},
      moved: () => {},
      skipped: () => {},
      wake: () => {},
    })
    broken.dirty.add('a')
    broken.send(true)
    await new Promise((resolve) => setImmediate(resolve))
    expect(() => broken.take()).toThrow('lost')
    expect(reads.idle).toBe(true)
  })

  it('copies changed values out of the chunk they came in', async () => {
    const { reads, sent } = script([])
    const chunk = Buffer.alloc(100_000, 'x')
    reads.dirty.add('a')
    reads.send(true)
    await sent[0]?.answer([chunk.subarray(10, 13)])
    const landed = reads.take()
    if (landed?.kind !== 'changes' || landed.changes[0]?.type !== 'put') throw new Error('no put')
    expect(landed.changes[0].pair.value.buffer).not.toBe(chunk.buffer)
  })
})

describe('ReadSize', () => {
  it('goes by the size of values: at most 4 MiB at a time', () => {
    const size = new ReadSize(1_000)
    expect(size.keys).toBe(64)
    for (let i = 0; i < 10; i++) size.learn(64, 64 * 100)
    expect(size.keys).toBe(1_000)
    size.learn(1_000, 1_000 * 2 ** 20)
    expect(size.keys).toBe(4)
    size.learn(1, 2 ** 29)
    expect(size.keys).toBe(1)
    size.learn(0, 0)
    expect(size.keys).toBe(1)
  })
})

describe('keys and pairs', () => {
  it('takes names that are keys only', () => {
    expect(decodeKey(Buffer.from('channel:/a/é😀'), 8)).toBe('/a/é😀')
    expect(decodeKey(Buffer.from('\ufffd'))).toBe('\ufffd')
    expect(decodeKey(Buffer.from([0x61, 0xff]))).toBeUndefined()
    expect(decodeKey(Buffer.from([0xed, 0xa0, 0x80]))).toBeUndefined()
    expect(decodeKey(Buffer.from(''))).toBeUndefined()
    expect(decodeKey(Buffer.from('é'.repeat(512)))).toBe('é'.repeat(512))
    expect(decodeKey(Buffer.from('é'.repeat(513)))).toBeUndefined()
  })

  it('knows a version as a digest of the bytes', () => {
    const pair = new RedisPair('/a', Buffer.from('hello'))
    expect(pair.version).toBe('aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d')
    expect(pair.version).toBe(versionOf(new Uint8Array(Buffer.from('hello'))))
    expect(pair.revision).toBe(0)
  })
})
