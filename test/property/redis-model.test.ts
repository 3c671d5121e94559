import { it } from '@jest/globals'
import fc from 'fast-check'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { redisWorld } from './redis-world.ts'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

for (const notifications of ['keyspace', 'tracking'] as const) {
  describeWithRedisUrl(`Redis by ${notifications}`, (url) => {
    it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
      const options = {
        faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
        transactions: true,
        applied: false,
        resumable: false,
        pauses: [0, 1, 10, 50, 120, 400],
      }
      await fc.assert(
        fc.asyncProperty(scenarios(options), async (scenario) => {
          await play(scenario, await redisWorld({ server: new URL(url()), notifications }))
        }),
        // Time is real here: a failure does not shrink, its path plays it again.
        { ...replayable(100), endOnFailure: true },
      )
    }, 300_000)
  })
}
