import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import type { EtcdOptions } from '../../src/adapters/etcd/index.ts'
import { Agent, isSyncError, raw } from '../../src/index.ts'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { peerUrl } from '../servers/etcd-options.ts'
import { OwnEtcdServer } from '../servers/etcd-server.ts'
import { requireEtcd, startEtcd, startEtcdCluster } from '../servers/etcd.ts'
import type { EtcdCluster, EtcdServer } from '../servers/etcd.ts'
import { EtcdWriter } from '../support/etcd-writer.ts'
import { Follower } from '../support/follower.ts'
import { freePort } from '../support/free-port.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'

const FAST = { livenessMs: 3_000, connectTimeoutMs: 1_000, commandTimeoutMs: 3_000 } as const

describeWithEtcd('etcd faults, a cluster of three', () => {
  let cluster: EtcdCluster
  const agents: Agent[] = []

  beforeEach(async () => {
    cluster = await startEtcdCluster()
  }, 60_000)
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.close()))
    await cluster.stop()
  })

  async function follow(options: EtcdOptions): Promise<Follower> {
    const follower = new Follower(etcd({ ...FAST, ...options }))
    agents.push(follower.agent)
    await follower.agent.start()
    return follower
  }

  /** The member comes first, so that everybody begins there. */
  function urlFrom(member: EtcdServer): string {
    const others = cluster.members.filter((other) => other !== member)
    return `etcd://${[member, ...others].map(({ host, port }) => `${host}:${port}`).join(',')}`
  }

  /** Puts by our own transport until `stop`; every put that is known to be applied is in `acknowledged`. */
  function load(url: string): { acknowledged: Map<string, number>; stop: () => Promise<void> } {
    const agent = new Agent({ transport: etcd({ url, ...FAST }), random: () => 0 })
    agents.push(agent)
    const acknowledged = new Map<string, number>()
    let stopped = false
    const write = async (lane: number): Promise<void> => {
      for (let i = 1; !stopped; i++) {
        const key = `/f/lane${lane}/${i % 5}`
        try {
          await agent.put(key, raw(Buffer.from(String(i))), { timeoutMs: 4_000 })
          acknowledged.set(key, i)
        } catch (error) {
          expect(isSyncError(error)).toBe(true)
          // What is sent again after `unknown` is another write: the lane goes on with the next number.
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
    }
    const lanes = Promise.all([0, 1, 2, 3].map(write))
    return {
      acknowledged,
      stop: async () => {
        stopped = true
        await lanes
      },
    }
  }

  it('the leader is killed during a write load: reads, writes and watches move on, nothing is lost', async () => {
    const leader = cluster.members[await cluster.leader()] as EtcdServer
    const url = urlFrom(leader)
    const follower = await follow({ url })
    const { acknowledged, stop } = load(url)
    await waitFor(() => acknowledged.size === 20 && follower.changes.length > 100)
    await leader.kill('SIGKILL')
    const before = acknowledged.get('/f/lane0/1') ?? 0
    await waitFor(() => (acknowledged.get('/f/lane0/1') ?? 0) > before + 20, { timeoutMs: 30_000 })
    await stop()
    const survivor = cluster.members.find((member) => member.running) as EtcdServer
    const stored = await new EtcdWriter(survivor).stored()
    for (const [key, value] of acknowledged)
      expect(Number(stored[key])).toBeGreaterThanOrEqual(value)
    await follower.converges(stored)
    expect(follower.resyncs).toEqual(['startup'])
    const { revisions } = follower
    expect(
      revisions.every((revision, i) => i === 0 || revision === (revisions[i - 1] ?? 0) + 1),
    ).toBe(true)
  })

  it('the member stands still: the watch goes on with the next one', async () => {
    const [first] = cluster.members as [EtcdServer]
    const follower = await follow({ url: urlFrom(first), livenessMs: 1_000 })
    first.pause()
    const writer = new EtcdWriter(cluster.members[1] as EtcdServer)
    await waitFor(() => writer.put('/f/a', '1'), { timeoutMs: 20_000 })
    await follower.converges({ '/f/a': '1' })
    const value = raw(Buffer.from('2'))
    await waitFor(() => follower.agent.put('/f/a', value), { timeoutMs: 20_000 })
    await follower.converges({ '/f/a': '2' })
    expect(follower.resyncs).toEqual(['startup'])
    first.resume()
  })

  it('the majority is gone: the watch is stale; it goes on when the members are back', async () => {
    const [first, second, third] = cluster.members as [EtcdServer, EtcdServer, EtcdServer]
    const follower = await follow({ url: urlFrom(first), livenessMs: 1_500 })
    await second.kill('SIGKILL')
    await third.kill('SIGKILL')
    await follower.becomes('stale')
    const put = follower.agent.put('/f/a', raw(Buffer.from('0')), { timeoutMs: 1_000 })
    await expect(put).rejects.toMatchObject({ retryable: true })
    await Promise.all([second, third].map((member) => member.restart({ keepData: true })))
    const writer = new EtcdWriter(second)
    await waitFor(() => writer.put('/f/b', '1'), { timeoutMs: 20_000 })
    await follower.converges(await writer.stored())
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('a member that has lost the others keeps its connections: the next write goes elsewhere', async () => {
    const [first, second, third] = cluster.members as [EtcdServer, EtcdServer, EtcdServer]
    // Stands for a member on the other side of a partition.
    const reachable = await startEtcd()
    const url = `etcd://${first.host}:${first.port},${reachable.host}:${reachable.port}`
    const agent = new Agent({ transport: etcd({ url }), random: () => 0 })
    agents.push(agent)
    await agent.put('/f/a', raw(Buffer.from('1')))
    await Promise.all([second.kill('SIGKILL'), third.kill('SIGKILL')])
    // The member answers late that it has no leader, or found no agreement.
    await expect(agent.put('/f/a', raw(Buffer.from('2')))).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'unknown',
    })
    await agent.put('/f/a', raw(Buffer.from('3')))
    expect(await new EtcdWriter(reachable).stored()).toEqual({ '/f/a': '3' })
    await reachable.stop()
  })

  it('a learner is passed over', async () => {
    const [first] = cluster.members as [EtcdServer]
    const learner = await addLearner(first)
    const url = `etcd://${learner.host}:${learner.port},${first.host}:${first.port}`
    const agent = new Agent({ transport: etcd({ url }), random: () => 0 })
    agents.push(agent)
    await agent.start()
    await agent.put('/f/a', raw(Buffer.from('1')))
    expect(await new EtcdWriter(first).stored()).toEqual({ '/f/a': '1' })
    await learner.stop()
  })
})

/** A member that only follows; it answers for its own status. */
async function addLearner(member: EtcdServer): Promise<EtcdServer> {
  const peerPort = await freePort()
  const add = ['member', 'add', 'learner', '--learner', `--peer-urls=${peerUrl(peerPort)}`]
  // A cluster takes nobody in before it has stood for some seconds.
  const answer = await waitFor(() => member.ctl(...add), { timeoutMs: 30_000 })
  const learner = new OwnEtcdServer(await requireEtcd(), {
    name: 'learner',
    port: await freePort(),
    peerPort,
    dataDir: join(await tempDir('learner'), 'data'),
    initialCluster:
      /ETCD_INITIAL_CLUSTER="(?<members>[^"]+)"/u.exec(answer)?.groups?.['members'] ?? '',
    token: '',
    certificates: undefined,
    flags: { 'initial-cluster-state': 'existing' },
  })
  learner.spawn()
  await waitFor(() => learner.ctl('endpoint', 'status'), { timeoutMs: 30_000 })
  return learner
}
