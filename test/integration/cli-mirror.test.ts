import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis, startRedisCluster } from '../servers/redis.ts'
import type { RedisServer } from '../servers/redis.ts'
import { runCli, startCli } from '../support/cli.ts'
import type { Cli } from '../support/cli.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'

describeWithRedis('datasync mirror', () => {
  it('copies from lmdb to redis once, and removes what the source lacks', async () => {
    const path = join(await tempDir('mirror'), 'store')
    const target = await startRedis()
    await put(`lmdb:${path}`, { '/a/1': 'one', '/a/2': 'two', '/b/1': 'other' })
    await target.cli('MSET', '/a/2', 'old', '/a/3', 'gone', '/b/9', 'not mine', '/a', 'outside')

    const shown = await runCli(['mirror', `lmdb:${path}`, target.url, '/a/', '--dry-run'])
    expect(shown.records).toEqual([
      { event: 'would-put', key: '/a/1', bytes: 3 },
      { event: 'would-put', key: '/a/2', bytes: 3 },
      { event: 'would-delete', key: '/a/3' },
      { event: 'dry-run', compared: 3, unchanged: 0, put: 2, deleted: 1 },
    ])
    expect(await target.cli('GET', '/a/3')).toBe('gone')

    const { code, records } = await runCli(['mirror', `lmdb:${path}`, target.url, '/a/', '--once'])
    expect(code).toBe(0)
    expect(records[0]).toMatchObject({ event: 'resynced', put: 2, deleted: 1, unchanged: 0 })
    expect(await contents(target)).toEqual({
      '/a': 'outside',
      '/a/1': 'one',
      '/a/2': 'two',
      '/b/9': 'not mine',
    })
  })

  it('--dry-run into a store that does not exist yet: everything would be put, nothing is made', async () => {
    const folder = await tempDir('mirror')
    const source = join(folder, 'source')
    const target = join(folder, 'target')
    await put(`lmdb:${source}`, { '/a/1': 'one', '/b/1': 'other' })
    const dry = await runCli(['mirror', `lmdb:${source}`, `lmdb:${target}`, '/a/', '--dry-run'])
    expect(dry.code).toBe(0)
    expect(dry.records).toEqual([
      { event: 'would-put', key: '/a/1', bytes: 3 },
      { event: 'dry-run', compared: 1, unchanged: 0, put: 1, deleted: 0 },
    ])
    await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('follows, and survives restarts of the source, with and without its data', async () => {
    const [source, target] = await Promise.all([startRedis({ persistent: true }), startRedis()])
    await source.cli('MSET', '/m/a', '1', '/m/b', '2', '/m/c', '3')
    await target.cli('SET', '/m/stale', 'x')
    const mirror = startCli(['mirror', source.url, target.url, '/m/'])
    await resynced(mirror, 1)
    expect(await contents(target)).toEqual({ '/m/a': '1', '/m/b': '2', '/m/c': '3' })

    await source.cli('SET', '/m/a', '10')
    await source.cli('DEL', '/m/b')
    await equal(source, target)

    await source.restart({ keepData: true })
    await source.cli('SET', '/m/d', '4')
    await equal(source, target)

    await source.restart({ keepData: false })
    await source.cli('SET', '/m/e', '5')
    await equal(source, target)
    expect(await contents(target)).toEqual({ '/m/e': '5' })

    const ended = await mirror.kill('SIGINT')
    expect(ended).toMatchObject({ code: 0 })
    expect(ended?.records.at(-1)).toMatchObject({ event: 'end' })
  })

  it('loses no write when the target goes away, comes back empty, or is written by others', async () => {
    const [source, target] = await Promise.all([startRedis(), startRedis()])
    await source.cli('MSET', '/m/a', '1', '/m/b', '2')
    const mirror = startCli(['mirror', source.url, target.url, '/m/'])
    await resynced(mirror, 1)

    await target.stop()
    await source.cli('MSET', '/m/a', '10', '/m/c', '3')
    await source.cli('DEL', '/m/b')
    await mirror.says('repeating')
    await target.restart({ keepData: false })
    await equal(source, target)

    await target.restart({ keepData: false })
    await equal(source, target)

    await target.cli('MSET', '/m/a', 'by hand', '/m/foreign', 'x')
    await equal(source, target)
    await target.cli('DEL', '/m/a')
    await equal(source, target)
    expect(await mirror.kill('SIGTERM')).toMatchObject({ code: 0 })
  })

  it('ends equal, whatever is killed while both sides are written', async () => {
    const [source, target] = await Promise.all([
      startRedis({ persistent: true }),
      startRedis({ persistent: true }),
    ])
    const mirror = startCli(['mirror', source.url, target.url, '/m/'])
    await resynced(mirror, 1)
    for (let round = 0; round < 6; round++) {
      const [victim, other] = round % 2 === 0 ? [source, target] : [target, source]
      const restarted = victim.restart({ keepData: round % 3 !== 0 })
      for (let i = 0; i < 10; i++) await other.cli('SET', `/m/${round}.${i}`, `during ${round}`)
      await restarted
      await source.cli('MSET', '/m/a', String(round), `/m/${round}`, 'new')
      await source.cli('DEL', `/m/${round - 1}`)
      if (round % 2 === 1) await equal(source, target)
    }
    await equal(source, target)
    await mirror.kill('SIGINT')
  })

  it('ends soon by Ctrl-C, also while the target answers nothing', async () => {
    const [source, target] = await Promise.all([startRedis(), startRedis()])
    const mirror = startCli(['mirror', source.url, target.url, '/m/', '--no-watch-target'])
    await resynced(mirror, 1)
    target.pause()
    await source.cli('SET', '/m/a', '1')
    const watch = startCli(['watch', source.url, '/m/'])
    await watch.record(({ event }) => event === 'resynced')
    const startedAt = performance.now()
    expect(await mirror.kill('SIGINT')).toMatchObject({ code: 0 })
    expect(performance.now() - startedAt).toBeLessThan(9_000)
    target.resume()
    await watch.kill('SIGINT')
  })

  it('keeps up with many changes, and moves keys to another prefix', async () => {
    const [source, target] = await Promise.all([startRedis(), startRedis()])
    const path = ['--strip-prefix', '/m/', '--add-prefix', '/copy/']
    const mirror = startCli(['mirror', source.url, target.url, '/m/', ...path])
    await resynced(mirror, 1)
    const script = `for i = 1, 20000 do redis.call('SET', '/m/' .. (i % 5000), i) end`
    await source.cli('EVAL', script, '0')
    const last = await source.cli('GET', '/m/0')
    await waitFor(async () => (await target.cli('DBSIZE')) === '5000', { timeoutMs: 30_000 })
    await waitFor(async () => (await target.cli('GET', '/copy/0')) === last)
    await mirror.kill('SIGINT')
  })

  it('goes on without watching a target that does not allow it', async () => {
    const source = await startRedis()
    const target = await startRedis({ renameCommands: { CONFIG: '' } })
    await source.cli('SET', '/m/a', '1')
    const mirror = startCli(['mirror', source.url, target.url, '/m/'])
    await resynced(mirror, 1)
    expect(mirror.stderr).toContain('not watched')
    await source.cli('SET', '/m/a', '2')
    await waitFor(async () => (await target.cli('GET', '/m/a')) === '2')
    await mirror.kill('SIGINT')
  })

  it('writes what can be written, and tells what cannot', async () => {
    const [source, target] = await Promise.all([startRedis(), startRedis()])
    await source.cli('MSET', '/m/a', 'short', '/m/b', 'much too long', '/m/c', 'short')
    const args = ['mirror', source.url, target.url, '/m/', '--set', 'target.maxValueBytes=10']
    const { code, stderr } = await runCli([...args, '--once'])
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('error[SYNC_PAYLOAD_TOO_LARGE]'),
    })
    expect(await contents(target)).toEqual({ '/m/a': 'short', '/m/c': 'short' })
    const mirror = startCli(args)
    await mirror.says('repeating')
    await source.cli('SET', '/m/b', 'shorter')
    await equal(source, target)
    await mirror.kill('SIGINT')
  })

  it('writes to a cluster', async () => {
    const [source, target] = await Promise.all([startRedis(), startRedisCluster()])
    const path = join(await tempDir('mirror'), 'store')
    for (let i = 0; i < 20; i++) await source.cli('SET', `/m/${i}`, String(i))
    const mirror = startCli(['mirror', source.url, target.url, '/m/'])
    await resynced(mirror, 1)
    await source.cli('DEL', '/m/7')
    await source.cli('SET', '/m/8', 'eight')
    await waitFor(async () => (await runCli(['get', target.url, '/m/8'])).stdout.includes('eight'))
    // Back again, as a comparison of all.
    expect(await runCli(['mirror', target.url, `lmdb:${path}`, '/m/', '--once'])).toMatchObject({
      code: 0,
      records: [{ event: 'resynced', put: 19 }, { event: 'end' }],
    })
    await mirror.kill('SIGINT')
  })

  it('refuses to read what it writes, and says what is unreachable', async () => {
    const server = await startRedis()
    const same = await runCli(['mirror', server.url, server.url, '/m/', '--add-prefix', '/m'])
    expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining('same keys') })
    const { url } = server
    await server.stop()
    const path = join(await tempDir('mirror'), 'store')
    const gone = await runCli(['mirror', url, `lmdb:${path}`, '', '--once', '--timeout', '1s'])
    expect(gone).toMatchObject({ code: 6, stderr: expect.stringContaining('error[SYNC_TIMEOUT]') })
  })
})

async function put(url: string, pairs: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, value] of Object.entries(pairs)) {
    expect(await runCli(['put', url, key, value])).toMatchObject({ code: 0 })
  }
}

/** Resolves when the mirror has compared everything so often. */
async function resynced(mirror: Cli, times: number): Promise<void> {
  await mirror.record((record) => record['event'] === 'resynced')
  await waitFor(
    () => mirror.records.filter((record) => record['event'] === 'resynced').length >= times,
  )
}

async function equal(source: RedisServer, target: RedisServer): Promise<void> {
  await waitFor(
    async () => {
      const [want, have] = await Promise.all([contents(source), contents(target)])
      return JSON.stringify(want) === JSON.stringify(have)
    },
    { timeoutMs: 30_000, describe: 'the target to equal the source' },
  )
}

async function contents(server: RedisServer): Promise<Record<string, string>> {
  const keys = (await server.cli('KEYS', '*'))
    .split('\n')
    .filter((key) => key !== '')
    .sort()
  if (keys.length === 0) return {}
  const values = (await server.cli('MGET', ...keys)).split('\n')
  return Object.fromEntries(keys.map((key, i) => [key, values[i] ?? '']))
}
