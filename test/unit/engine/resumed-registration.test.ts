import { describe, expect, it } from '@jest/globals'
import { Agent } from '../../../src/index.ts'
import type { Checkpoint, WatchRegistration } from '../../../src/index.ts'
import { ScriptedTransport } from '../../../src/testing/scripted-transport.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

describe('a registration that goes on from a checkpoint', () => {
  it('gets a RESYNC when its stream is reset later (W5)', async () => {
    const { transport, registration, seen } = await resumed()
    transport.script
      .stream(0)
      .reset('compacted')
      .pairs([['/a/z', '9', 9]])
      .listed('p9')
      .changes([['put', '/a/w', '10', 10]], { position: 'p10' })
    await waitFor(() => seen.join().includes('/a/w'))
    expect(seen[0]).toMatch(/^resync compacted .*\/a\/z/u)
    await waitFor(() => registration.checkpoint()?.parts[0]?.position === 'p10')
  })

  it('gets a RESYNC for a prefix that it registers', async () => {
    const { transport, registration, seen } = await resumed()
    transport.script
      .stream(1)
      .pairs([
        ['/a/x', '1', 1],
        ['/b/1', 'b', 1],
      ])
      .listed('p1')
    await registration.register('/b/')
    await waitFor(() => seen.length > 0)
    transport.script.stream(1).changes([['put', '/b/2', 'b', 2]], { position: 'p2' })
    await waitFor(() => seen.length > 1)
    expect(seen).toEqual(['resync prefix-changed /a/x,/b/1', 'put /b/2'])
  })

  it('gets one for a prefix that it registers before the stream goes on', async () => {
    const transport = new ScriptedTransport()
    const agent = new Agent({ transport })
    onTeardown(() => agent.close())
    const registration = agent.watch('resumed', '/a/', { resume: checkpoint })
    const seen = linesOf(registration)
    await registration.register('/b/')
    transport.script.stream(0).progress('p1')
    transport.script
      .stream(1)
      .pairs([
        ['/a/x', '1', 1],
        ['/b/1', 'b', 1],
      ])
      .listed('p1')
    await agent.start()
    await waitFor(() => registration.status.state === 'live')
    expect(seen).toEqual([
      expect.stringMatching(/^resync (?:startup|prefix-changed) \/a\/x,\/b\/1$/u),
    ])
  })

  it('asks a transport for its stream only when that is open', async () => {
    const transport = new ScriptedTransport()
    transport.script.onOpen = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      expect(transport.script.streams).toEqual([])
    }
    const agent = new Agent({ transport })
    onTeardown(() => agent.close())
    const registration = agent.watch('resumed', '/a/', { resume: checkpoint })
    transport.script.stream(0).progress('p1')
    await new Promise((resolve) => setImmediate(resolve))
    const { turns } = await agent.start()
    expect(turns).toMatchObject([{ name: 'resumed', outcome: 'resumed' }])
    expect(transport.script.stream(0).from).toBe('p1')
    expect(registration.status.state).toBe('live')
  })
})

const checkpoint: Checkpoint = {
  format: 1,
  transport: 'scripted',
  prefixes: ['/a/'],
  parts: [{ prefixes: ['/a/'], position: 'p1', pairs: [['/a/x', btoa('1'), 1, 'r1']] }],
}

/** One line for each event, which is done at once. */
function linesOf(registration: WatchRegistration): readonly string[] {
  const lines: string[] = []
  registration.handle({
    resync: ({ reason, values }) => {
      const keys = [...values.values()].flatMap((pairs) => Array.from(pairs, ({ key }) => key))
      lines.push(`resync ${reason} ${keys.join()}`)
    },
    change: ({ changeType, key }) => lines.push(`${changeType} ${key}`),
  })
  return lines
}

async function resumed(): Promise<{
  transport: ScriptedTransport
  registration: WatchRegistration
  seen: readonly string[]
}> {
  const transport = new ScriptedTransport()
  const agent = new Agent({ transport })
  onTeardown(() => agent.close())
  const registration = agent.watch('resumed', '/a/', { resume: checkpoint })
  const seen = linesOf(registration)
  transport.script.stream(0).progress('p1')
  await agent.start()
  await waitFor(() => registration.status.state === 'live')
  return { transport, registration, seen }
}
