import { expect, it } from '@jest/globals'
import { Agent, composite, memory, raw } from '../../../src/index.ts'
import type { Transport } from '../../../src/index.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

const text = (value: string): ReturnType<typeof raw> => raw(new TextEncoder().encode(value))
const shown = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)

async function agentOn(transport: Transport): Promise<Agent> {
  const agent = new Agent({ transport })
  onTeardown(() => agent.close())
  await agent.start()
  return agent
}

it("conflict: 'latest': get and list see what watchers see, as long as somebody watches", async () => {
  const [a, b] = [memory({ name: 'a' }), memory({ name: 'b' })]
  const [inA, inB] = [await agentOn(a), await agentOn(b)]
  const united = await agentOn(composite([a, b], { conflict: 'latest' }))
  const registration = united.watch('r', '/')
  let seen = ''
  registration.handle({
    change: (event) => {
      seen = event.changeType === 'put' ? shown(event.bytes) : 'deleted'
    },
  })
  await waitFor(() => registration.status.state === 'live')
  const read = async (): Promise<string[]> => {
    const listed: string[] = []
    for await (const pair of united.list('/')) listed.push(shown(pair.bytes))
    return [shown((await united.get('/k'))?.bytes), ...listed]
  }
  for (const [agent, value] of [
    [inA, 'a1'],
    [inB, 'b1'],
    [inA, 'a2'],
    [inB, 'b2'],
  ] as const) {
    await agent.put('/k', text(value))
    await waitFor(() => seen === value)
    expect(await read()).toEqual([value, value])
  }
  await inB.delete('/k')
  await waitFor(() => seen === 'a2')
  expect(await read()).toEqual(['a2', 'a2'])
  await inB.put('/k', text('b3'))
  await waitFor(() => seen === 'b3')
  await registration.close()
  expect(await read()).toEqual(['a2', 'a2'])
})
