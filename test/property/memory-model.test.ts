import { it } from '@jest/globals'
import { checkModel } from './check-model.ts'
import { memoryWorld } from './memory-world.ts'
import { observedWorld } from './observed-world.ts'
import { VIRTUAL_PAUSES } from './virtual-time.ts'
import { FAULTS } from './watch-scenario.ts'

it('C1–C6 hold on every event, and C3 in the end, whatever happens', async () => {
  const options = {
    faults: FAULTS.filter((fault) => fault !== 'deaf' && fault !== 'reconcile'),
    transactions: true,
    applied: true,
    resumable: true,
    pauses: VIRTUAL_PAUSES,
  }
  await checkModel(options, memoryWorld, 1_000)
}, 300_000)

it('the same where the store has no revisions and notifications get lost', async () => {
  const options = {
    faults: ['cut', 'fail list', 'deaf', 'reconcile'] as const,
    transactions: true,
    applied: false,
    resumable: false,
    pauses: VIRTUAL_PAUSES,
  }
  await checkModel(options, observedWorld, 500)
}, 300_000)
