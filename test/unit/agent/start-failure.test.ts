import { expect, it } from '@jest/globals'
import { Agent, memory } from '../../../src/index.ts'

it('start says which plugin failed, also when another one fails to close then', async () => {
  const agent = new Agent({
    transport: memory(),
    plugins: [
      {
        name: 'one',
        close() {
          throw new Error('close of one')
        },
      },
      {
        name: 'two',
        init() {
          throw new Error('init of two')
        },
      },
    ],
  })
  await expect(agent.start()).rejects.toMatchObject({
    code: 'SYNC_PLUGIN_FAILED',
    plugin: 'two',
    cause: { message: 'init of two' },
  })
})
