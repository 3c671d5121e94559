import { beforeAll, describe, it } from '@jest/globals'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { Agent } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { HubProcess } from '../support/hub-process.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { onTeardown } from '../support/teardown.ts'
import { agentBeside } from './agent-beside.ts'
import { checkModelInRealTime } from './check-model.ts'
import { linkFaults } from './link-faults.ts'
import { REAL_PAUSES, REAL_TIME } from './real-time.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 400

describe('a hub in another process', () => {
  let hub: HubProcess
  /** Another client of the hub, which no fault reaches. */
  let beside: Agent

  beforeAll(async () => {
    hub = await HubProcess.start()
    beside = new Agent({ transport: rest({ url: hub.http }) })
    await beside.start()
    onTeardown(() => beside.close())
  }, 60_000)

  const clients = {
    REST: [
      () => hub.httpPort,
      (link: Link) =>
        rest({ url: link.url('http'), livenessMs: LIVENESS_MS, commandTimeoutMs: LIVENESS_MS }),
    ],
    gRPC: [
      () => hub.grpcPort,
      (link: Link) =>
        grpc({
          url: link.url('grpc'),
          livenessMs: LIVENESS_MS,
          connectTimeoutMs: LIVENESS_MS,
          commandTimeoutMs: LIVENESS_MS,
        }),
    ],
  } as const

  it.each(['REST', 'gRPC'] as const)(
    'C1–C6 hold on every event over %s, and C3 in the end, whatever the link does',
    async (name) => {
      const [port, connect] = clients[name]
      const options = {
        faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
        transactions: true,
        applied: false,
        resumable: true,
        pauses: REAL_PAUSES,
      }
      await checkModelInRealTime(options, () => hubWorld(port(), connect, beside))
    },
    300_000,
  )
})

async function hubWorld(
  port: number,
  connect: (link: Link) => Transport,
  beside: Agent,
): Promise<World> {
  const link = await openLink({ port })
  return {
    ...REAL_TIME,
    ...linkFaults(link, () => link.onUpstream('/v1/watch', () => link.drop())),
    ...agentBeside(beside),
    transport: connect(link),
    dispose: () => link.close(),
  }
}
