import { describe, expect, it } from '@jest/globals'
import { ByteCopier } from '../../../src/engine/byte-copier.ts'

describe('ByteCopier', () => {
  it('copies values of any length', () => {
    const copies = new ByteCopier()
    for (const length of [0, 1, 7, 8, 98, 511, 512, 513, 5_000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i & 0xff)
      expect(copies.copy(bytes)).toEqual(bytes)
    }
  })

  it('gives parts that do not overlap and are aligned', () => {
    const copies = new ByteCopier()
    const made = Array.from({ length: 500 }, (_, i) => copies.copy(new Uint8Array(1 + (i % 37))))
    for (const [i, copy] of made.entries()) copy.fill(i & 0xff)
    for (const [i, copy] of made.entries()) {
      expect(copy.byteOffset % 8).toBe(0)
      expect(copy.every((byte) => byte === (i & 0xff))).toBe(true)
    }
  })

  it('never shares memory with the original, nor with another copier', () => {
    const original = Uint8Array.of(1, 2, 3)
    const mine = new ByteCopier().copy(original)
    const yours = new ByteCopier().copy(original)
    mine.fill(9)
    expect([...original, ...yours]).toEqual([1, 2, 3, 1, 2, 3])
    expect(mine.buffer).not.toBe(yours.buffer)
  })

  it('makes large values stand alone, so that a kept one holds on to nothing else', () => {
    const copies = new ByteCopier()
    copies.copy(new Uint8Array(10))
    expect(copies.copy(new Uint8Array(513)).buffer.byteLength).toBe(513)
  })
})
