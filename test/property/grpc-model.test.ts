import { setTimeout as delay } from 'node:timers/promises'
import { it } from '@jest/globals'
import fc from 'fast-check'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { Agent, memory, raw } from '../../src/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

const LIVENESS_MS = 400

it('C1–C6 hold on every event, and C3 in the end, whatever the link to a served agent does', async () => {
  const options = {
    faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
    transactions: true,
    applied: true,
    resumable: true,
    pauses: [0, 1, 10, 50, 120, 400],
  }
  await fc.assert(
    fc.asyncProperty(scenarios(options), async (scenario) => {
      await play(scenario, await grpcWorld())
    }),
    // Time is real here: a failure does not shrink, its path plays it again.
    { ...replayable(100), endOnFailure: true },
  )
}, 300_000)

async function grpcWorld(): Promise<World> {
  // A short history: some positions are too old when a watch comes back.
  const served = new Agent({ transport: memory({ historyLimit: 8 }) })
  const server = await serveGrpc(served, { port: 0, closeTimeoutMs: 100 })
  await served.start()
  const link = await openLink({ port: server.port })
  const prefix = uniquePrefix()
  const heal = async (): Promise<void> => {
    await link.restore()
    link.release()
  }
  return {
    transport: grpc({
      url: link.url('grpc'),
      livenessMs: LIVENESS_MS,
      connectTimeoutMs: LIVENESS_MS,
      commandTimeoutMs: LIVENESS_MS,
    }),
    clock: systemClock,
    // Short back-offs.
    agent: { random: () => Math.random() * 0.01, acceptTimeoutMs: 20, ackTimeoutMs: 100 },
    doneTimeoutMs: { change: 30, resync: 60 },
    prefix,
    write: async (op) =>
      op.do === 'delete'
        ? served.delete(op.key)
        : served.put(op.key, raw(Buffer.from(op.value as string))),
    faults: {
      cut: () => link.drop(),
      'cut and hold': () => void link.cut(),
      hang: () => link.hold(),
      'fail list': () => link.onDownstream(prefix, () => link.drop()),
      release: () => void heal(),
    },
    heal: () => void heal(),
    pass: (ms) => delay(ms),
    calm: { ms: 20, rounds: 1_000 },
    stored: async () => {
      const pairs = new Map<string, string>()
      for await (const { key, bytes } of served.list(prefix)) {
        pairs.set(key, Buffer.from(bytes).toString())
      }
      return pairs
    },
    dispose: async () => {
      await link.close()
      await served.close()
      await server.close()
    },
  }
}
