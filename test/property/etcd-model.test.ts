import { it } from '@jest/globals'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { checkModelInRealTime } from './check-model.ts'
import { etcdWorld } from './etcd-world.ts'
import { REAL_PAUSES } from './real-time.ts'

describeWithEtcdUrl('etcd', (url) => {
  it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
    const options = {
      faults: ['cut', 'cut and hold', 'hang', 'fail list', 'compact', 'release'] as const,
      transactions: true,
      applied: false,
      resumable: true,
      pauses: REAL_PAUSES,
    }
    await checkModelInRealTime(options, () => etcdWorld(url()))
  }, 300_000)
})
