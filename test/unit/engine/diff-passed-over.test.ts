import { expect, it } from '@jest/globals'
import { Agent, diff, memory, raw } from '../../../src/index.ts'
import { onTeardown } from '../../support/teardown.ts'

const text = (value: string) => raw(new TextEncoder().encode(value))

it('diff() has the previous value of a change that was refused and passed over (C4)', async () => {
  const agent = new Agent({ transport: memory() })
  onTeardown(() => agent.close())
  const seen: string[] = []
  agent
    .watch('all', '/', { onRefusal: 'continue' })
    .events$.pipe(diff())
    .subscribe((change) => {
      const prev = change.prev === undefined ? '' : new TextDecoder().decode(change.prev.bytes)
      seen.push(`${change.changeType} (${prev})`)
      change.done(change.changeType === 'put' ? new Error('no') : undefined)
    })
  await agent.start()
  const refused = { code: 'SYNC_REFUSED' }
  await expect(agent.put('/x', text('1'), { waitFor: 'applied' })).rejects.toMatchObject(refused)
  await expect(agent.put('/x', text('2'), { waitFor: 'applied' })).rejects.toMatchObject(refused)
  await agent.delete('/x', { waitFor: 'applied' })
  expect(seen).toEqual(['put ()', 'put (1)', 'delete (2)'])
})
