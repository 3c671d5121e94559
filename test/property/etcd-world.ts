import { setTimeout as delay } from 'node:timers/promises'
import { Etcd3 } from 'etcd3'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { systemClock } from '../../src/api/clock.ts'
import type { Transport } from '../../src/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 400

export interface EtcdWorldOptions {
  /** `etcd://host:port`. */
  readonly server: string
  /** What the agent gets; the transport itself. */
  readonly over?: (transport: Transport, prefix: string) => Transport
}

/** A server behind a link, and another program that writes to it directly. */
export async function etcdWorld(options: EtcdWorldOptions): Promise<World> {
  const { server, over = (transport: Transport) => transport } = options
  const [host = '', port = ''] = server.replace('etcd://', '').split(':')
  const link = await openLink({ host, port: Number(port) })
  const beside = new Etcd3({ hosts: `http://${host}:${port}` })
  const prefix = uniquePrefix()
  const heal = async (): Promise<void> => {
    await link.restore()
    link.release()
  }
  return {
    transport: over(
      etcd({
        url: link.url('etcd'),
        livenessMs: LIVENESS_MS,
        connectTimeoutMs: LIVENESS_MS,
        commandTimeoutMs: LIVENESS_MS,
      }),
      prefix,
    ),
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
