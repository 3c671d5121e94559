import { describe, expect, it } from '@jest/globals'
import { memory } from '../../src/index.ts'
import { runCli, startCli } from '../support/cli.ts'
import { serveAgent } from '../support/rest.ts'
import { certificates } from '../support/certificates.ts'

const TOKEN = 'a-token-of-twenty-letters'

describe('datasync on http:', () => {
  it('put, get, ls, watch, mirror and del', async () => {
    const world = await serveAgent({ path: '/agents/a' }, { transport: memory() })
    expect(await runCli(['put', world.url, '/c/a', 'one'])).toMatchObject({ code: 0 })
    const got = await runCli(['get', world.url, '/c/a'])
    expect(got.records[0]).toMatchObject({ key: '/c/a', value: 'one' })
    const watch = startCli(['watch', world.url, '/c/'])
    await watch.record(({ event }) => event === 'resynced')
    const absent = await runCli(['put', world.url, '/c/b', 'two', '--if-absent', '--ttl', '1h'])
    expect(absent.code).toBe(0)
    await watch.record(({ key }) => key === '/c/b')
    await watch.kill('SIGINT')
    expect(await runCli(['put', world.url, '/c/b', 'x', '--if-absent'])).toMatchObject({ code: 4 })
    expect((await runCli(['ls', world.url, '/c/'])).records).toHaveLength(2)
    const copy = await serveAgent()
    const mirror = await runCli(['mirror', world.url, copy.url, '/c/', '--once'])
    expect(mirror).toMatchObject({ code: 0 })
    expect((await runCli(['ls', copy.url, '/c/'])).records).toHaveLength(2)
    expect(await runCli(['del', world.url, '/c/', '--prefix'])).toMatchObject({ code: 0 })
    expect((await runCli(['ls', world.url, '/c/'])).records).toHaveLength(0)
    expect(await runCli(['get', world.url, '/c/a'])).toMatchObject({ code: 3 })
  })

  it('a token from the environment, from the URL and by --set; no output names it', async () => {
    const access = [{ name: 'reader', token: TOKEN, read: ['/c/'] }]
    const world = await serveAgent({ access })
    const withToken = world.url.replace('://', `://:${TOKEN}@`)
    const outcomes = [
      await runCli(['ls', 'env:URL', '/c/', '--verbose'], { URL: withToken }),
      await runCli(['ls', world.url, '/c/', '--set', 'token=env:TOKEN', '--verbose'], {
        TOKEN,
      }),
      await runCli(['ls', world.url, '/c/', '--set', `token=${TOKEN}`, '--verbose']),
    ]
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0])
    const refused = await runCli(['put', withToken, '/c/a', 'x', '--verbose'])
    expect(refused.code).toBe(5)
    const wrong = await runCli([
      'ls',
      world.url,
      '/c/',
      '--set',
      'token=another-token-that-is-long',
      '--verbose',
    ])
    expect(wrong.code).toBe(5)
    for (const { stdout, stderr } of [...outcomes, refused, wrong]) {
      expect(stdout + stderr).not.toContain(TOKEN)
      expect(stdout + stderr).not.toContain('another-token-that-is-long')
    }
  })

  it('TLS files, and doctor', async () => {
    const pem = await certificates()
    const world = await serveAgent({
      tls: { cert: pem.serverCert, key: pem.serverKey, ca: pem.ca, requestCert: true },
      access: [{ name: 'a', certificate: 'agent-1', read: ['/c/'], write: ['/c/'] }],
    })
    const files = [
      '--tls-ca',
      pem.files.ca,
      '--tls-cert',
      pem.files.clientCert,
      '--tls-key',
      pem.files.clientKey,
    ]
    expect(await runCli(['put', world.url, '/c/a', 'x', ...files])).toMatchObject({ code: 0 })
    const got = await runCli(['get', world.url, '/c/a', ...files])
    expect(got.records[0]).toMatchObject({ value: 'x' })
    const fine = await runCli(['doctor', world.url, '/c/', ...files])
    expect(fine.code).toBe(0)
    expect(fine.records.map(({ check }) => check)).toEqual([
      'connection',
      'agent',
      'rights',
      'limits',
      'watch',
    ])
    const denied = await runCli(['doctor', world.url, '/d/', ...files])
    expect(denied.code).not.toBe(0)
    const untrusted = await runCli(['doctor', world.url])
    expect(untrusted.code).toBe(5)
    expect(untrusted.records[0]).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    const away = await runCli(['doctor', 'http://127.0.0.1:1'])
    expect(away.records[0]).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
  })
})
