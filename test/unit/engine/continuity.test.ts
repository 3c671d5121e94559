import { beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Continuity } from '../../../src/engine/continuity.ts'

const steps = ['resumed', 'broke', 'resynced', 'confirmed', 'doubted'] as const

describe('continuity', () => {
  let continuity: Continuity

  beforeEach(() => {
    continuity = new Continuity()
  })

  const may = (): string[] =>
    (['queueing', 'tracking', 'intact'] as const).filter((claim) => continuity[claim])

  it('nothing is queued before the first RESYNC, and nothing delivered before it is acknowledged', () => {
    expect([may(), continuity.started]).toEqual([[], false])
    continuity.resynced()
    expect([may(), continuity.started]).toEqual([['queueing', 'tracking'], true])
    continuity.confirmed()
    expect(may()).toEqual(['queueing', 'tracking', 'intact'])
  })

  it('a checkpoint queues from the beginning and stands for the RESYNC once the stream goes on', () => {
    continuity.resume()
    expect([may(), continuity.resuming, continuity.started]).toEqual([['queueing'], true, false])
    continuity.doubted()
    continuity.confirmed()
    expect([may(), continuity.resuming]).toEqual([['queueing'], true])
    continuity.resumed()
    expect([may(), continuity.resuming, continuity.started]).toEqual([
      ['queueing', 'tracking', 'intact'],
      false,
      true,
    ])
  })

  it('a checkpoint that broke is of no use any more', () => {
    continuity.resume()
    continuity.broke()
    expect([may(), continuity.resuming, continuity.started]).toEqual([[], false, false])
  })

  it('what broke while a RESYNC was open is not mended by its acknowledgement', () => {
    continuity.resynced()
    continuity.broke()
    continuity.confirmed()
    expect(may()).toEqual([])
  })

  it('a receiver that has not taken something gets no more, but the queue stays right', () => {
    continuity.resynced()
    continuity.confirmed()
    continuity.doubted()
    expect(may()).toEqual(['queueing', 'tracking'])
    continuity.broke()
    continuity.doubted()
    expect(may()).toEqual([])
  })

  it('CHANGEs only where the queue is right, and only after a RESYNC or a checkpoint, whatever comes', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.constantFrom(...steps)), (resuming, taken) => {
        continuity = new Continuity()
        if (resuming) continuity.resume()
        for (const step of taken) {
          if (step === 'resumed' && !continuity.resuming) continue
          continuity[step]()
          if (continuity.intact)
            expect([continuity.tracking, continuity.started]).toEqual([true, true])
          if (continuity.tracking) expect(continuity.queueing).toBe(true)
          if (continuity.resuming)
            expect([continuity.started, continuity.tracking]).toEqual([false, false])
        }
      }),
    )
  })
})
