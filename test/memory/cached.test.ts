import { expect, it } from '@jest/globals'
import { Agent, cached, memory, raw } from '../../src/index.ts'
import type { BatchIterator, Served } from '../../src/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { silentLogger } from '../../src/api/logger.ts'
import { RemoteReader } from '../support/remote-reader.ts'
import { waitFor } from '../support/wait-for.ts'

/*
 * Sees: what grows with changes and with readers that do not read, in the heap and in buffers. Does not see: what servers
 * and sockets above it hold.
 */

const MIB = 2 ** 20

function usedMib(): number {
  const { gc } = globalThis as { gc?: () => void }
  if (gc === undefined) throw new Error('run with --expose-gc')
  gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / MIB
}

function reading(served: Served, prefix: string): BatchIterator {
  return served.stream([prefix], undefined, new AbortController().signal)[Symbol.asyncIterator]()
}

it('W24: readers that never read cost the same after 1 000 000 changes as after none', async () => {
  const store = memory()
  const transport = cached(store, { historyLimit: 1_000, historyBytes: MIB })
  await using agent = new Agent({ transport })
  await agent.start()
  const served = agent.served()
  const io = {
    signal: new AbortController().signal,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  }
  let written = 0
  const write = async (count: number): Promise<void> => {
    for (const end = written + count; written < end; written++) {
      const value = new TextEncoder().encode(String(written).padEnd(100))
      const op = { type: 'put', key: `/k/${written % 5_000}`, value } as const
      await store.commit([op], { waitFor: 'stored', timeoutMs: 1_000 }, io)
    }
  }
  await write(5_000)
  const reader = new RemoteReader(served, ['/k/4999'])
  await reader.until('listed')
  // Some never begin, some stop in the list, some behind it, each kind on prefixes of its own and on the same.
  const stuck: BatchIterator[] = []
  for (let i = 0; i < 100; i++) {
    const prefix = i % 2 === 0 ? '/k/' : `/k/${i}`
    stuck.push(reading(served, prefix))
    const inList = reading(served, prefix)
    await inList.next()
    const behind = reading(served, prefix)
    while ((await behind.next()).value?.kind !== 'listed');
    stuck.push(inList, behind)
  }
  await write(10_000)
  const before = usedMib()
  for (let round = 0; round < 10; round++) await write(100_000)
  // Views of lists that nobody reads on are let go when they are swept, every 5 s.
  await waitFor(() => usedMib() - before < 4, {
    timeoutMs: 20_000,
    describe: () => `bounded memory: ${(usedMib() - before).toFixed(1)} MiB more`,
  })
  const last = await stuck.at(-1)?.next()
  expect(last?.value).toEqual({ kind: 'reset', reason: 'compacted' })
  expect(reader.fold.size).toBe(1)
  await waitFor(() => reader.fold.get('/k/4999')?.trim() === String(written - 1))
}, 120_000)

it('a reader that comes back all the time, from far behind, leaves nothing behind', async () => {
  const transport = cached(memory())
  await using agent = new Agent({ transport })
  await agent.start()
  const served = agent.served()
  const first = new RemoteReader(served, ['/k/'])
  await first.until('listed')
  const { position } = first
  for (let i = 0; i < 1_000; i++) {
    await agent.put(`/k/${i % 10}`, raw(new TextEncoder().encode(String(i))))
  }
  await first.until('put /k/9=999')
  first.stop()
  const comeBack = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const reader = served
        .stream(['/k/'], position, new AbortController().signal)
        [Symbol.asyncIterator]()
      const { value } = await reader.next()
      expect(value?.kind).toBe('changes')
      await reader.return?.()
    }
  }
  await comeBack(50)
  const before = usedMib()
  await comeBack(1_000)
  expect(usedMib() - before).toBeLessThan(2)
}, 60_000)

it('readers that come and go leave nothing behind', async () => {
  await using agent = new Agent({ transport: cached(memory()) })
  await agent.start()
  const served = agent.served()
  const comeAndGo = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const end = new AbortController()
      const stream = served.stream([`/k/${i}/`], undefined, end.signal)
      const reader = stream[Symbol.asyncIterator]()
      await reader.next()
      if (i % 2 === 0) end.abort()
      else await reader.return?.()
    }
  }
  await comeAndGo(1_000)
  const before = usedMib()
  await comeAndGo(20_000)
  expect(usedMib() - before).toBeLessThan(2)
})
