import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import type { EtcdOptions } from '../../src/adapters/etcd/index.ts'
import { silentLogger } from '../../src/api/logger.ts'
import { Agent, raw } from '../../src/index.ts'
import { describeWithEtcd } from '../servers/describe-with-etcd.ts'
import { startEtcd } from '../servers/etcd.ts'
import type { EtcdServer } from '../servers/etcd.ts'
import { makeCertificates } from '../servers/redis-certificates.ts'
import { Follower } from '../support/follower.ts'
import { freePort } from '../support/free-port.ts'
import { openLink } from '../support/link.ts'
import { tempDir } from '../support/temp-dir.ts'
import { probeStream, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const agents: Agent[] = []
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()))
})

function follower(options: EtcdOptions): Follower {
  const made = new Follower(etcd(options))
  agents.push(made.agent)
  return made
}

/** What `open` says; the transport is closed. */
async function open(options: EtcdOptions): Promise<unknown> {
  const transport = etcd(options)
  try {
    await transport.open(realIo())
    return undefined
  } catch (error) {
    return error
  } finally {
    await transport.close()
  }
}

const text = (value: string): ReturnType<typeof raw> => raw(Buffer.from(value))

describeWithEtcd('etcd, open', () => {
  it('an unreachable server is no error; the watch begins when it is there', async () => {
    const server = await startEtcd()
    await server.ctl('put', '/f/a', '1')
    await server.stop()
    const seen = follower({ url: server.url, connectTimeoutMs: 500 })
    const started = seen.agent.start()
    await waitFor(() => (seen.agent.health().transports[0]?.reconnects ?? 0) > 0)
    expect(seen.resyncs).toEqual([])
    await server.restart({ keepData: true })
    await started
    await seen.converges({ '/f/a': '1' })
    await server.stop()
  })

  it('the first endpoints are not there: the next one is taken', async () => {
    const server = await startEtcd()
    const dead = `127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`
    const seen = follower({ url: `etcd://${dead},${server.host}:${server.port}` })
    await seen.agent.start()
    await seen.agent.put('/f/a', text('1'))
    await seen.converges({ '/f/a': '1' })
    await server.stop()
  })

  describe('users', () => {
    let server: EtcdServer
    let url: string

    beforeAll(async () => {
      server = await startEtcd({ rootPassword: 'root secret', flags: { 'auth-token-ttl': 1 } })
      await server.ctl('role', 'add', 'f')
      await server.ctl('role', 'grant-permission', 'f', 'readwrite', '/f/', '--prefix=true')
      await server.ctl('user', 'add', 'app:s3cret/@')
      await server.ctl('user', 'grant-role', 'app', 'f')
      url = `etcd://app:s3cret%2F%40@${server.host}:${server.port}`
    }, 60_000)

    it('user and password of the URL; rights for a prefix are enough to watch, read and write it', async () => {
      const seen = follower({ url })
      await seen.agent.start()
      await seen.agent.put('/f/a', text('1'))
      await seen.agent.put('/f/ttl', text('1'), { ttlMs: 60_000 })
      await seen.converges({ '/f/a': '1', '/f/ttl': '1' })
      await seen.agent.delete('/f/', { prefix: true })
      await seen.converges({})
    })

    it('a wrong password, an unknown user, no login: SYNC_ACCESS_DENIED, without secrets', async () => {
      const at = `${server.host}:${server.port}`
      for (const login of ['app:wrong@', 'nobody:s3cret@']) {
        const error = await open({ url: `etcd://${login}${at}` })
        expect(error).toMatchObject({ code: 'SYNC_ACCESS_DENIED', retryable: false })
        expect(String(error)).not.toMatch(/wrong|s3cret/)
      }
      const agent = new Agent({ transport: etcd({ url: server.url }) })
      agents.push(agent)
      await expect(agent.put('/f/x', text('1'))).rejects.toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
      })
    })

    it('a password that never comes, or fails to: unreachable as yet, and close does not wait for it', async () => {
      const { host, port } = server
      const url = `etcd://${host}:${port}`
      const warnings: unknown[] = []
      const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) }
      for (const password of [
        () => new Promise<string>(() => {}),
        () => Promise.reject(new Error('s3cret')),
      ]) {
        const transport = etcd({ url, username: 'root', password, connectTimeoutMs: 300 })
        await transport.open(realIo({ logger }))
        expect(warnings.length).toBeGreaterThan(0)
        await transport.close()
      }
      const messages = warnings.map((fields) => (fields as { err: Error }).err.message)
      expect(messages.join()).not.toContain('s3cret')
    })

    it('a key without rights: SYNC_ACCESS_DENIED, the next write works', async () => {
      const agent = new Agent({ transport: etcd({ url }) })
      agents.push(agent)
      await expect(agent.put('/other', text('1'))).rejects.toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
      })
      await agent.put('/f/x', text('1'))
      await agent.delete('/f/x')
    })

    it('several prefixes: the range from the first to the last has to be readable, and the error says so', async () => {
      await server.ctl('role', 'grant-permission', 'f', 'readwrite', '/h/', '--prefix=true')
      const transport = etcd({ url })
      const probe = probeStream(transport, ['/f/', '/h/'])
      expect(await probe.failure()).toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
        message: expect.stringContaining('from "/f/" to "/h0"'),
      })
      await transport.close()
      await server.ctl('role', 'grant-permission', 'f', 'read', '/f0', '/h/')
      const allowed = etcd({ url })
      const again = probeStream(allowed, ['/f/', '/h/'])
      await again.untilListed()
      await server.ctl('put', '/h/a', '1')
      await again.until((state) => state.get('/h/a') === '1')
      await again.stop()
      await allowed.close()
    })

    it('W17: a token that has run out is fetched anew; the watch keeps its resume point', async () => {
      const link = await openLink(server)
      let asked = 0
      const seen = follower({
        url: link.url('etcd'),
        username: 'app',
        password: async () => {
          asked++
          return 's3cret/@'
        },
        // No probe in the meantime would keep the token alive.
        livenessMs: 60_000,
      })
      await seen.agent.start()
      await seen.agent.put('/f/a', text('1'))
      await seen.converges({ '/f/a': '1' })
      const before = asked
      const over = performance.now() + 2_500
      await waitFor(() => performance.now() > over)
      await seen.agent.put('/f/b', text('2'))
      expect(asked).toBe(before + 1)
      link.drop()
      await waitFor(() => seen.agent.put('/f/c', text('3')))
      await seen.converges({ '/f/a': '1', '/f/b': '2', '/f/c': '3' })
      expect(seen.resyncs).toEqual(['startup'])
      await seen.agent.delete('/f/', { prefix: true })
    })

    it('W17: tokens that the server takes back: many calls share one new login', async () => {
      let asked = 0
      const password = (): string => {
        asked++
        return 's3cret/@'
      }
      const { host, port } = server
      const agent = new Agent({
        transport: etcd({ url: `etcd://${host}:${port}`, username: 'app', password }),
      })
      agents.push(agent)
      await agent.put('/f/a', text('1'))
      expect(asked).toBe(1)
      await server.ctlInput('s3cret/@\n', 'user', 'passwd', 'app', '--interactive=false')
      await Promise.all(Array.from({ length: 20 }, (_, i) => agent.put(`/f/${i}`, text('2'))))
      expect(asked).toBe(2)
      await agent.delete('/f/', { prefix: true })
    })

    it('a server without users takes no password: a warning, no error', async () => {
      const plain = await startEtcd()
      expect(await open({ url: plain.url, username: 'app', password: 'x' })).toBeUndefined()
      await plain.stop()
    })
  })

  it('W17: JSON web tokens that run out', async () => {
    const folder = await tempDir('jwt')
    const run = promisify(execFile)
    await run('openssl', ['genrsa', '-out', join(folder, 'key.pem'), '2048'])
    await run('openssl', [
      'rsa',
      '-in',
      join(folder, 'key.pem'),
      '-pubout',
      '-out',
      join(folder, 'pub.pem'),
    ])
    const keys = `pub-key=${join(folder, 'pub.pem')},priv-key=${join(folder, 'key.pem')}`
    const server = await startEtcd({
      rootPassword: 'pw',
      flags: { 'auth-token': `jwt,${keys},sign-method=RS256,ttl=2s` },
    })
    const link = await openLink(server)
    const seen = follower({ url: `etcd://root:pw@${link.host}:${link.port}`, livenessMs: 600 })
    await seen.agent.start()
    const over = performance.now() + 4_500
    for (let i = 0; performance.now() < over; i++) {
      await seen.agent.put('/f/a', text(String(i)))
      await waitFor(() => seen.fold.get('/f/a') === String(i))
    }
    // A change of users makes older tokens invalid.
    await server.ctl('user', 'add', 'somebody:x')
    await seen.agent.put('/f/b', text('1'))
    link.drop()
    await waitFor(() => seen.agent.put('/f/c', text('1')))
    await waitFor(() => seen.fold.get('/f/c') === '1')
    expect(seen.resyncs).toEqual(['startup'])
    expect(seen.violations).toEqual([])
    await server.stop()
  })

  describe('TLS', () => {
    let server: EtcdServer
    let ca: Buffer

    beforeAll(async () => {
      server = await startEtcd({ tls: true, clientCertificates: true })
      ca = await readFile(server.certificates?.ca ?? '')
    }, 60_000)

    it('etcds:// with the authority and a client certificate', async () => {
      const cert = await readFile(server.certificates?.certificate ?? '')
      const key = await readFile(server.certificates?.key ?? '')
      const seen = follower({ url: server.url, tls: { ca, cert, key } })
      await seen.agent.start()
      await seen.agent.put('/f/a', text('1'))
      await seen.converges({ '/f/a': '1' })
    })

    it('an unknown authority, a wrong name: SYNC_ACCESS_DENIED with the code', async () => {
      expect(await open({ url: server.url })).toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
        message: expect.stringMatching(/TLS failed \([A-Z_]+\)/),
      })
      const other = await makeCertificates(await tempDir('other'))
      expect(await open({ url: server.url, tls: { ca: await readFile(other.ca) } })).toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
      })
      const named = { ca, servername: 'elsewhere.example' }
      expect(await open({ url: server.url, tls: named })).toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
        message: expect.stringMatching(/ERR_TLS_CERT_ALTNAME_INVALID/),
      })
    })

    it('no client certificate where the server wants one: SYNC_ACCESS_DENIED', async () => {
      expect(await open({ url: server.url, tls: { ca } })).toMatchObject({
        code: 'SYNC_ACCESS_DENIED',
        message: expect.stringMatching(/TLS failed \([\dA-Z_]+\)/),
      })
    })

    it('what is no certificate is told at once', () => {
      const broken = { cert: 'no certificate', key: 'no key' }
      expect(() => etcd({ url: server.url, tls: broken })).toThrow(
        expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option: 'tls' }),
      )
    })
  })
})
