import { expect, it } from '@jest/globals'
import { Agent } from '../../../src/index.ts'
import type { ResyncEvent } from '../../../src/index.ts'
import { ScriptedTransport } from '../../../src/testing/scripted-transport.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

it('the list of a prefix that a RESYNC handler registers does not void that RESYNC', async () => {
  const transport = new ScriptedTransport()
  const agent = new Agent({ transport })
  onTeardown(() => agent.close())
  const registration = agent.watch('grows', '/a/')
  const seen: ResyncEvent[] = []
  registration.handle({
    resync: async (event) => {
      seen.push(event)
      if (seen.length > 1) return
      await registration.register('/b/')
      const stream = transport.script.stream(1).listed('p1')
      await stream.opened
      await waitFor(() => stream.unread === 0)
    },
  })
  transport.script.stream(0).listed('p1')
  const { turns } = await agent.start()
  expect(turns).toMatchObject([{ outcome: 'acked' }])
  await waitFor(() => seen.length === 2)
  expect(seen.map(({ reason, signal }) => [reason, signal.aborted])).toEqual([
    ['startup', false],
    ['prefix-changed', false],
  ])
})
