import { Etcd3 } from 'etcd3'
import { startEtcd } from '../test/servers/etcd.ts'
import type { Shared } from './scenario.ts'

/** Puts in one transaction; etcd takes no more. */
export const TXN = 100
const UNDER_WAY = 8

/** An etcd of our own; its data lie on the disk, as etcd wants it. */
export async function etcdServer(fill?: (client: Etcd3) => Promise<void>): Promise<Shared> {
  const server = await startEtcd()
  const client = etcdClient(server.url)
  try {
    await fill?.(client)
    const { version } = await client.maintenance.status()
    return {
      settings: { url: server.url },
      versions: [`etcd ${version}`, 'etcd3 1.1'],
      close: () => server.stop(),
    }
  } finally {
    client.close()
  }
}

/** The bare client, with a receive limit that is not in its way. */
export function etcdClient(url: string): Etcd3 {
  return new Etcd3({
    hosts: url.replace('etcd://', 'http://'),
    grpcOptions: { 'grpc.max_receive_message_length': 64 * 2 ** 20 },
  })
}

/** Puts so many keys, 100 per transaction. */
export async function putAll(
  client: Etcd3,
  count: number,
  entry: (i: number) => readonly [key: string, value: Uint8Array],
): Promise<void> {
  const write = async (start: number): Promise<void> => {
    const success = Array.from({ length: Math.min(TXN, count - start) }, (_, i) => {
      const [key, value] = entry(start + i)
      return { request_put: { key: Buffer.from(key), value: Buffer.from(value) } }
    })
    await client.kv.txn({ compare: [], success, failure: [] })
  }
  const lane = async (first: number): Promise<void> => {
    for (let start = first * TXN; start < count; start += UNDER_WAY * TXN) await write(start)
  }
  await Promise.all(Array.from({ length: UNDER_WAY }, (_, i) => lane(i)))
}
