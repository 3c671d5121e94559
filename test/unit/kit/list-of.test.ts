import { describe, expect, it } from '@jest/globals'
import { systemClock } from '../../../src/api/clock.ts'
import type { Batch, Io, RawPair, Transport } from '../../../src/api/transport.ts'
import { listOf } from '../../../src/kit/list-of.ts'

const pair = (key: string): RawPair => ({ key, value: new Uint8Array(), revision: 1, version: '1' })

describe('listOf a transport without list', () => {
  const script = (
    batches: readonly Batch[],
  ): { transport: Transport; signals: AbortSignal[]; returned: () => boolean } => {
    const signals: AbortSignal[] = []
    let returned = false
    const transport = {
      async *stream(_prefixes: readonly string[], _from: undefined, io: Io) {
        signals.push(io.signal)
        try {
          yield* batches
        } finally {
          returned = true
        }
      },
    } as unknown as Transport
    return { transport, signals, returned: () => returned }
  }
  const io = (signal = new AbortController().signal): Io => ({
    signal,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    clock: systemClock,
    random: Math.random,
  })
  const keysOf = async (transport: Transport, signal?: AbortSignal): Promise<string[]> => {
    const keys: string[] = []
    for await (const page of listOf(transport, '/', io(signal)))
      keys.push(...page.map((p) => p.key))
    return keys
  }

  it('gives what is listed, and leaves the stream before it goes live', async () => {
    const { transport, signals, returned } = script([
      { kind: 'pairs', pairs: [pair('/a')] },
      { kind: 'progress' },
      { kind: 'pairs', pairs: [pair('/b')] },
      { kind: 'listed' },
      { kind: 'changes', changes: [{ type: 'put', pair: pair('/c') }] },
    ])
    expect(await keysOf(transport)).toEqual(['/a', '/b'])
    expect(returned()).toBe(true)
    expect(signals[0]?.aborted).toBe(true)
  })

  it('forgets what came before a reset', async () => {
    const { transport } = script([
      { kind: 'pairs', pairs: [pair('/gone')] },
      { kind: 'reset', reason: 'compacted' },
      { kind: 'pairs', pairs: [pair('/a')] },
      { kind: 'listed' },
    ])
    expect(await keysOf(transport)).toEqual(['/a'])
  })

  it('throws what the stream throws, when it ends too early, and the reason of an abort', async () => {
    const early = script([{ kind: 'pairs', pairs: [pair('/a')] }])
    await expect(keysOf(early.transport)).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    const broken = {
      async *stream() {
        yield { kind: 'pairs', pairs: [] }
        throw new Error('lost')
      },
    } as unknown as Transport
    await expect(keysOf(broken)).rejects.toThrow('lost')
    const { transport } = script([])
    await expect(keysOf(transport, AbortSignal.abort(new Error('enough')))).rejects.toThrow(
      'enough',
    )
  })
})
