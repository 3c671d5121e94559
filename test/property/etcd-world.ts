import { Etcd3 } from 'etcd3'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import { openLink } from '../support/link.ts'
import { linkFaults } from './link-faults.ts'
import { REAL_TIME } from './real-time.ts'
import type { World } from './watch-model.ts'

const LIVENESS_MS = 400

/** A server, `etcd://host:port`, behind a link, and another program that writes to it directly. */
export async function etcdWorld(server: string): Promise<World> {
  const [host = '', port = ''] = server.replace('etcd://', '').split(':')
  const link = await openLink({ host, port: Number(port) })
  const beside = new Etcd3({ hosts: `http://${host}:${port}` })
  const prefix = uniquePrefix()
  const linked = linkFaults(link, () => link.onUpstream(prefix, () => link.drop()))
  return {
    ...REAL_TIME,
    ...linked,
    transport: etcd({
      url: link.url('etcd'),
      livenessMs: LIVENESS_MS,
      connectTimeoutMs: LIVENESS_MS,
      commandTimeoutMs: LIVENESS_MS,
    }),
    prefix,
    write: async (op) =>
      op.do === 'delete' ? beside.delete().key(op.key) : beside.put(op.key).value(op.value),
    faults: {
      ...linked.faults,
      compact: async () => {
        const { header } = await beside.kv.range({ key: Buffer.from(prefix) })
        await beside.kv.compact({ revision: header.revision }).catch(() => {})
      },
    },
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
