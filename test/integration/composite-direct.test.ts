import { describe, expect, it } from '@jest/globals'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, composite, memory, raw } from '../../src/index.ts'
import type { CompositeOptions, Transport } from '../../src/index.ts'
import { recordEvents } from '../support/record-events.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'

const text = (value: string): ReturnType<typeof raw> => raw(Buffer.from(value))

/** An agent reached directly, whose plugin refuses values that say so. */
async function direct(kind: 'REST' | 'gRPC'): Promise<{ transport: Transport; taken: string[] }> {
  const agent = new Agent({ transport: memory() })
  const taken: string[] = []
  agent.watch('device', '/c/', { onRefusal: 'continue' }).handle({
    change: (event) => {
      const value = event.changeType === 'put' ? Buffer.from(event.bytes).toString() : 'gone'
      if (value.startsWith('bad')) throw new Error(`${value} is not for me`)
      taken.push(value)
    },
  })
  await agent.start()
  onTeardown(() => agent.close())
  if (kind === 'REST') {
    const server = await serveRest(agent)
    onTeardown(() => server.close())
    return { transport: rest({ url: server.url }), taken }
  }
  const server = await serveGrpc(agent, { port: 0 })
  onTeardown(() => server.close())
  return { transport: grpc({ url: server.url }), taken }
}

async function agentOn(parts: readonly Transport[], options?: CompositeOptions): Promise<Agent> {
  const agent = new Agent({ transport: composite(parts, options) })
  onTeardown(() => agent.close())
  return agent
}

describe.each(['REST', 'gRPC'] as const)('applied through a composite, over %s', (kind) => {
  const applied = { waitFor: 'applied', timeoutMs: 10_000 } as const

  it("write: 'first': the receivers of the other process answer", async () => {
    const { transport, taken } = await direct(kind)
    const agent = await agentOn([transport, memory()], { write: 'first' })
    const seen = recordEvents(agent.watch('here', '/c/'))
    await agent.start()
    expect(await agent.put('/c/a', text('1'), applied)).toMatchObject({ receivers: 1 })
    expect(taken).toEqual(['1'])
    await expect(agent.put('/c/a', text('bad'), applied)).rejects.toMatchObject({
      code: 'SYNC_REFUSED',
      refusals: [{ registration: 'device' }],
    })
    // Refused, and stored all the same.
    await seen.untilFold({ '/c/a': 'bad' })
    seen.expectClean()
  })

  it("write: 'all': both the other process and ours answer, and refusals of both are told", async () => {
    const { transport, taken } = await direct(kind)
    const local = lmdb({ path: await tempDir('lmdb') })
    const agent = await agentOn([local, transport])
    const seen = recordEvents(agent.watch('here', '/c/', { onRefusal: 'continue' }), {
      watch: { onRefusal: 'continue' },
      answer: (event) => {
        if (event.kind === 'change' && event.changeType === 'put') {
          if (Buffer.from(event.bytes).toString() === 'bad for both') throw new Error('nor for me')
        }
      },
    })
    await agent.start()
    expect(await agent.put('/c/a', text('1'), applied)).toMatchObject({ receivers: 2 })
    expect(taken).toEqual(['1'])
    await expect(agent.put('/c/a', text('bad'), applied)).rejects.toMatchObject({
      code: 'SYNC_REFUSED',
      refusals: [{ registration: 'device' }],
    })
    const both = await agent
      .put('/c/a', text('bad for both'), applied)
      .catch((error: unknown) => error)
    expect(both).toMatchObject({ code: 'SYNC_REFUSED' })
    const names = (both as { refusals: { registration: string }[] }).refusals.map(
      ({ registration }) => registration,
    )
    expect(names.sort()).toEqual(['device', 'here'])
    await agent.delete('/c/a', applied)
    await seen.untilFold({})
    expect(taken).toEqual(['1', 'gone'])
  })
})
