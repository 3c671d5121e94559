import { expect, it } from '@jest/globals'
import { Agent, memory } from '../../../src/index.ts'
import { onTeardown } from '../../support/teardown.ts'

it('a resync() before start joins the startup run', async () => {
  const agent = new Agent({ transport: memory() })
  onTeardown(() => agent.close())
  const reasons: string[] = []
  agent.watch('one', '/').handle({ resync: ({ reason }) => reasons.push(reason) })
  agent.watch('two', '/').handle({ resync: ({ reason }) => reasons.push(reason) })
  const requested = agent.resync(['two'])
  const report = await agent.start()
  expect(report).toMatchObject({ reason: 'startup', turns: [{ name: 'one' }, { name: 'two' }] })
  expect(await requested).toBe(report)
  expect(reasons).toEqual(['startup', 'startup'])
})
