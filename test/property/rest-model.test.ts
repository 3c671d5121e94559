import { it } from '@jest/globals'
import { rest } from '../../src/adapters/rest/index.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, memory } from '../../src/index.ts'
import { openLink } from '../support/link.ts'
import { agentBeside } from './agent-beside.ts'
import { checkModelInRealTime } from './check-model.ts'
import { linkFaults } from './link-faults.ts'
import { REAL_PAUSES, REAL_TIME } from './real-time.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 400

it('REST: C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
  const options = {
    faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
    transactions: true,
    applied: false,
    resumable: true,
    pauses: REAL_PAUSES,
  }
  await checkModelInRealTime(options, restWorld)
}, 300_000)

async function restWorld(): Promise<World> {
  // Forgets quickly: positions that are too old are part of it.
  const agent = new Agent({ transport: memory({ historyLimit: 20 }) })
  await agent.start()
  const server = await serveRest(agent, { closeTimeoutMs: 0 })
  const link = await openLink({ port: server.port })
  return {
    ...REAL_TIME,
    ...linkFaults(link, () => link.onDownstream('resync-begin', () => link.drop())),
    ...agentBeside(agent),
    transport: rest({
      url: link.url('http'),
      livenessMs: LIVENESS_MS,
      commandTimeoutMs: LIVENESS_MS,
    }),
    dispose: async () => {
      await server.close()
      await agent.close()
      await link.close()
    },
  }
}
