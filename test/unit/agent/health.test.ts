import { expect, it } from '@jest/globals'
import { Agent, composite, memory, prefixed, raw } from '../../../src/index.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'
import { SwitchableTransport } from '../../support/switchable-transport.ts'
import { waitFor } from '../../support/wait-for.ts'

it('health: nothing is live before it was opened, with or without a watch', async () => {
  const s = new ScriptedAgent()
  const states = (): unknown[] => {
    const { status, transports } = s.agent.health()
    return [status, ...transports.map(({ state }) => state)]
  }
  expect(states()).toEqual(['starting', 'connecting'])
  await s.agent.start()
  expect(states()).toEqual(['ok', 'live'])
  await s.agent.close()
  expect(states()).toEqual(['closed', 'closed'])
})

it('health of a program that only writes says whether its server is there', async () => {
  const transport = new SwitchableTransport(memory(), { livenessMs: 1_000 })
  await using agent = new Agent({ transport })
  const states = (): unknown[] => [agent.health().status, agent.health().transports[0]?.state]
  transport.cut()
  await agent.start()
  expect(states()).toEqual(['degraded', 'connecting'])
  transport.restore()
  await agent.put('/k/a', raw(new Uint8Array()))
  expect(states()).toEqual(['ok', 'live'])
  transport.cut()
  await agent.get('/k/a').catch(() => {})
  expect(states()).toEqual(['degraded', 'stale'])
})

it('one more prefix that is listed says nothing about the link', async () => {
  const s = new ScriptedAgent()
  s.watch('one', '/a/')
  const started = s.agent.start()
  s.stream(0).listed()
  await started
  s.watch('two', '/b/')
  await waitFor(() => s.transport.script.streams.length === 2)
  expect(s.agent.health().transports[0]?.state).toBe('live')
  s.stream(1).listed()
})

it.each(['keep', 'drop'] as const)(
  'a part of a composite that is away degrades health (%s), though the streams go on without it',
  async (onPartLost) => {
    const away = new SwitchableTransport(memory({ name: 'away' }), { forgetful: true })
    const transport = prefixed(composite([memory(), away], { onPartLost }), '/p/')
    await using agent = new Agent({ transport, random: () => 0 })
    agent.watch('one', '/').handle({})
    await agent.start()
    const shown = (): unknown => {
      const { status, transports, registrations } = agent.health()
      const [composed] = transports
      return [status, composed?.state, composed?.reconnects, registrations[0]?.state]
    }
    expect(shown()).toEqual(['ok', 'live', 0, 'live'])
    away.cut()
    await waitFor(() => agent.health().status === 'degraded')
    expect(agent.health().transports[0]).toMatchObject({
      state: 'stale',
      lastError: { code: 'SYNC_UNAVAILABLE' },
    })
    expect(agent.health().registrations[0]?.state).toBe('live')
    away.restore()
    await waitFor(() => agent.health().status === 'ok')
    expect(agent.health().transports[0]?.reconnects).toBeGreaterThan(0)
  },
)
