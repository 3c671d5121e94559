import { it } from '@jest/globals'
import fc from 'fast-check'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { etcdWorld } from './etcd-world.ts'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

describeWithEtcdUrl('etcd', (url) => {
  it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
    const options = {
      faults: ['cut', 'cut and hold', 'hang', 'fail list', 'compact', 'release'] as const,
      transactions: true,
      applied: false,
      resumable: true,
      pauses: [0, 1, 10, 50, 120, 400],
    }
    await fc.assert(
      fc.asyncProperty(scenarios(options), async (scenario) => {
        await play(scenario, await etcdWorld({ server: url() }))
      }),
      // Time is real here: a failure does not shrink, its path plays it again.
      { ...replayable(100), endOnFailure: true },
    )
  }, 300_000)
})
