import { expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import { Agent, cached } from '../../src/index.ts'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startEtcd } from '../servers/etcd.ts'
import { startRedis } from '../servers/redis.ts'
import { EtcdWriter } from '../support/etcd-writer.ts'
import { leakCheck } from '../support/leak-check.ts'
import { openLink } from '../support/link.ts'
import { RemoteReader } from '../support/remote-reader.ts'
import { waitFor } from '../support/wait-for.ts'

const READERS = 300

async function allShow(
  readers: readonly RemoteReader[],
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  const want = linesOf(Object.entries(expected))
  await waitFor(() => readers.every(({ fold }) => linesOf([...fold]) === want), {
    timeoutMs: 20_000,
    describe: () => `the store in every fold: ${want}`,
  })
}

function linesOf(pairs: readonly (readonly [string, string])[]): string {
  return pairs
    .map((pair) => pair.join('='))
    .sort()
    .join(' ')
}

describeWithRedis('cached Redis, faults', () => {
  it('killed and restarted empty: every watcher of the hub lists anew, one after the other; then nothing is left', async () => {
    const server = await startRedis()
    await server.cli('MSET', '/f/a', '1', '/f/b', '1')
    const leaks = await leakCheck()
    const transport = cached(redis({ url: server.url, livenessMs: 600 }), { prefixes: ['/f/'] })
    const agent = new Agent({ transport })
    const local: string[] = []
    let localAt = 0
    agent.watch('local', '/f/').handle({
      resync: ({ reason }) => {
        local.push(reason)
        localAt = performance.now()
      },
    })
    await agent.start()
    const served = agent.served({ prefixes: ['/f/'] })
    const readers = Array.from({ length: READERS }, () => new RemoteReader(served, ['/f/']))
    await allShow(readers, { '/f/a': '1', '/f/b': '1' })
    await server.kill('SIGKILL')
    await waitFor(() => agent.health().transports[0]?.state === 'stale')
    expect(agent.health().status).toBe('degraded')
    // They keep what they have; a new one gets that too.
    readers.push(new RemoteReader(served, ['/f/']))
    await allShow(readers, { '/f/a': '1', '/f/b': '1' })
    await server.restart({ keepData: false })
    await server.cli('SET', '/f/c', '2')
    await allShow(readers, { '/f/c': '2' })
    await waitFor(() => agent.health().status === 'ok')
    expect(local).toEqual(['startup', 'reconnected'])
    // Readers of others do not keep the receivers of this process waiting.
    const times = readers.map(({ listedAt }) => listedAt).sort((a, b) => a - b)
    const [first = 0, last = 0] = [times[0], times.at(-1)]
    expect(localAt - first).toBeLessThan(150)
    // 2 ms each: spread, and not for longer than that, with a busy machine in mind.
    expect(last - first).toBeGreaterThan(READERS)
    expect(last - first).toBeLessThan(5 * READERS + 1_000)
    for (const { resets } of readers) expect(resets).toBe(1)
    for (const reader of readers) reader.stop()
    await agent.close()
    await leaks.expectNoLeaks()
  }, 60_000)

  it('a half-open link is noticed and made up for, though the cache itself has no liveness (W13)', async () => {
    const server = await startRedis()
    const link = await openLink(server)
    const transport = cached(redis({ url: link.url('redis'), livenessMs: 600 }))
    await using agent = new Agent({ transport })
    await agent.start()
    const reader = new RemoteReader(agent.served(), [''])
    await reader.until('listed')
    link.hold()
    await server.cli('SET', '/f/a', '1')
    await waitFor(() => agent.health().transports[0]?.state === 'stale')
    link.release()
    await allShow([reader], { '/f/a': '1' })
  }, 30_000)
})

describeWithEtcd('cached etcd, faults', () => {
  it('a lost link that resumes upstream is nothing to its watchers: no reset, every change once', async () => {
    const server = await startEtcd()
    const writer = new EtcdWriter(server)
    const link = await openLink(server)
    const transport = cached(etcd({ url: link.url('etcd'), livenessMs: 900 }))
    await using agent = new Agent({ transport, random: () => 0 })
    await agent.start()
    const readers = Array.from({ length: 50 }, () => new RemoteReader(agent.served(), ['/f/']))
    for (const reader of readers) await reader.until('listed')
    const expected: Record<string, string> = {}
    for (let round = 0; round < 5; round++) {
      link.drop()
      for (let i = 0; i < 20; i++) {
        const key = `/f/${round}-${i}`
        await writer.put(key, '1')
        expected[key] = '1'
      }
    }
    await allShow(readers, expected)
    for (const reader of readers) {
      expect(reader.resets).toBe(0)
      // What was missed may come in one batch.
      const puts = Object.keys(expected).map((key) => `put ${key}=1`)
      expect(reader.lines.join(' ')).toBe(['listed', ...puts].join(' '))
    }
    expect(agent.health().transports[0]?.reconnects).toBeGreaterThan(0)
  }, 60_000)

  it('watchers that were away while the hub stayed come back with what they missed only', async () => {
    const server = await startEtcd()
    const writer = new EtcdWriter(server)
    await using agent = new Agent({ transport: cached(etcd({ url: server.url })) })
    await agent.start()
    const served = agent.served()
    const present = new RemoteReader(served, ['/f/'])
    const away = Array.from({ length: 100 }, () => new RemoteReader(served, ['/f/']))
    for (const reader of [present, ...away]) await reader.until('listed')
    await writer.put('/f/a', '1')
    for (const reader of [present, ...away]) await reader.until('put /f/a=1')
    for (const reader of away) reader.stop()
    await writer.put('/f/b', '1')
    await writer.delete('/f/a')
    await present.until('delete /f/a')
    const back = away.map(({ position }) => new RemoteReader(served, ['/f/'], position))
    for (const reader of back) {
      await reader.until('delete /f/a')
      expect(reader.lines).toEqual(['put /f/b=1', 'delete /f/a'])
    }
  }, 60_000)
})
