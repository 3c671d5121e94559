import { access, readFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import { expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { startRedis, startRedisCluster } from '../servers/redis.ts'
import { openLink } from '../support/link.ts'
import { describeWithRedis, describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { waitFor } from '../support/wait-for.ts'

describeWithRedis('startRedis', () => {
  it('gives an empty server that keeps nothing on disk', async () => {
    const redis = await startRedis()
    expect(redis.url).toBe(`redis://127.0.0.1:${redis.port}`)
    expect(await redis.cli('DBSIZE')).toBe('0')
    expect(await redis.cli('CONFIG', 'GET', 'appendonly')).toBe('appendonly\nno')
    await redis.cli('SET', 'a b', 'c\nd')
    expect(await redis.cli('GET', 'a b')).toBe('c\nd')
    await expect(redis.cli('NONSENSE')).rejects.toThrow('unknown command')
    await expect(redis.restart({ keepData: true })).rejects.toThrow('persistent')
    const { pid } = redis
    await redis.restart({ keepData: false })
    expect(redis.pid).not.toBe(pid)
    expect(await redis.cli('DBSIZE')).toBe('0')
  })

  it('persistent: SIGKILL loses nothing, a restart without data does', async () => {
    const redis = await startRedis({ persistent: true })
    const { port } = redis
    await redis.cli('SET', 'a', '1')
    await redis.kill('SIGKILL')
    expect(redis.running).toBe(false)
    await expect(redis.cli('PING')).rejects.toThrow('refused')
    await redis.restart({ keepData: true })
    expect(redis.port).toBe(port)
    expect(await redis.cli('GET', 'a')).toBe('1')
    await redis.restart({ keepData: false })
    expect(await redis.cli('EXISTS', 'a')).toBe('0')
    await redis.stop()
    await redis.stop()
  })

  it('pause stops answers, resume gives them', async () => {
    const redis = await startRedis()
    redis.pause()
    let answered = false
    const answer = redis.cli('PING').then((text) => {
      answered = true
      return text
    })
    await waitFor(async () => (await stateOf(redis.pid)) === 'T')
    expect(answered).toBe(false)
    redis.resume()
    expect(await answer).toBe('PONG')
    redis.pause()
    await redis.stop()
  })

  it('takes a password, users, other command names, a memory limit', async () => {
    const secret = await startRedis({ password: 'p w"\\' })
    expect(new URL(secret.url).password).toBe(encodeURIComponent('p w"\\'))
    expect(await secret.cli('PING')).toBe('PONG')
    const users = await startRedis({
      users: ['default off', 'bob on >x ~b/* &* +get'],
      renameCommands: { CONFIG: '' },
      maxmemory: '50mb',
      config: { 'maxmemory-policy': 'allkeys-lru' },
    })
    expect(await users.cli('ACL', 'USERS')).toBe('bob\ndefault\ntest-admin')
    await expect(users.cli('CONFIG', 'GET', 'port')).rejects.toThrow('unknown command')
    expect(await users.cli('INFO', 'memory')).toContain('maxmemory_human:50.00M')
    expect(await users.cli('INFO', 'memory')).toContain('maxmemory_policy:allkeys-lru')
  })

  it('tls: a client that trusts the authority gets in', async () => {
    const redis = await startRedis({ tls: true })
    expect(redis.url).toMatch(/^rediss:/u)
    const ca = await readFile(redis.ca ?? '')
    const socket = connect({ host: redis.host, port: redis.port, ca })
    await new Promise((resolve, reject) =>
      socket.once('secureConnect', resolve).once('error', reject),
    )
    socket.write('PING\r\n')
    const [answer] = await new Promise<Buffer[]>((resolve) => {
      socket.once('data', (bytes: Buffer) => resolve([bytes]))
    })
    expect(String(answer)).toBe('+PONG\r\n')
    socket.destroy()
    await access(redis.dataDir)
  })

  it('behind a link: the write is done, its answer does not come', async () => {
    const redis = await startRedis()
    const link = await openLink(redis)
    const client = new Redis(link.port, link.host, {
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
    })
    client.on('error', () => {})
    await client.set('a', '1')
    const cut = link.onUpstream(/\r\nset\r\n/iu, () => link.cut(), { at: 'answered' })
    await expect(client.set('a', '2')).rejects.toThrow()
    await cut.matched
    expect(await redis.cli('GET', 'a')).toBe('2')
    client.disconnect()
  })

  it('says why a server does not start', async () => {
    await expect(startRedis({ config: { 'no-such-setting': 1 } })).rejects.toThrow(
      'no-such-setting',
    )
  })
})

describeWithRedis('startRedisCluster', () => {
  it('moves slots with their keys, also binary ones, with TLS and a password', async () => {
    const cluster = await startRedisCluster({ password: 'secret', tls: true })
    expect(cluster.url).toBe(
      `rediss+cluster://:secret@${cluster.seeds.map((s) => `${s.host}:${s.port}`).join(',')}`,
    )
    const slot = await cluster.slotOf('{tag}')
    const from = await cluster.ownerOf(slot)
    const to = (from + 1) % 3
    for (let i = 0; i < 250; i += 10) {
      const pairs = Array.from({ length: 10 }, (_, j) => [`{tag}${i + j}\n`, String(i + j)]).flat()
      await cluster.cli(from, 'MSET', ...pairs)
    }
    await cluster.moveSlots(from, to, [slot, slot + 1])
    expect(await cluster.ownerOf(slot)).toBe(to)
    expect(await cluster.cli(to, 'CLUSTER', 'COUNTKEYSINSLOT', String(slot))).toBe('250')
    expect(await cluster.cli(from, 'DBSIZE')).toBe('0')
    expect(await cluster.cli(to, 'GET', '{tag}249\n')).toBe('249')
    await expect(cluster.cli(from, 'GET', '{tag}1')).rejects.toThrow('MOVED')
  }, 60_000)

  it('fails over to a replica, with its data', async () => {
    const cluster = await startRedisCluster({ primaries: 3, replicas: 1 })
    expect(cluster.nodes).toHaveLength(6)
    const slot = await cluster.slotOf('k')
    const primary = await cluster.ownerOf(slot)
    await cluster.cli(primary, 'SET', 'k', 'v')
    await cluster.cli(primary, 'WAIT', '1', '5000')
    const heir = await cluster.failover(primary)
    expect(heir).toBe(primary + 3)
    expect(await cluster.cli(heir, 'GET', 'k')).toBe('v')
    await cluster.nodes[primary]?.restart({ keepData: false })
    await waitFor(async () => (await cluster.cli(primary, 'ROLE')).startsWith('slave'), {
      timeoutMs: 20_000,
    })
    await cluster.stop()
  }, 60_000)
})

describeWithRedisUrl('describeWithRedisUrl', (url) => {
  it('gives the URL of a server', () => {
    expect(url()).toMatch(/^rediss?:\/\//u)
  })
})

async function stateOf(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8')
  return status.slice(status.lastIndexOf(')') + 2, status.lastIndexOf(')') + 3)
}
