import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, it } from '@jest/globals'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis, startRedisCluster } from '../servers/redis.ts'
import { runCli, runShell, startCli } from '../support/cli.ts'
import { onTeardown } from '../support/teardown.ts'
import { waitFor } from '../support/wait-for.ts'

describeWithRedis('datasync watch', () => {
  it('tells the state, then every change with the previous value, and ends by Ctrl-C', async () => {
    const server = await startRedis()
    await server.cli('MSET', '/w/a', '1', '/w/b', '2', '/x/c', '3')
    const watch = startCli(['watch', server.url, '/w/', '/none/'])
    await watch.record(({ event }) => event === 'resynced')
    expect(watch.records).toMatchObject([
      { event: 'resync', reason: 'startup', source: 'redis', prefix: '/w/', pairs: 2 },
      { event: 'pair', prefix: '/w/', key: '/w/a', value: '1', encoding: 'utf8' },
      { event: 'pair', prefix: '/w/', key: '/w/b', value: '2' },
      { event: 'resync', prefix: '/none/', pairs: 0 },
      { event: 'resynced', reason: 'startup', pairs: 2 },
    ])
    await server.cli('SET', '/w/a', '10')
    await server.cli('SET', '/x/c', '30')
    await server.cli('DEL', '/w/b')
    await server.cli('SET', '/none/marker', '')
    await watch.record(({ key }) => key === '/none/marker')
    expect(watch.records.slice(5)).toMatchObject([
      { event: 'put', key: '/w/a', value: '10', prev: { value: '1' } },
      { event: 'delete', key: '/w/b', prev: { value: '2' } },
      { event: 'put', key: '/none/marker', value: '' },
    ])
    expect(watch.records.at(-1)).not.toHaveProperty('prev')
    expect(await watch.kill('SIGINT')).toMatchObject({ code: 0 })
    expect(watch.stderr).toMatch(/redis: connecting\n(?:.*\n)*redis: live\n/u)
  })

  it('goes on when the server was away, and tells so on stderr', async () => {
    const server = await startRedis({ persistent: true })
    await server.cli('SET', '/w/a', '1')
    const watch = startCli(['watch', server.url, '/w/', '--no-values'])
    await watch.record(({ event }) => event === 'resynced')
    await server.stop()
    await watch.says('connection lost')
    await server.restart({ keepData: true })
    const again = await watch.record(({ reason }) => reason === 'reconnected')
    expect(again).toMatchObject({ event: 'resync', pairs: 1 })
    const pair = await watch.record(
      ({ event, revision }) => event === 'pair' && typeof revision === 'number',
    )
    expect(pair).not.toHaveProperty('value')
    expect(await watch.kill('SIGTERM')).toMatchObject({ code: 0 })
  })

  it('shows messages as JSON, and lines for people', async () => {
    const server = await startRedis()
    const known = ['--proto', 'proto/examples/network.proto', '--type', 'examples.Interface']
    await runCli(['put', server.url, '/w/eth0', '{"mtu":1500}', ...known])
    const watch = startCli(['watch', server.url, '/w/', '--human', ...known])
    await waitFor(() => watch.stdout.includes('eth0'), { timeoutMs: 20_000 })
    await runCli(['put', server.url, '/w/eth0', '{"mtu":9000}', ...known])
    await server.cli('SET', '/w/eth1', '?')
    await server.cli('DEL', '/w/eth0')
    await waitFor(() => watch.stdout.includes('delete'))
    await watch.kill('SIGINT')
    expect(watch.stdout).toMatch(
      /^RESYNC \(startup\) {2}\/w\/ {2}1 key\n {2}\/w\/eth0 {2}\{"mtu":1500\}\n/u,
    )
    expect(watch.stdout).toMatch(/put {4}\/w\/eth0 {2}\{"mtu":9000\} {2}was \{"mtu":1500\}\n/u)
    expect(watch.stdout).toMatch(/put {4}\/w\/eth1 {2}\? \(not of type examples.Interface: .*\)\n/u)
    expect(watch.stdout).toMatch(/delete \/w\/eth0 {2}was \{"mtu":9000\}\n$/u)
  })

  it('ends quietly with its reader, in the state and among changes', async () => {
    const server = await startRedis()
    const script = `for i = 1, 50000 do redis.call('SET', '/w/' .. i, 'value') end`
    await server.cli('EVAL', script, '0')
    const first = await runShell(
      `datasync watch ${server.url} /w/ | head -n 3; echo "\${PIPESTATUS[0]}"`,
    )
    expect(first.stdout.split('\n').slice(3)).toEqual(['0', ''])
    expect(first.stderr).not.toContain('error')

    const both = await runShell(
      `datasync watch ${server.url} /w/ 2>&1 | head -n 1; echo "\${PIPESTATUS[0]}"`,
    )
    expect(both.stdout.split('\n').slice(1)).toEqual(['0', ''])
    if (existsSync('/dev/full')) {
      const full = await runShell(`datasync ls ${server.url} > /dev/full`)
      expect(full).toMatchObject({ code: 1, stderr: expect.stringContaining('writing failed') })
    }

    const line = `datasync watch ${server.url} /one | head -n 3; echo "\${PIPESTATUS[0]}"`
    await server.cli('SET', '/one', '1')
    const changes = runShell(line)
    let ended = false
    const marked = changes.then((outcome) => {
      ended = true
      return outcome
    })
    // Two lines of RESYNC and its end; the next write finds nobody.
    await waitFor(
      async () => {
        await server.cli('INCR', '/one')
        return ended
      },
      { timeoutMs: 30_000 },
    )
    expect((await marked).stdout.split('\n').slice(3)).toEqual(['0', ''])
  })

  it('with --latest leaves out what a slow reader has not seen', async () => {
    const server = await startRedis()
    await server.cli('SET', '/w/n', '0')
    const watch = startCli(['watch', server.url, '/w/', '--latest'])
    await watch.record(({ event }) => event === 'resynced')
    await watch.kill('SIGSTOP')
    for (let i = 1; i <= 20; i++) await server.cli('SET', '/w/n', String(i))
    await watch.kill('SIGCONT')
    await watch.record(({ event, value }) => event === 'put' && value === '20')
    const changes = watch.records.filter(({ event }) => event === 'put')
    expect(changes.length).toBeLessThan(20)
    await watch.kill('SIGINT')
  })

  it('says what it cannot do: wrong password, nobody there, notifications off', async () => {
    const server = await startRedis({ password: 'right-one' })
    const wrong = `redis://:wr0ng-secret@${server.host}:${server.port}`
    const denied = await runCli(['watch', wrong, '', '--verbose'])
    expect(denied).toMatchObject({ code: 5, stdout: '' })
    expect(denied.stderr).toContain('error[SYNC_ACCESS_DENIED]')
    expect(denied.stderr).toContain('hint: ')
    expect(denied.stderr).not.toContain('wr0ng-secret')

    await server.stop()
    const away = await runCli(['watch', server.url, '', '--timeout', '500ms'])
    expect(away).toMatchObject({ code: 6 })
    expect(away.stderr).toContain('ECONNREFUSED')
    expect(away.stderr).not.toContain('right-one')
    expect(await runCli(['get', server.url, '/a'])).toMatchObject({ code: 5 })

    const mute = await startRedis({ renameCommands: { CONFIG: '' } })
    const refused = await runCli(['watch', mute.url, ''])
    expect(refused).toMatchObject({ code: 5 })
    expect(refused.stderr).toContain('error[SYNC_NOTIFICATIONS_DISABLED]')
    const tracked = startCli(['watch', mute.url, '', '--set', 'notifications=tracking'])
    await tracked.record(({ event }) => event === 'resynced')
    await tracked.kill('SIGINT')
  })

  it('ends by Ctrl-C also while nobody answers', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    onTeardown(() => silent.close())
    const { port } = silent.address() as AddressInfo
    const watch = startCli(['watch', `redis://127.0.0.1:${port}`, ''])
    await watch.says('connecting')
    expect(await watch.kill('SIGINT')).toMatchObject({ code: 0 })
    const get = startCli(['get', `redis://127.0.0.1:${port}`, '/a', '--verbose'])
    const connected = new Promise<void>((resolve) => silent.once('connection', () => resolve()))
    await connected
    expect(await get.kill('SIGINT')).toMatchObject({ code: 130 })
  })

  it('reaches a server by TLS, and a cluster', async () => {
    const [server, cluster] = await Promise.all([startRedis({ tls: true }), startRedisCluster()])
    const trusted = ['--tls-ca', server.ca ?? '']
    expect(await runCli(['put', server.url, '/a', '1', ...trusted])).toMatchObject({ code: 0 })
    expect(await runCli(['get', server.url, '/a', ...trusted])).toMatchObject({ code: 0 })
    const untrusted = await runCli(['get', server.url, '/a'])
    expect(untrusted).toMatchObject({ code: 5 })
    expect(untrusted.stderr).toContain('error[SYNC_ACCESS_DENIED]')

    const watch = startCli(['watch', cluster.url, '/c/'])
    await watch.record(({ event }) => event === 'resynced')
    await runCli(['put', cluster.url, '/c/1', 'one'])
    await watch.record(({ key, value }) => key === '/c/1' && value === 'one')
    await watch.kill('SIGINT')
  })
})
