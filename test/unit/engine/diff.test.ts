import { describe, expect, it } from '@jest/globals'
import { Agent, diff } from '../../../src/index.ts'
import type { ChangeEvent } from '../../../src/index.ts'
import { ScriptedTransport } from '../../../src/testing/scripted-transport.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

describe('diff()', () => {
  it('what a RESYNC lacks is deleted first (W7), then comes what is new or different', async () => {
    const { transport, agent, changes } = await watched()
    expect(await take(changes, 3)).toEqual(['put /a ()', 'put /b ()', 'put /c ()'])
    transport.script
      .stream(0)
      .reset('compacted')
      .pairs([
        ['/b', 'B', 2],
        ['/c', 'new', 5],
        ['/d', 'D', 6],
      ])
      .listed('p6')
    expect(await take(changes, 3)).toEqual(['delete /a (A)', 'put /c (C)', 'put /d ()'])
    await waitFor(() => agent.health().status === 'ok')
    expect(agent.health().registrations[0]?.lastResync?.outcome).toBe('acked')
  })

  it('a refusal refuses the RESYNC, and is told again; what was done is not', async () => {
    const { agent, changes } = await watched({ refuse: '/b' })
    expect(await take(changes, 2)).toEqual(['put /a ()', 'put /b ()'])
    expect(agent.health().registrations[0]?.lastResync?.outcome).toBe('refused')
    expect(await take(changes, 2)).toEqual(['put /b ()', 'put /c ()'])
  })

  it('CHANGEs pass through, with their previous values', async () => {
    const { transport, changes } = await watched()
    await take(changes, 3)
    transport.script.stream(0).changes(
      [
        ['put', '/a', 'A2', 5],
        ['delete', '/b', 6],
      ],
      { position: 'p6' },
    )
    expect(await take(changes, 2)).toEqual(['put /a (A)', 'delete /b (B)'])
  })
})

/** A registration on a, b and c through `diff()`; every change is done, but the first one of `refuse`. */
async function watched({ refuse = '' } = {}): Promise<{
  transport: ScriptedTransport
  agent: Agent
  changes: string[]
}> {
  const transport = new ScriptedTransport()
  const agent = new Agent({ transport, random: () => 0 })
  onTeardown(() => agent.close())
  const changes: string[] = []
  let refuses = refuse
  agent
    .watch('diff', '/')
    .events$.pipe(diff())
    .subscribe((change) => {
      changes.push(lineOf(change))
      const refused = change.key === refuses
      if (refused) refuses = ''
      change.done(refused ? new Error('no') : undefined)
    })
  transport.script
    .stream(0)
    .pairs([
      ['/a', 'A', 1],
      ['/b', 'B', 2],
      ['/c', 'C', 3],
    ])
    .listed('p3')
  await agent.start()
  return { transport, agent, changes }
}

function lineOf(change: ChangeEvent): string {
  const prev = change.prev === undefined ? '' : new TextDecoder().decode(change.prev.bytes)
  return `${change.changeType} ${change.key} (${prev})`
}

/** The next so many, taken away. */
async function take(changes: string[], count: number): Promise<string[]> {
  await waitFor(() => changes.length >= count)
  return changes.splice(0, count)
}
