import { it } from '@jest/globals'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { Agent, memory } from '../../src/index.ts'
import { openLink } from '../support/link.ts'
import { agentBeside } from './agent-beside.ts'
import { checkModelInRealTime } from './check-model.ts'
import { linkFaults } from './link-faults.ts'
import { REAL_PAUSES, REAL_TIME } from './real-time.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 400

it('C1–C6 hold on every event, and C3 in the end, whatever the link to a served agent does', async () => {
  const options = {
    faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
    transactions: true,
    applied: true,
    resumable: true,
    pauses: REAL_PAUSES,
  }
  await checkModelInRealTime(options, grpcWorld)
}, 300_000)

async function grpcWorld(): Promise<World> {
  // A short history: some positions are too old when a watch comes back.
  const served = new Agent({ transport: memory({ historyLimit: 8 }) })
  const server = await serveGrpc(served, { port: 0, closeTimeoutMs: 100 })
  await served.start()
  const link = await openLink({ port: server.port })
  const beside = agentBeside(served)
  return {
    ...REAL_TIME,
    ...linkFaults(link, () => link.onDownstream(beside.prefix, () => link.drop())),
    ...beside,
    transport: grpc({
      url: link.url('grpc'),
      livenessMs: LIVENESS_MS,
      connectTimeoutMs: LIVENESS_MS,
      commandTimeoutMs: LIVENESS_MS,
    }),
    dispose: async () => {
      await link.close()
      await served.close()
      await server.close()
    },
  }
}
