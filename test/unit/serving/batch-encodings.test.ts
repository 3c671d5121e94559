import { describe, expect, it } from '@jest/globals'
import { BatchFrames, WatchCover } from '../../../src/adapters/grpc/server/batch-frames.ts'
import { BatchTexts } from '../../../src/adapters/rest/server/batch-text.ts'
import { Values } from '../../../src/adapters/rest/server/values.ts'
import type { Batch } from '../../../src/index.ts'
import { BatchEncodings } from '../../../src/serving/batch-encodings.ts'

const changes = (...keys: string[]): Batch & { kind: 'changes' } => ({
  kind: 'changes',
  changes: keys.map((key, i) => ({
    type: 'put',
    pair: { key, value: Buffer.from(key), revision: i + 1, version: `${i}` },
  })),
  position: 'here',
})

describe('what batches look like on the wire', () => {
  it('REST: one text for all who watch all of a batch, whatever else they watch', () => {
    const texts = new BatchTexts(new Values([]))
    const form = { values: true, json: false }
    const events = (batch: Batch & { kind: 'changes' }, ...prefixes: string[]): Buffer[] => [
      ...texts.events(batch, texts.view(prefixes, form)),
    ]
    const batch = changes('/hot/a', '/hot/b')
    const [first] = events(batch, '/hot/', '/own/1/')
    for (let i = 2; i < 100; i++) expect(events(batch, '/hot/', `/own/${i}/`)[0]).toBe(first)
    // Who watches a part gets that part, and leaves nothing to others.
    const [part] = events(batch, '/hot/a')
    expect(String(part)).toContain('/hot/a')
    expect(String(part)).not.toContain('/hot/b')
    expect(events(batch, '/hot/')[0]).toBe(first)
  })

  it('gRPC: likewise', () => {
    const frames = new BatchFrames()
    const batch = changes('/hot/a', '/hot/b')
    const first = frames.of(batch, new WatchCover(['/hot/', '/own/1/']), 'protobuf')
    for (let i = 2; i < 100; i++) {
      expect(frames.of(batch, new WatchCover(['/hot/', `/own/${i}/`]), 'protobuf')).toBe(first)
    }
    const part = Buffer.concat(frames.of(batch, new WatchCover(['/hot/a']), 'protobuf'))
    expect(String(part)).toContain('/hot/a')
    expect(String(part)).not.toContain('/hot/b')
    expect(frames.of(batch, new WatchCover(['/hot/']), 'protobuf')).toBe(first)
  })

  it('W24: the latest are kept, up to so many bytes', () => {
    const encodings = new BatchEncodings<string>(10_000)
    const batches = Array.from({ length: 1_000 }, (_, i) => changes(`/k/${i}`))
    for (const batch of batches) {
      encodings.keep(batch, 'a', { encoding: 'x', prefixes: '' }, 1_000)
      encodings.keep(batch, 'b', { encoding: 'y', prefixes: '' }, 10)
      expect(encodings.bytes).toBeLessThanOrEqual(10_000)
    }
    const [oldest, latest] = [batches[0] as Batch, batches.at(-1) as Batch]
    expect(encodings.of(oldest, 'a')).toBeUndefined()
    expect([encodings.of(latest, 'a')?.encoding, encodings.of(latest, 'b')?.encoding]).toEqual([
      'x',
      'y',
    ])
    // One that is larger than all that is kept pushes nothing out.
    encodings.keep(oldest, 'a', { encoding: 'z', prefixes: '' }, 20_000)
    expect(encodings.of(latest, 'b')?.encoding).toBe('y')
  })
})
