import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { raw } from '../../src/index.ts'
import { makeAuthority } from '../support/certificates.ts'
import { runCli, startCli } from '../support/cli.ts'
import type { CliOutcome, CliRecord } from '../support/cli.ts'
import { serveAgent } from '../support/grpc.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'

const value = (text: string) => raw(Buffer.from(text))

function found({ records }: CliOutcome, check: string): CliRecord | undefined {
  return records.find((record) => record['check'] === check)
}

it('put, get, ls, watch and del on a served agent', async () => {
  const { agent, url } = await serveAgent()
  expect(await runCli(['put', url, '/c/a', 'one'])).toMatchObject({ code: 0 })
  expect(Buffer.from((await agent.get('/c/a'))?.bytes ?? []).toString()).toBe('one')
  const watch = startCli(['watch', url, '/c/'])
  await watch.record(({ event }) => event === 'resynced')
  await agent.put('/c/b', value('two'))
  await watch.record(({ key }) => key === '/c/b')
  await watch.kill('SIGINT')
  expect((await runCli(['get', url, '/c/b'])).records).toMatchObject([
    { key: '/c/b', value: 'two' },
  ])
  expect((await runCli(['ls', url, '/c/'])).records).toHaveLength(2)
  expect(await runCli(['del', url, '/c/', '--prefix'])).toMatchObject({ code: 0 })
  expect((await runCli(['ls', url, '/c/'])).records).toHaveLength(0)
})

it('mirror from one agent to another', async () => {
  const from = await serveAgent()
  const to = await serveAgent()
  await from.agent.put('/m/a', value('1'))
  await to.agent.put('/m/gone', value('1'))
  expect(await runCli(['mirror', from.url, to.url, '/m/', '--once'])).toMatchObject({ code: 0 })
  expect(await to.agent.get('/m/a')).toBeDefined()
  await waitFor(async () => (await to.agent.get('/m/gone')) === undefined)
})

it('a token in the URL, TLS files, and what doctor says of rights', async () => {
  const authority = await makeAuthority()
  const token = 'cli-token-0123456789'
  const { url } = await serveAgent(
    {},
    {
      tls: await authority.server(),
      access: [{ name: 'cli', token, read: ['/c/'], write: ['/c/w/'] }],
    },
  )
  const ca = join(await tempDir('tls'), 'ca.pem')
  await writeFile(ca, authority.ca)
  const withToken = url.replace('//', `//${token}@`)
  const files = ['--tls-ca', ca]
  expect(await runCli(['put', withToken, '/c/w/a', 'x', ...files])).toMatchObject({ code: 0 })
  expect((await runCli(['put', withToken, '/c/a', 'x', ...files])).code).not.toBe(0)
  const good = await runCli(['doctor', withToken, '/c/w/', ...files])
  expect(good.code).toBe(0)
  expect(good.records.map(({ check, level }) => [check, level])).toEqual([
    ['connection', 'ok'],
    ['served', 'ok'],
    ['watch', 'ok'],
    ['right to read', 'ok'],
    ['right to write', 'ok'],
    ['message size', 'ok'],
  ])
  expect(
    found(await runCli(['doctor', withToken, '/d/', ...files]), 'right to read'),
  ).toMatchObject({
    level: 'error',
    code: 'SYNC_ACCESS_DENIED',
  })
  for (const arguments_ of [[url, ...files], [withToken]]) {
    const refused = await runCli(['doctor', ...arguments_])
    expect(refused.code).toBe(5)
    expect(found(refused, 'connection')).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    expect(JSON.stringify(refused)).not.toContain(token)
  }
  expect(found(await runCli(['doctor', 'grpc://127.0.0.1:1']), 'connection')).toMatchObject({
    level: 'error',
    code: 'SYNC_UNAVAILABLE',
  })
})
