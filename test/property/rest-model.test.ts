import { setTimeout as delay } from 'node:timers/promises'
import { it } from '@jest/globals'
import fc from 'fast-check'
import { rest } from '../../src/adapters/rest/index.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { Agent, memory, raw } from '../../src/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import { replayable } from './replay.ts'
import { play, readStore } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

const LIVENESS_MS = 400

it('REST: C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
  const options = {
    faults: ['cut', 'cut and hold', 'hang', 'fail list', 'release'] as const,
    transactions: true,
    applied: false,
    resumable: true,
    pauses: [0, 1, 10, 50, 120, 400],
  }
  await fc.assert(
    fc.asyncProperty(scenarios(options), async (scenario) => {
      await play(scenario, await restWorld())
    }),
    // Time is real here: a failure does not shrink, its path plays it again.
    { ...replayable(100), endOnFailure: true },
  )
}, 300_000)

async function restWorld(): Promise<World> {
  // Forgets quickly: positions that are too old are part of it.
  const store = memory({ historyLimit: 20 })
  const agent = new Agent({ transport: store })
  await agent.start()
  const server = await serveRest(agent, { closeTimeoutMs: 0 })
  const link = await openLink({ port: server.port })
  const prefix = uniquePrefix()
  const heal = async (): Promise<void> => {
    await link.restore()
    link.release()
  }
  return {
    transport: rest({
      url: link.url('http'),
      livenessMs: LIVENESS_MS,
      commandTimeoutMs: LIVENESS_MS,
    }),
    clock: systemClock,
    // Short back-offs.
    agent: { random: () => Math.random() * 0.01, acceptTimeoutMs: 20, ackTimeoutMs: 100 },
    doneTimeoutMs: { change: 30, resync: 60 },
    prefix,
    write: async (op) =>
      op.do === 'delete'
        ? agent.delete(op.key)
        : agent.put(op.key, raw(new TextEncoder().encode(op.value))),
    faults: {
      cut: () => link.drop(),
      'cut and hold': () => void link.cut(),
      hang: () => link.hold(),
      'fail list': () => link.onDownstream('resync-begin', () => link.drop()),
      release: () => void heal(),
    },
    heal: () => void heal(),
    pass: (ms) => delay(ms),
    calm: { ms: 20, rounds: 1_000 },
    stored: () => readStore(store, prefix, systemClock),
    dispose: async () => {
      await server.close()
      await agent.close()
      await link.close()
    },
  }
}
