import { describe, expect, it } from '@jest/globals'
import { Agent, memory, raw } from '../../../src/index.ts'
import type { Checkpoint } from '../../../src/index.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

/** The checkpoint of a watch on a store with one key. */
async function checkpointOf(agent: Agent): Promise<Checkpoint> {
  const registration = agent.watch('first', '/')
  registration.handle({})
  await agent.start()
  await agent.put('/x', raw(new Uint8Array([1])))
  await waitFor(() => (registration.checkpoint()?.parts[0]?.pairs.length ?? 0) > 0)
  return registration.checkpoint() as Checkpoint
}

function agentOn(transport = memory()): Agent {
  const agent = new Agent({ transport, random: () => 0 })
  onTeardown(() => agent.close())
  return agent
}

describe('memory', () => {
  it('a position of another store lists, also where chance is held still (W6)', async () => {
    const checkpoint = await checkpointOf(agentOn())
    const agent = agentOn()
    const kinds: string[] = []
    agent
      .watch('second', '/', { resume: checkpoint })
      .handle({ resync: ({ values }) => kinds.push(`resync ${[...values.values()].length}`) })
    const { turns } = await agent.start()
    expect(turns).toMatchObject([{ outcome: 'acked', pairs: 0 }])
  })

  it('a position of the future, or none at all, lists (W6)', async () => {
    const agent = agentOn()
    const checkpoint = await checkpointOf(agent)
    const [part] = checkpoint.parts
    if (part === undefined) throw new Error('no part')
    const [epoch] = part.position.split(':')
    for (const position of [`${epoch}:2`, `${epoch}:soon`, `${epoch}`, `${epoch}:-1`]) {
      const resume = { ...checkpoint, parts: [{ ...part, position }] }
      const registration = agent.watch(position, '/', { resume })
      let resyncs = 0
      registration.handle({ resync: () => resyncs++ })
      await waitFor(() => registration.status.state === 'live')
      expect(resyncs).toBe(1)
    }
  })
})
