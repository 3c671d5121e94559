import { it } from '@jest/globals'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { checkModelInRealTime } from './check-model.ts'
import { REAL_PAUSES } from './real-time.ts'
import { redisWorld } from './redis-world.ts'

for (const notifications of ['keyspace', 'tracking'] as const) {
  describeWithRedisUrl(`Redis by ${notifications}`, (url) => {
    it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
      const options = {
        faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
        transactions: true,
        applied: false,
        resumable: false,
        pauses: REAL_PAUSES,
      }
      await checkModelInRealTime(options, () =>
        redisWorld({ server: new URL(url()), notifications }),
      )
    }, 300_000)
  })
}
