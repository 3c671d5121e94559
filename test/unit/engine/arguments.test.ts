import { describe, expect, it } from '@jest/globals'
import { Agent, memory } from '../../../src/index.ts'
import type { Prefix } from '../../../src/index.ts'
import { onTeardown } from '../../support/teardown.ts'

const encoder = new TextEncoder()

function agentOnMemory(): Agent {
  const agent = new Agent({ transport: memory() })
  onTeardown(() => agent.close())
  return agent
}

describe('what is no such argument', () => {
  it('is an error with a code, and takes no name', async () => {
    const agent = agentOnMemory()
    for (const wrong of [undefined, null, 5, {}, [null], [{}]] as unknown as Prefix[]) {
      expect(() => agent.watch('r', wrong)).toThrow(
        expect.objectContaining({ code: 'SYNC_INVALID_KEY' }),
      )
    }
    const registration = agent.watch('r', '/')
    await expect(registration.register(null as unknown as Prefix)).rejects.toMatchObject({
      code: 'SYNC_INVALID_KEY',
    })
    await expect(agent.resync('r' as unknown as string[])).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option: 'names',
    })
  })
})

describe('writes', () => {
  it('a message is encoded when it is passed, though the store is not open yet', async () => {
    const agent = agentOnMemory()
    let text = 'as passed'
    const written = agent.put('/x', { serializeBinary: () => encoder.encode(text) })
    text = 'changed later'
    await written
    expect((await agent.get('/x'))?.bytes).toEqual(encoder.encode('as passed'))
  })

  it('an empty transaction has no receivers to wait for', async () => {
    const agent = agentOnMemory()
    expect(await agent.txn().commit({ waitFor: 'applied' })).toEqual({
      versions: new Map(),
      deleted: 0,
      receivers: 0,
    })
  })
})
