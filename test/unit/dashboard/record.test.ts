import { expect, it } from '@jest/globals'
import { Record } from '../../../src/dashboard/record.ts'
import { Agent, memory } from '../../../src/index.ts'

it('keeps fewer runs where they have many turns, the last one as it is', async () => {
  await using agent = new Agent({ transport: memory() })
  for (let i = 0; i < 600; i++) agent.register(`r${i}`).handle({})
  const record = new Record(agent)
  await agent.start()
  for (let i = 0; i < 17; i++) await agent.resync()
  expect(record.runs.map(({ id }) => id)).toEqual(Array.from({ length: 16 }, (_, i) => i + 3))
  expect(record.runs.at(-1)?.turns).toHaveLength(600)
  for (let i = 0; i < 60; i++) await agent.resync(['r1'])
  expect(record.runs).toHaveLength(50)
  record.close()
})
