import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'
import { peerUrl } from './etcd-options.ts'
import type { EtcdOptions } from './etcd-options.ts'
import { OwnEtcdServer } from './etcd-server.ts'
import type { EtcdServer } from './etcd-server.ts'
import { requireEtcd } from './provision-etcd.ts'

const MEMBERS = ['one', 'two', 'three'] as const

/** Three real servers that form a cluster; they are stopped when the test file is over. */
export interface EtcdCluster {
  /** `etcd://h:p,h:p,h:p` */
  readonly url: string
  readonly members: readonly EtcdServer[]
  /** The index of the member that leads, once there is one. */
  leader(): Promise<number>
  stop(): Promise<void>
}

/** @throws Error when there is no etcd, or the cluster is not healthy within 30 s */
export async function startEtcdCluster(
  options: Omit<EtcdOptions, 'tls' | 'rootPassword'> = {},
): Promise<EtcdCluster> {
  const programs = await requireEtcd()
  const folder = await tempDir('etcd-cluster')
  const token = randomUUID()
  const peerPorts = await Promise.all(MEMBERS.map(() => freePort()))
  const initialCluster = MEMBERS.map((name, i) => `${name}=${peerUrl(peerPorts[i] ?? 0)}`).join(',')
  const members = await Promise.all(
    MEMBERS.map(
      async (name, i) =>
        new OwnEtcdServer(programs, {
          ...options,
          name,
          port: await freePort(),
          peerPort: peerPorts[i] ?? 0,
          dataDir: join(folder, name),
          initialCluster,
          token,
          certificates: undefined,
        }),
    ),
  )
  for (const member of members) member.spawn()
  await Promise.all(members.map((member) => member.healthy()))
  return new OwnEtcdCluster(members)
}

class OwnEtcdCluster implements EtcdCluster {
  readonly members: readonly EtcdServer[]

  constructor(members: readonly EtcdServer[]) {
    this.members = members
  }

  get url(): string {
    return `etcd://${this.members.map(({ host, port }) => `${host}:${port}`).join(',')}`
  }

  async leader(): Promise<number> {
    const found = await waitFor(
      async () => {
        for (const [index, member] of this.members.entries()) {
          if (!member.running) continue
          const [status] = JSON.parse(await member.ctl('endpoint', 'status', '-w', 'json')) as {
            Status: { header: { member_id: number }; leader: number }
          }[]
          // Both lose the same digits.
          if (status !== undefined && status.Status.leader === status.Status.header.member_id) {
            return { index }
          }
        }
        return undefined
      },
      { timeoutMs: 20_000, describe: 'a leader' },
    )
    return found.index
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()))
  }
}
