import { setTimeout as delay } from 'node:timers/promises'
import { it } from '@jest/globals'
import { Etcd3 } from 'etcd3'
import fc from 'fast-check'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'

const LIVENESS_MS = 400

describeWithEtcdUrl('etcd', (url) => {
  it('C1–C6 hold on every event, and C3 in the end, whatever the link does', async () => {
    const options = {
      faults: ['cut', 'cut and hold', 'hang', 'fail list', 'compact', 'release'] as const,
      transactions: true,
      applied: false,
      resumable: true,
      pauses: [0, 1, 10, 50, 120, 400],
    }
    await fc.assert(
      fc.asyncProperty(scenarios(options), async (scenario) => {
        await play(scenario, await etcdWorld(url()))
      }),
      // Time is real here: a failure does not shrink, its path plays it again.
      { ...replayable(100), endOnFailure: true },
    )
  }, 300_000)
})

async function etcdWorld(server: string): Promise<World> {
  const [host = '', port = ''] = server.replace('etcd://', '').split(':')
  const link = await openLink({ host, port: Number(port) })
  const beside = new Etcd3({ hosts: `http://${host}:${port}` })
  const prefix = uniquePrefix()
  const heal = async (): Promise<void> => {
    await link.restore()
    link.release()
  }
  return {
    transport: etcd({
      url: link.url('etcd'),
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
      op.do === 'delete' ? beside.delete().key(op.key) : beside.put(op.key).value(op.value),
    faults: {
      cut: () => link.drop(),
      'cut and hold': () => void link.cut(),
      hang: () => link.hold(),
      'fail list': () => link.onUpstream(prefix, () => link.drop()),
      compact: async () => {
        const { header } = await beside.kv.range({ key: Buffer.from(prefix) })
        await beside.kv.compact({ revision: header.revision }).catch(() => {})
      },
      release: () => void heal(),
    },
    heal: () => void heal(),
    pass: (ms) => delay(ms),
    calm: { ms: 20, rounds: 1_000 },
    stored: async () => {
      const { kvs } = await beside.kv.range({
        key: Buffer.from(prefix),
        range_end: Buffer.from(prefix.slice(0, -1) + '0'),
      })
      return new Map(kvs.map(({ key, value }) => [key.toString(), value.toString()]))
    },
    dispose: async () => {
      beside.close()
      await link.close()
    },
  }
}
