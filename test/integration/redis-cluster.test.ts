import { beforeAll, describe, expect, it } from '@jest/globals'
import { Cluster } from 'ioredis'
import { hashSlot } from '../../src/adapters/redis/hash-slot.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import type { RedisOptions, RedisTransport } from '../../src/adapters/redis/index.ts'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis, startRedisCluster } from '../servers/redis.ts'
import type { RedisCluster, RedisServer } from '../servers/redis.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, probeStream, put, realIo, uniquePrefix } from '../support/transport-stream.ts'
import type { StreamProbe } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { listOf } from '../../src/kit/list-of.ts'

describeWithRedis('redis: cluster', () => {
  let cluster: RedisCluster
  let writer: Cluster

  beforeAll(async () => {
    cluster = await startRedisCluster({ primaries: 3 })
    writer = new Cluster([...cluster.seeds])
    onTeardown(() => writer.disconnect())
  }, 60_000)

  async function opened(options: RedisOptions = {}): Promise<RedisTransport> {
    const transport = redis({ url: cluster.url, ...options })
    onTeardown(() => transport.close())
    await transport.open(realIo())
    return transport
  }

  async function fill(prefix: string, count: number): Promise<Map<string, string>> {
    const pairs = new Map(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, `value ${i}`]))
    const all = [...pairs]
    for (let i = 0; i < all.length; i += 1_000) {
      await Promise.all(all.slice(i, i + 1_000).map(([key, value]) => writer.set(key, value)))
    }
    return pairs
  }

  it('counts hash slots as the server does', async () => {
    for (const key of [
      '',
      'a',
      '123456789',
      'foo{bar}baz',
      '{}x',
      'a{}{b}',
      '{a}b{c}',
      '}{a}',
      '{😀}é',
      'é',
    ]) {
      expect([key, hashSlot(key)]).toEqual([key, await cluster.slotOf(key)])
    }
  })

  describe.each(['keyspace', 'tracking'] as const)('by %s', (notifications) => {
    it('lists and watches all primaries', async () => {
      const transport = await opened({ notifications, scanCount: 100 })
      const p = uniquePrefix()
      const pairs = await fill(p, 1_000)
      await writer.lpush(`${p}list`, 'x')
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      expect(probe.state).toEqual(pairs)
      for (let i = 0; i < 1_000; i += 2) {
        await writer.set(`${p}${i}`, 'new')
        await writer.del(`${p}${i + 1}`)
      }
      await writer.set(`${p}short`, '1', 'PX', 20)
      await writer.set(`${p}became`, '1')
      await probe.until((state) => state.get(`${p}became`) === '1')
      await writer.del(`${p}became`)
      await writer.sadd(`${p}became`, '1')
      await probe.until(
        (state) => state.size === 500 && [...state.values()].every((value) => value === 'new'),
      )
      const listed: string[] = []
      for await (const page of listOf(transport, p, realIo()))
        listed.push(...page.map(({ key }) => key))
      expect(new Set(listed)).toEqual(new Set(probe.state.keys()))
      expect(listed).toHaveLength(500)
    })

    it('misses nothing when slots move while it lists, reconciles and watches', async () => {
      const transport = await opened({ notifications, scanCount: 50, reconcileMs: 100 })
      const p = uniquePrefix()
      const pairs = await fillTagged(p, 300, 40)
      const tags = Array.from({ length: 300 }, (_, i) => `${p}{${i}}`)
      const from = await cluster.ownerOf(hashSlot(tags[0] as string))
      const to = (from + 1) % 3
      const owners = await ownerTable()
      const moving = [...new Set(tags.map(hashSlot))]
        .filter((slot) => owners[slot] === from)
        .slice(0, 40)
      const live = probeStream(transport, [p])
      await live.untilListed()
      let done = false
      const moved = cluster.moveSlots(from, to, moving).finally(() => {
        done = true
      })
      const probes = [live]
      for (let round = 0; !done; round++) {
        const probe = probeStream(transport, [p])
        probes.push(probe)
        const lists = [keysOf(transport, p), keysOf(transport, p)]
        await probe.untilListed()
        // Nobody deletes anything: every list is complete, however the slots move under it.
        expect(keysOfFirstList(probe).size).toBe(pairs.size)
        for (const keys of await Promise.all(lists)) expect(keys.size).toBe(pairs.size)
        // Values change on their way, too.
        for (let i = round % 40; i < 12_000; i += 120) {
          const key = [...pairs.keys()][i] as string
          const value = `changed ${round}`
          await writer.set(key, value)
          pairs.set(key, value)
        }
        if (probes.length > 3) await probes.splice(1, 1)[0]?.stop()
      }
      await moved
      for (const probe of probes) {
        await probe.until(
          (state) =>
            state.size === pairs.size &&
            [...pairs].every(([key, value]) => state.get(key) === value),
        )
        const changes = probe.batches.flatMap((batch) =>
          batch.kind === 'changes' ? batch.changes : [],
        )
        expect(changes.filter(({ type }) => type === 'delete')).toEqual([])
        await probe.stop()
      }
    }, 120_000)

    it('sees keys of a slot that stays on its way', async () => {
      const transport = await opened({ notifications })
      const p = uniquePrefix()
      const pairs = await fillTagged(p, 1, 20)
      const slot = hashSlot(`${p}{0}`)
      const from = await cluster.ownerOf(slot)
      const to = (from + 1) % 3
      const [source, target] = [from, to].map((index) => cluster.nodes[index] as RedisServer) as [
        RedisServer,
        RedisServer,
      ]
      const live = probeStream(transport, [p])
      await live.untilListed()
      await target.cli(
        'CLUSTER',
        'SETSLOT',
        String(slot),
        'IMPORTING',
        await source.cli('CLUSTER', 'MYID'),
      )
      await source.cli(
        'CLUSTER',
        'SETSLOT',
        String(slot),
        'MIGRATING',
        await target.cli('CLUSTER', 'MYID'),
      )
      const keys = [...pairs.keys()]
      const gone = keys.slice(0, 10)
      await source.cli(
        'MIGRATE',
        '127.0.0.1',
        String(target.port),
        '',
        '0',
        '5000',
        'KEYS',
        ...gone,
      )
      const late = probeStream(transport, [p])
      await late.untilListed()
      expect(keysOfFirstList(late)).toEqual(new Set(keys))
      expect(await keysOf(transport, p)).toEqual(new Set(keys))
      expect(await transport.get(keys, realIo())).toHaveLength(20)
      const [key = '', other = ''] = gone
      await commitTo(transport, put(key, 'on the way'))
      await commitTo(transport, put(`${p}{0}new`, 'born on the way'))
      await commitTo(transport, { type: 'delete', key: other })
      for (const probe of [live, late]) {
        await probe.until(
          (state) =>
            state.get(key) === 'on the way' && state.has(`${p}{0}new`) && !state.has(other),
        )
        expect(probe.state.size).toBe(20)
      }
      const result = await commitTo(transport, { type: 'delete-prefix', prefix: p })
      expect(result.deleted).toBe(20)
      for (const probe of [live, late]) await probe.until((state) => state.size === 0)
      await source.cli('CLUSTER', 'SETSLOT', String(slot), 'STABLE')
      await target.cli('CLUSTER', 'SETSLOT', String(slot), 'STABLE')
    })
  })

  async function fillTagged(
    prefix: string,
    tags: number,
    each: number,
  ): Promise<Map<string, string>> {
    const pairs = new Map<string, string>()
    for (let tag = 0; tag < tags; tag++) {
      const some = Array.from(
        { length: each },
        (_, i) => [`${prefix}{${tag}}${i}`, `value ${i}`] as const,
      )
      for (const [key, value] of some) pairs.set(key, value)
      await writer.mset(...some.flat())
    }
    return pairs
  }

  /** The owner's index by slot. */
  async function ownerTable(): Promise<number[]> {
    const ids = await Promise.all(cluster.nodes.map((node) => node.cli('CLUSTER', 'MYID')))
    const table: number[] = []
    for (const line of (await cluster.cli(0, 'CLUSTER', 'NODES')).split('\n')) {
      const [id = '', , , , , , , , ...ranges] = line.split(' ')
      for (const range of ranges.filter((text) => !text.startsWith('['))) {
        const [first = 0, last = first] = range.split('-').map(Number)
        for (let slot = first; slot <= last; slot++) table[slot] = ids.indexOf(id)
      }
    }
    return table
  }

  describe('writes', () => {
    it('go to the owner, also when it has changed', async () => {
      const transport = await opened()
      const p = uniquePrefix()
      for (let i = 0; i < 50; i++) await commitTo(transport, put(`${p}${i}`, String(i)))
      const key = `${p}0`
      const slot = hashSlot(key)
      const from = await cluster.ownerOf(slot)
      await cluster.moveSlots(from, (from + 1) % 3, [slot])
      await commitTo(transport, put(key, 'moved'))
      expect(await writer.get(key)).toBe('moved')
      const pairs = await transport.get(
        Array.from({ length: 50 }, (_, i) => `${p}${i}`),
        realIo(),
      )
      expect(pairs).toHaveLength(50)
      const result = await commitTo(transport, { type: 'delete-prefix', prefix: p })
      expect(result.deleted).toBe(50)
    })

    it('of a transaction lie in one slot, else the error names hash tags', async () => {
      const transport = await opened()
      const p = uniquePrefix()
      const result = await commitTo(
        transport,
        put(`${p}{a}/1`, '1'),
        put(`${p}{a}/2`, '2', { ifAbsent: true }),
        { type: 'delete', key: `${p}{a}/3` },
      )
      expect(result.deleted).toBe(0)
      await expect(
        commitTo(transport, put(`${p}{a}/1`, '3', { ifAbsent: true }), put(`${p}{a}/2`, '3')),
      ).rejects.toMatchObject({
        code: 'SYNC_VERSION_CONFLICT',
      })
      const error: unknown = await commitTo(transport, put(`${p}1`, '1'), put(`${p}2`, '1')).catch(
        (e: unknown) => e,
      )
      expect(error).toMatchObject({ code: 'SYNC_UNSUPPORTED_OPTION', option: 'txn' })
      expect(String(error)).toContain('hash tag')
    })

    it('whose answer is lost are not sent again', async () => {
      const { links, natMap } = await linksTo(cluster)
      const transport = redis({ url: cluster.url, options: { natMap } })
      onTeardown(() => transport.close())
      const key = `${uniquePrefix()}counter`
      await commitTo(transport, put(key, 'warm'))
      const calls = async (): Promise<number> => {
        const owner = await cluster.ownerOf(hashSlot(key))
        return Number(
          /cmdstat_set:calls=(\d+)/u.exec(await cluster.cli(owner, 'INFO', 'commandstats'))?.[1],
        )
      }
      const before = await calls()
      for (const link of links) link.onUpstream(key, (connection) => connection.drop())
      await expect(commitTo(transport, put(key, 'once'))).rejects.toMatchObject({
        outcome: 'unknown',
      })
      await waitFor(async () => (await writer.get(key)) === 'once')
      await waitFor(() => commitTo(transport, put(`${key}2`, '1')).then(() => true))
      await waitFor(async () => (await calls()) >= before + 1)
      expect(await calls()).toBeLessThanOrEqual(before + 2)
    })
  })

  describe('nodes', () => {
    it('a lost primary ends the stream; the replica that takes over is watched', async () => {
      const own = await startRedisCluster({ primaries: 3, replicas: 1 })
      const transport = redis({ url: own.url, livenessMs: 1_000, commandTimeoutMs: 1_000 })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      const client = new Cluster([...own.seeds])
      onTeardown(() => client.disconnect())
      for (let i = 0; i < 300; i++) await client.set(`/n/${i}`, '1')
      const probe = probeStream(transport, ['/n/'])
      await probe.untilListed()
      await own.failover(0)
      expect(await probe.failure()).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      let next: StreamProbe | undefined
      await waitFor(async () => {
        next = probeStream(transport, ['/n/'])
        await next.untilListed()
        return true
      })
      for (let i = 0; i < 300; i++) {
        await waitFor(() => commitTo(transport, put(`/n/${i}`, '2')).then(() => true))
      }
      await next?.until(
        (state) => state.size === 300 && [...state.values()].every((value) => value === '2'),
      )
    }, 120_000)

    it('a new primary is found by the probe', async () => {
      const own = await startRedisCluster({ primaries: 3 })
      const transport = redis({ url: own.url, livenessMs: 400 })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      const probe = probeStream(transport, ['/n/'])
      await probe.untilListed()
      const added = await startRedis({ config: { 'cluster-enabled': 'yes' } })
      const first = own.nodes[0] as RedisServer
      const bus =
        (await first.cli('CLUSTER', 'NODES')).match(
          new RegExp(`:${first.port}@(\\d+)`, 'u'),
        )?.[1] ?? ''
      await added.cli('CLUSTER', 'MEET', '127.0.0.1', String(first.port), bus)
      const error = await probe.failure()
      expect(String(error)).toContain('other primaries')
      let next: StreamProbe | undefined
      await waitFor(async () => {
        next = probeStream(transport, ['/n/'])
        await next.untilListed()
        return true
      })
      expect(await added.cli('CLIENT', 'LIST', 'TYPE', 'pubsub')).toContain('psub=1')
    }, 60_000)

    it('is reached by way of natMap, and one held node is noticed', async () => {
      const { links, natMap } = await linksTo(cluster)
      const [seed] = links
      const transport = redis({
        url: (seed as Link).url('redis+cluster'),
        livenessMs: 300,
        commandTimeoutMs: 300,
        options: { natMap },
      })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      const p = uniquePrefix()
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      for (const link of links) expect(link.connections).toBeGreaterThan(1)
      for (let i = 0; i < 30; i++) await commitTo(transport, put(`${p}${i}`, '1'))
      await probe.until((state) => state.size === 30)
      links[2]?.hold()
      expect(await probe.failure(2_000)).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
      links[2]?.release()
    })

    it('are found when only one seed of several answers', async () => {
      const urls = ['redis://127.0.0.1:1', `redis://127.0.0.1:${cluster.nodes[1]?.port}`]
      const transport = redis({ urls })
      onTeardown(() => transport.close())
      await transport.open(realIo())
      const p = uniquePrefix()
      const probe = probeStream(transport, [p])
      await probe.untilListed()
      await commitTo(transport, put(`${p}a`, '1'))
      await probe.until((state) => state.size === 1)
    })
  })
})

/** Without what a reconcile or a change brought later. */
function keysOfFirstList(probe: StreamProbe): Set<string> {
  const end = probe.batches.findIndex(({ kind }) => kind === 'listed')
  const pairs = probe.batches
    .slice(0, end)
    .flatMap((batch) => (batch.kind === 'pairs' ? batch.pairs : []))
  return new Set(pairs.map(({ key }) => key))
}

async function keysOf(transport: RedisTransport, prefix: string): Promise<Set<string>> {
  const keys = new Set<string>()
  for await (const page of listOf(transport, prefix, realIo())) {
    for (const { key } of page) {
      if (keys.has(key)) throw new Error(`${key} came twice`)
      keys.add(key)
    }
  }
  return keys
}

async function linksTo(
  cluster: RedisCluster,
): Promise<{ links: Link[]; natMap: Record<string, string> }> {
  const links = await Promise.all(cluster.nodes.map((node) => openLink({ port: node.port })))
  const pairs = cluster.nodes.map((node, i) => [
    `127.0.0.1:${node.port}`,
    `127.0.0.1:${links[i]?.port}`,
  ])
  return { links, natMap: Object.fromEntries(pairs) as Record<string, string> }
}
