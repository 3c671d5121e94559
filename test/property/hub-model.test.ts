import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, it } from '@jest/globals'
import fc from 'fast-check'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { Agent, raw } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import { HubProcess } from '../support/hub-process.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { onTeardown } from '../support/teardown.ts'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

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
        pauses: [0, 1, 10, 50, 120, 400],
      }
      await fc.assert(
        fc.asyncProperty(scenarios(options), async (scenario) => {
          await play(scenario, await hubWorld(port(), connect, beside))
        }),
        // Time is real here: a failure does not shrink, its path plays it again.
        { ...replayable(100), endOnFailure: true },
      )
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
  const prefix = uniquePrefix()
  const heal = async (): Promise<void> => {
    await link.restore()
    link.release()
  }
  return {
    transport: connect(link),
    clock: systemClock,
    // Short back-offs.
    agent: { random: () => Math.random() * 0.01, acceptTimeoutMs: 20, ackTimeoutMs: 100 },
    doneTimeoutMs: { change: 30, resync: 60 },
    prefix,
    write: async (op) =>
      op.do === 'delete' ? beside.delete(op.key) : beside.put(op.key, raw(Buffer.from(op.value))),
    faults: {
      cut: () => link.drop(),
      'cut and hold': () => void link.cut(),
      hang: () => link.hold(),
      'fail list': () => link.onUpstream('/v1/watch', () => link.drop()),
      release: () => void heal(),
    },
    heal: () => void heal(),
    pass: (ms) => delay(ms),
    calm: { ms: 20, rounds: 1_000 },
    stored: async () => {
      const pairs = new Map<string, string>()
      for await (const { key, bytes } of beside.list(prefix)) {
        pairs.set(key, Buffer.from(bytes).toString())
      }
      return pairs
    },
    dispose: () => link.close(),
  }
}
