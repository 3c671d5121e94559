import { describe, expect, it } from '@jest/globals'
import { Agent } from '../../../src/index.ts'
import { ScriptedTransport } from '../../../src/testing/scripted-transport.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

describe('RESYNCs after a reset (C10)', () => {
  it('come in order and once, when a run has passed over all meanwhile', async () => {
    const { agent, transport, log } = await started()
    transport.script.stream(0).reset('reconnected')
    await waitFor(() => agent.health().transports[0]?.state === 'stale')
    const { turns } = await agent.resync()
    expect(turns.map(({ outcome }) => outcome)).toEqual([
      'passed-over',
      'passed-over',
      'passed-over',
    ])
    transport.script.stream(0).listed()
    await waitFor(() => agent.health().status === 'ok')
    expect(log).toEqual(IN_ORDER)
  })

  it('come in order and once, when the list takes longer than the run that the reset cut short', async () => {
    const { agent, transport, log, inB } = await started({ holdB: true })
    const run = agent.resync()
    await inB
    transport.script.stream(0).reset('compacted')
    const { turns } = await run
    expect(turns.map(({ outcome }) => outcome)).toEqual(['acked', 'voided', 'passed-over'])
    log.length = 0
    transport.script.stream(0).listed()
    await waitFor(() => agent.health().status === 'ok')
    expect(log.filter((line) => line !== 'B voided')).toEqual(IN_ORDER)
  })
})

const IN_ORDER = ['A begins', 'A ends', 'B begins', 'B ends', 'C begins', 'C ends']

/** A, B and C, which take two turns of the event loop each; with `holdB`, B's first `requested` RESYNC lasts until it is void. */
async function started({ holdB = false } = {}): Promise<{
  agent: Agent
  transport: ScriptedTransport
  log: string[]
  inB: Promise<void>
}> {
  const transport = new ScriptedTransport({ capabilities: { resumable: false } })
  const agent = new Agent({ transport })
  onTeardown(() => agent.close())
  const log: string[] = []
  let holds = false
  let reachB = (): void => {}
  const inB = new Promise<void>((resolve) => {
    reachB = resolve
  })
  for (const name of ['A', 'B', 'C']) {
    agent.watch(name, `/${name}/`).handle({
      resync: async ({ signal }) => {
        log.push(`${name} begins`)
        if (name === 'B' && holds) {
          holds = false
          reachB()
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          log.push(`${name} voided`)
          return
        }
        await new Promise((resolve) => setImmediate(resolve))
        await new Promise((resolve) => setImmediate(resolve))
        log.push(`${name} ends`)
      },
    })
  }
  transport.script.stream(0).listed()
  await agent.start()
  log.length = 0
  holds = holdB
  return { agent, transport, log, inB }
}
