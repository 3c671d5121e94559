import { beforeAll, expect, it } from '@jest/globals'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { startEtcd, startEtcdCluster } from '../servers/etcd.ts'
import type { EtcdServer } from '../servers/etcd.ts'
import { runCli, startCli } from '../support/cli.ts'
import type { CliOutcome, CliRecord } from '../support/cli.ts'
import { EtcdWriter } from '../support/etcd-writer.ts'
import { waitFor } from '../support/wait-for.ts'

describeWithEtcd('datasync on etcd', () => {
  let server: EtcdServer

  beforeAll(async () => {
    server = await startEtcd()
  }, 60_000)

  it('put, get, ls, watch and del', async () => {
    expect(await runCli(['put', server.url, '/c/a', 'one'])).toMatchObject({ code: 0 })
    expect(await server.ctl('get', '/c/a', '--print-value-only')).toBe('one')
    const watch = startCli(['watch', server.url, '/c/'])
    await watch.record(({ event }) => event === 'resynced')
    await server.ctl('put', '/c/b', 'two')
    await watch.record(({ key }) => key === '/c/b')
    await watch.kill('SIGINT')
    expect((await runCli(['ls', server.url, '/c/'])).records).toHaveLength(2)
    expect(await runCli(['del', server.url, '/c/', '--prefix'])).toMatchObject({ code: 0 })
    expect((await runCli(['ls', server.url, '/c/'])).records).toHaveLength(0)
  })

  it('TLS files', async () => {
    const secure = await startEtcd({ tls: true, clientCertificates: true })
    const { ca = '', certificate = '', key = '' } = secure.certificates ?? {}
    const files = ['--tls-ca', ca, '--tls-cert', certificate, '--tls-key', key]
    expect(await runCli(['put', secure.url, '/c/a', 'x', ...files])).toMatchObject({
      code: 0,
    })
    expect(await runCli(['get', secure.url, '/c/a'])).toMatchObject({ code: 5 })
    expect(await runCli(['doctor', secure.url, ...files])).toMatchObject({ code: 0 })
    const refused = await runCli(['doctor', secure.url])
    expect(refused.code).toBe(5)
    expect(found(refused, 'connection')).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    await secure.stop()
  })

  it('doctor finds nothing wrong with a new server, and changes nothing', async () => {
    const before = await server.revision()
    const outcome = await runCli(['doctor', server.url])
    expect(outcome.code).toBe(0)
    expect(new Set(outcome.records.map(({ level }) => level))).not.toContain('error')
    expect(outcome.records.map(({ check }) => check)).toEqual([
      'connection',
      'version',
      'role',
      'rights',
      'history',
      'alarms',
      'database',
      'request size',
      'transaction size',
      'members',
    ])
    expect(found(outcome, 'version')?.['detail']).toMatch(/^etcd 3\.\d/u)
    expect(found(outcome, 'role')?.['detail']).toBe('leader')
    expect(await server.revision()).toBe(before)
  })

  it('doctor names alarms, limits, a short history and absent endpoints', async () => {
    const small = await startEtcd({
      flags: { 'max-txn-ops': 8, 'max-request-bytes': 200_000, 'quota-backend-bytes': 1_000_000 },
    })
    const writer = new EtcdWriter(small)
    await writer.puts(1_200, () => '/f/a')
    await small.ctl('compact', String((await small.revision()) - 10))
    let i = 0
    const isFull = (): Promise<boolean> =>
      writer.put(`/f/${i++}`, 'x'.repeat(90_000)).then(
        () => false,
        () => true,
      )
    await waitFor(isFull)
    const outcome = await runCli(['doctor', `${small.url},127.0.0.1:1`])
    expect(outcome.code).toBe(5)
    const level = (check: string): unknown => found(outcome, check)?.['level']
    expect(found(outcome, 'alarms')).toMatchObject({
      level: 'error',
      code: 'SYNC_UNAVAILABLE',
      detail: expect.stringContaining('NOSPACE'),
    })
    expect(level('request size')).toBe('warn')
    expect(level('transaction size')).toBe('warn')
    expect(found(outcome, 'history')).toMatchObject({ level: 'warn' })
    expect(
      outcome.records.filter(({ check, level: l }) => check === 'connection' && l === 'error'),
    ).toMatchObject([{ detail: expect.stringContaining('127.0.0.1:1') }])
    await small.stop()
  })

  it('doctor names the rights that a user lacks', async () => {
    const guarded = await startEtcd({ rootPassword: 'pw' })
    await guarded.ctl('role', 'add', 'r')
    await guarded.ctl('role', 'grant-permission', 'r', 'readwrite', '/rw/', '--prefix=true')
    await guarded.ctl('role', 'grant-permission', 'r', 'read', '/ro/', '--prefix=true')
    await guarded.ctl('user', 'add', 'app:secret')
    await guarded.ctl('user', 'grant-role', 'app', 'r')
    const url = `etcd://app:secret@${guarded.host}:${guarded.port}`
    expect(await runCli(['doctor', url, '/rw/'])).toMatchObject({ code: 0 })
    const outcome = await runCli(['doctor', url, '/rw/', '/ro/', '/none/'])
    expect(outcome.code).toBe(5)
    expect(found(outcome, 'rights under /rw/')).toMatchObject({ level: 'ok' })
    expect(found(outcome, 'rights under /ro/')).toMatchObject({ level: 'warn' })
    expect(found(outcome, 'rights under /none/')).toMatchObject({
      level: 'error',
      code: 'SYNC_ACCESS_DENIED',
      fix: expect.stringContaining('grant-permission'),
    })
    expect(outcome.stdout).not.toContain('secret')
    await guarded.stop()
  })

  it('doctor asks for all members of a cluster, and finds endpoints of another', async () => {
    const cluster = await startEtcdCluster()
    const outcome = await runCli(['doctor', cluster.url])
    expect(outcome.code).toBe(0)
    expect(found(outcome, 'members')).toMatchObject({ level: 'ok', detail: '3' })
    const roles = outcome.records.filter(({ check }) => check === 'role')
    expect(roles.filter(({ detail }) => String(detail).endsWith('leader'))).toHaveLength(1)
    const [first] = cluster.members
    const one = await runCli(['doctor', first?.url ?? ''])
    expect(found(one, 'members')).toMatchObject({ level: 'warn' })
    const mixed = await runCli(['doctor', `${first?.url},${server.host}:${server.port}`])
    expect(found(mixed, 'cluster')).toMatchObject({ level: 'error' })
    await cluster.stop()
  })
})

function found(outcome: CliOutcome, check: string): CliRecord | undefined {
  return outcome.records.find((record) => record['check'] === check)
}
