import { expect, it } from '@jest/globals'
import { Agent, memory, raw } from '../../src/index.ts'
import { waitFor } from '../support/wait-for.ts'

/*
 * Sees: what grows with changes, receivers or agents in the heap. Does not see: memory outside of it (sockets, LMDB's map).
 */

const MIB = 2 ** 20

function heapMib(): number {
  const { gc } = globalThis as { gc?: () => void }
  if (gc === undefined) throw new Error('run with --expose-gc')
  gc()
  return process.memoryUsage().heapUsed / MIB
}

async function write(agent: Agent, count: number, key: (i: number) => string): Promise<void> {
  for (let start = 0; start < count; start += 500) {
    await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        agent.put(key(start + i), raw(new TextEncoder().encode(`${start + i}`.padEnd(100)))),
      ),
    )
  }
}

it.each(['all', 'latest'] as const)(
  'W24: a receiver that never answers costs no more than its queue, %s',
  async (delivery) => {
    await using agent = new Agent({ transport: memory() })
    const registration = agent.watch('stuck', '/k/', {
      delivery,
      queueLimit: 1_000,
      doneTimeoutMs: { change: 0, resync: 0 },
    })
    let most = 0
    registration.changes$.subscribe() // never says done
    await agent.start()
    await write(agent, 50_000, (i) => `/k/${i % 5_000}`)
    const before = heapMib()
    for (let round = 0; round < 4; round++) {
      await write(agent, 50_000, (i) => `/k/${i % 5_000}`)
      most = Math.max(most, registration.status.pending)
    }
    expect(most).toBeLessThanOrEqual(1_000)
    expect(heapMib() - before).toBeLessThan(4)
  },
)

it('watches that come and go leave nothing behind', async () => {
  await using agent = new Agent({ transport: memory() })
  await agent.start()
  const comeAndGo = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const registration = agent.watch('guest', [`/k/${i}/`, '/common/'])
      let resyncs = 0
      registration.handle({ resync: () => resyncs++ })
      await waitFor(() => resyncs === 1)
      await registration.close()
    }
  }
  await comeAndGo(300)
  const before = heapMib()
  await comeAndGo(1_500)
  expect(heapMib() - before).toBeLessThan(2)
})

it('agents that open and close leave nothing behind', async () => {
  const openAndClose = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const agent = new Agent({ transport: memory() })
      agent.watch('one', '/k/').handle({})
      await agent.start()
      await agent.put('/k/a', raw(new Uint8Array(1_000)), { waitFor: 'applied' })
      await agent.close()
    }
  }
  await openAndClose(50)
  const before = heapMib()
  const timers = process.getActiveResourcesInfo().length
  await openAndClose(200)
  expect(heapMib() - before).toBeLessThan(2)
  expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(timers + 1)
})
