import { expect, it } from '@jest/globals'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

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
