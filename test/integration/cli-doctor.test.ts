import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis, startRedisCluster } from '../servers/redis.ts'
import { runCli, startCli } from '../support/cli.ts'
import type { CliOutcome, CliRecord } from '../support/cli.ts'
import { tempDir } from '../support/temp-dir.ts'

describeWithRedis('datasync doctor, Redis', () => {
  it('finds nothing wrong with a new server, and changes nothing', async () => {
    const server = await startRedis()
    const outcome = await runCli(['doctor', server.url, '--strict'])
    expect(outcome).toMatchObject({ code: 0 })
    expect(levels(outcome)).toEqual(new Set(['ok']))
    expect(found(outcome, 'version')?.['detail']).toMatch(/^Redis \d/u)
    expect(await server.cli('CONFIG', 'GET', 'notify-keyspace-events')).toBe(
      'notify-keyspace-events\n',
    )
    expect(await server.cli('DBSIZE')).toBe('0')
    const human = await runCli(['doctor', server.url, '--human'])
    expect(human.stdout).toMatch(/^ok {5}connection: .* answers/u)
    expect(human.stdout).toMatch(/\d ok, 0 to think about, 0 wrong\n$/u)
  })

  it('names the fix where CONFIG is refused', async () => {
    const server = await startRedis({ renameCommands: { CONFIG: '' } })
    const outcome = await runCli(['doctor', server.url])
    expect(outcome.code).toBe(5)
    expect(found(outcome, 'notifications')).toMatchObject({
      level: 'error',
      code: 'SYNC_NOTIFICATIONS_DISABLED',
      fix: expect.stringContaining('--set notifications=tracking'),
    })
    const assumed = await runCli(['doctor', server.url, '--set', 'assumeNotifications=true'])
    expect(assumed.code).toBe(0)
    expect(found(assumed, 'notifications')).toMatchObject({ level: 'warn' })
    const strict = ['--set', 'assumeNotifications=true', '--strict']
    expect(await runCli(['doctor', server.url, ...strict])).toMatchObject({ code: 1 })
    const tracking = await runCli(['doctor', server.url, '--set', 'notifications=tracking'])
    expect(tracking.code).toBe(0)
  })

  it('names the rights that a user lacks, by command and by key', async () => {
    const server = await startRedis({
      users: [
        'reader on >secret ~* &* +@read +ping +role +info +config|get +psubscribe +punsubscribe +client',
        'config on >secret ~/config/* &* +@all',
      ],
    })
    const as = (user: string): string => `redis://${user}:secret@${server.host}:${server.port}`
    const reader = await runCli(['doctor', as('reader')])
    expect(reader.code).toBe(5)
    const lacking = reader.records.filter(({ level }) => level === 'error')
    expect(lacking).toMatchObject([
      { check: 'rights', detail: expect.stringContaining('reader may not write: refused are SET') },
      { check: 'notifications', code: 'SYNC_NOTIFICATIONS_DISABLED' },
    ])
    expect(lacking[0]?.['fix']).toContain('ACL SETUSER reader +set')

    expect(await runCli(['doctor', as('config'), '/config/'])).toMatchObject({ code: 0 })
    const elsewhere = await runCli(['doctor', as('config'), '/other/'])
    expect(elsewhere.code).toBe(5)
    expect(found(elsewhere, 'rights under /other/')).toMatchObject({ level: 'error' })
  })

  it('warns of eviction, of small buffers and of full memory', async () => {
    const server = await startRedis({
      maxmemory: '64mb',
      config: {
        'maxmemory-policy': 'allkeys-lru',
        'client-output-buffer-limit': 'pubsub 1mb 512kb 60',
        'proto-max-bulk-len': 1_048_576,
      },
    })
    const outcome = await runCli(['doctor', server.url])
    expect(outcome.code).toBe(0)
    const warnings = outcome.records.filter(({ level }) => level === 'warn')
    expect(warnings.map(({ check }) => check)).toEqual(['memory', 'output buffer', 'value size'])
    expect(warnings.every(({ fix }) => typeof fix === 'string')).toBe(true)

    await server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await server.cli('CONFIG', 'SET', 'maxmemory', '1')
    const full = await runCli(['doctor', server.url])
    expect(full.code).toBe(5)
    expect(found(full, 'writes')).toMatchObject({ detail: expect.stringContaining('memory') })
  })

  it('tells a replica, a cluster and a wrong scheme', async () => {
    const [primary, replica, cluster] = await Promise.all([
      startRedis(),
      startRedis(),
      startRedisCluster(),
    ])
    await replica.cli('REPLICAOF', primary.host, String(primary.port))
    const second = await runCli(['doctor', replica.url])
    expect(second.code).toBe(5)
    expect(found(second, 'role')).toMatchObject({ level: 'error' })

    const whole = await runCli(['doctor', cluster.url])
    expect(whole.code).toBe(0)
    expect(found(whole, 'cluster')).toMatchObject({ level: 'ok' })
    expect(whole.records.filter(({ check }) => check === 'rights')).toHaveLength(3)
    const single = cluster.url.replace('+cluster', '').replace(/,.*$/u, '')
    const wrong = await runCli(['doctor', single])
    expect(wrong.code).toBe(2)
    expect(found(wrong, 'cluster')).toMatchObject({ fix: 'use redis+cluster://' })
    const other = await runCli(['doctor', primary.url.replace('redis://', 'redis+cluster://')])
    expect(other.code).toBe(2)
  })

  it('tells who cannot be reached, and a wrong password', async () => {
    const server = await startRedis({ password: 'right-one' })
    const wrong = await runCli(['doctor', `redis://:wr0ng-secret@127.0.0.1:${server.port}`])
    expect(wrong.code).toBe(5)
    expect(wrong.records).toMatchObject([{ check: 'connection', code: 'SYNC_ACCESS_DENIED' }])
    expect(wrong.stdout + wrong.stderr).not.toContain('wr0ng-secret')
    await server.stop()
    const away = await runCli(['doctor', server.url])
    expect(away.code).toBe(5)
    expect(away.records).toMatchObject([{ check: 'connection', code: 'SYNC_UNAVAILABLE' }])
  })
})

describe('datasync doctor, LMDB', () => {
  it('tells the store, who holds it, and where there is none', async () => {
    const folder = await tempDir('doctor')
    const url = `lmdb:${join(folder, 'store')}`
    expect(await runCli(['doctor', url])).toMatchObject({ code: 2 })
    await runCli(['put', url, '/a', '1'])
    const free = await runCli(['doctor', url, '--strict'])
    expect(free.code).toBe(0)
    expect(found(free, 'data')?.['detail']).toMatch(/^1 key in/u)
    expect(found(free, 'format')?.['detail']).toContain('revision 1')

    const holder = startCli(['watch', url, ''])
    await holder.record(({ event }) => event === 'resynced')
    const held = await runCli(['doctor', url])
    expect(held.code).toBe(0)
    expect(found(held, 'holder')).toMatchObject({
      level: 'warn',
      detail: expect.stringContaining(`process ${holder.pid} holds it`),
    })
    await holder.kill('SIGKILL')
    const left = await runCli(['doctor', url])
    expect(found(left, 'holder')?.['detail']).toContain('without giving it back')

    await mkdir(join(folder, 'empty'))
    expect(await runCli(['doctor', `lmdb:${folder}/empty`])).toMatchObject({ code: 2 })
  })
})

function found({ records }: CliOutcome, check: string): CliRecord | undefined {
  return records.find((record) => record['check'] === check)
}

function levels({ records }: CliOutcome): Set<unknown> {
  return new Set(records.map(({ level }) => level))
}
