import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { readText } from '../support/repository.ts'
import { runCli, runShell, startCli } from '../support/cli.ts'
import type { CliOutcome } from '../support/cli.ts'
import { tempDir } from '../support/temp-dir.ts'

const NETWORK = ['--proto', 'proto/examples/network.proto']
const COMMANDS = ['watch', 'get', 'ls', 'put', 'del', 'mirror', 'serve', 'doctor', 'demo']

describe('datasync', () => {
  it('shows its version and its help, which has every command and exit code', async () => {
    const { version } = JSON.parse(readText('package.json')) as { version: string }
    expect(await runCli(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
    const { code, stdout } = await runCli(['--help'])
    expect(code).toBe(0)
    for (const name of COMMANDS) expect(stdout).toContain(`\n  ${name} `)
    expect(stdout).toContain('Exit codes:')
    expect(stdout).toContain('redis+cluster://')
  })

  it.each(COMMANDS)('%s --help has examples', async (name) => {
    const { code, stdout, stderr } = await runCli([name, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain(`$ datasync ${name}`)
  })

  it.each([
    { args: [], says: 'Usage: datasync' },
    { args: ['wtach', 'memory:', ''], says: 'Did you mean watch?' },
    { args: ['get', 'memory:'], says: "missing required argument 'key'" },
    { args: ['get', 'memory:', '/a', '--jsn'], says: 'Did you mean --json?' },
    { args: ['get', 'memory:', '/a', '--json', '--human'], says: 'cannot be used with' },
    { args: ['get', 'memory:', '/a', '--timeout', '5'], says: 'unit' },
    { args: ['get', '/no/scheme', '/a'], says: 'has no scheme' },
    { args: ['get', 'consul://127.0.0.1', '/a'], says: 'known: memory:, lmdb:, redis:' },
    { args: ['get', 'redis://', '/a'], says: 'error[SYNC_INVALID_OPTION]' },
    { args: ['get', 'redis://h', '/a', '--set', 'scanCuont=1'], says: 'scanCuont' },
    { args: ['get', 'env:DATASYNC_NOT_SET', '/a'], says: '"DATASYNC_NOT_SET" is not set' },
    { args: ['get', 'memory:', ''], says: 'error[SYNC_INVALID_KEY]' },
    { args: ['get', 'lmdb:/nowhere/at/all', '/a'], says: 'there is no store' },
    { args: ['get', 'memory:', '/a', '--proto', 'none.proto'], says: 'none.proto' },
    { args: ['get', 'memory:', '/a', '--type', 'no.Such'], says: 'no message type "no.Such"' },
    { args: ['put', 'memory:', '/a'], says: 'the value is missing' },
    { args: ['put', 'memory:', '/a', 'xyz', '--hex'], says: '--hex' },
    { args: ['del', 'memory:', '', '--prefix'], says: '--yes' },
  ])('$args is a usage error', async ({ args, says }) => {
    const { code, stdout, stderr } = await runCli(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
  })
})

describe('get, put, ls and del', () => {
  it('write, read, list and delete, each process after the other', async () => {
    const url = await newStore()
    const put = await runCli(['put', url, '/a', 'hello'])
    expect(put).toMatchObject({ code: 0, records: [{ key: '/a', bytes: 5 }] })
    const version = put.records[0]?.['version']
    const get = await runCli(['get', url, '/a'])
    expect(get).toMatchObject({ code: 0, stderr: '' })
    expect(get.records).toEqual([
      { key: '/a', value: 'hello', encoding: 'utf8', version, revision: 1 },
    ])
    await runCli(['put', url, '/b', '--hex', '00 ff'])
    await runCli(['put', url, '/c', ''])
    const ls = await runCli(['ls', url, '--values'])
    expect(ls.records).toMatchObject([
      { key: '/a', value: 'hello' },
      { key: '/b', value: 'AP8=', encoding: 'base64' },
      { key: '/c', value: '', encoding: 'utf8' },
    ])
    expect((await runCli(['ls', url, '/b', '--human'])).stdout).toBe('/b\n')
    expect((await runCli(['ls', url, '--count'])).records).toEqual([{ prefix: '', count: 3 }])
    expect((await runCli(['del', url, '/a'])).records[0]).toMatchObject({ deleted: 1 })
    expect((await runCli(['del', url, '/a', '--human'])).stdout).toBe('deleted 0\n')
    const dry = await runCli(['del', url, '/', '--prefix', '--dry-run'])
    expect(dry.records[0]).toMatchObject({ dryRun: true, deleted: 2 })
    const all = await runCli(['del', url, '', '--prefix', '--yes'])
    expect(all.records[0]).toMatchObject({ dryRun: false, deleted: 2 })
    expect((await runCli(['ls', url])).stdout).toBe('')
  })

  it('exit with 3 for no such key, with 4 for a conflict', async () => {
    const url = await newStore()
    const { records } = await runCli(['put', url, '/a', '1', '--if-absent'])
    const version = String(records[0]?.['version'])
    expect(await runCli(['get', url, '/b'])).toMatchObject({ code: 3, stdout: '' })
    const absent = await runCli(['put', url, '/a', '2', '--if-absent'])
    expect(absent).toMatchObject({ code: 4, stdout: '' })
    expect(absent.stderr).toMatch(/^error\[SYNC_VERSION_CONFLICT\]: .*\nhint: /u)
    expect(await runCli(['put', url, '/a', '2', '--if-version', version])).toMatchObject({
      code: 0,
    })
    expect(await runCli(['put', url, '/a', '3', '--if-version', version])).toMatchObject({
      code: 4,
    })
    expect(await runCli(['del', url, '/a', '--if-version', version])).toMatchObject({ code: 4 })
    expect((await runCli(['get', url, '/a'])).records[0]).toMatchObject({ value: '2' })
  })

  it('take values from stdin and files, and give bytes back as they were', async () => {
    const url = await newStore()
    const folder = await tempDir('cli')
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    await writeFile(join(folder, 'in'), bytes)
    const line = `datasync put ${url} /stdin - < ${folder}/in && datasync get ${url} /stdin --raw > ${folder}/out`
    expect(await runShell(line)).toMatchObject({ code: 0 })
    expect(await readFile(join(folder, 'out'))).toEqual(bytes)
    await runCli(['put', url, '/file', '--file', join(folder, 'in')])
    const { records } = await runCli(['get', url, '/file', '--format', 'hex'])
    expect(records[0]).toMatchObject({ value: bytes.toString('hex'), encoding: 'hex' })
  })

  it('let a key vanish after its time', async () => {
    const url = await newStore()
    await runCli(['put', url, '/a', '1', '--ttl', '1ms'])
    expect(await runCli(['get', url, '/a'])).toMatchObject({ code: 3 })
  })

  it('find a store that is in use: reading goes on, writing exits with 5', async () => {
    const url = await newStore()
    await runCli(['put', url, '/a', '1'])
    const holder = startCli(['watch', url, ''])
    await holder.record(({ event }) => event === 'resynced')
    expect((await runCli(['get', url, '/a'])).records[0]).toMatchObject({ value: '1' })
    const refused = await runCli(['put', url, '/a', '2'])
    expect(refused).toMatchObject({ code: 5, stdout: '' })
    expect(refused.stderr).toContain(`error[SYNC_STORE_LOCKED]`)
    expect(refused.stderr).toContain(`process ${holder.pid}`)
    expect(await holder.kill('SIGINT')).toMatchObject({ code: 0 })
    expect(await runCli(['put', url, '/a', '2'])).toMatchObject({ code: 0 })
  })

  it('take the URL from the environment', async () => {
    const url = await newStore()
    expect(await runCli(['put', 'env:STORE', '/a', '1'], { STORE: url })).toMatchObject({ code: 0 })
    expect(await runCli(['get', url, '/a'])).toMatchObject({ code: 0 })
  })
})

describe('messages', () => {
  it('are written and read as JSON', async () => {
    const url = await newStore()
    const type = [...NETWORK, '--type', 'examples.Interface']
    const json = { type: 'ETHERNET', enabled: true, addresses: ['10.0.0.1/24'], mtu: 1500 }
    await ok(runCli(['put', url, '/if/eth0', JSON.stringify(json), ...type]))
    const typed = await ok(runCli(['get', url, '/if/eth0', ...type]))
    expect(typed.records[0]).toMatchObject({ value: json, encoding: 'json' })
    const bytes = await ok(runCli(['get', url, '/if/eth0', '--format', 'hex']))
    expect(bytes.records[0]?.['value']).toBe('080110011a0b31302e302e302e312f323420dc0b')
    const human = await ok(runCli(['get', url, '/if/eth0', ...type, '--human']))
    expect(human.stdout).toContain('\n  "mtu": 1500\n}\n')
  })

  it('come from descriptor sets, and differ by prefix', async () => {
    const url = await newStore()
    const set = join(await tempDir('cli'), 'network.bin')
    const buf = 'node_modules/.bin/buf build proto/examples'
    await ok(runShell(`${buf} -o ${set}`))
    const types = ['--type', '/if/=examples.Interface', '--type', '/rt/=examples.Route']
    const known = ['--proto', set, ...types]
    await ok(runCli(['put', url, '/if/eth0', '{"mtu":1500}', ...known]))
    await ok(runCli(['put', url, '/rt/a', '{"nextHop":"10.0.0.1"}', ...known]))
    await ok(runCli(['put', url, '/text', 'plain', ...known]))
    const { records } = await ok(runCli(['ls', url, '--values', ...known]))
    expect(records.map(({ value }) => value)).toEqual([
      { mtu: 1500 },
      { nextHop: '10.0.0.1' },
      'plain',
    ])
  })

  it('that do not fit are told: written none, read as bytes', async () => {
    const url = await newStore()
    const type = [...NETWORK, '--type', 'examples.Interface']
    const bad = await runCli(['put', url, '/if/eth0', '{"mtuu":1}', ...type])
    expect(bad).toMatchObject({ code: 2, stderr: expect.stringContaining('mtuu') })
    await ok(runCli(['put', url, '/if/eth0', '--hex', 'ffff']))
    const { records } = await ok(runCli(['get', url, '/if/eth0', ...type]))
    expect(records[0]).toMatchObject({
      value: '//8=',
      encoding: 'base64',
      error: expect.stringContaining('not of type examples.Interface'),
    })
    const unnamed = await runCli(['get', url, '/if/eth0', ...NETWORK])
    expect(unnamed).toMatchObject({ code: 2, stderr: expect.stringContaining('examples.Route') })
  })
})

describe('output for people', () => {
  it('shows nothing that could steer the terminal', async () => {
    const url = await newStore()
    await ok(runCli(['put', url, '/a\u001b[31m', '\u001b]0;title\u0007 x']))
    const { stdout } = await ok(runCli(['ls', url, '--values', '--human']))
    expect(stdout).not.toContain('\u001b')
    expect(stdout).toContain('/a\\x1b[31m')
  })

  it('has colours when asked, and none with NO_COLOR', async () => {
    const url = await newStore()
    await ok(runCli(['put', url, '/a', '1']))
    const args = ['ls', url, '--values', '--human']
    expect((await runCli(args, { FORCE_COLOR: '1' })).stdout).toContain('\u001b[1m/a')
    expect((await runCli(args, { FORCE_COLOR: '1', NO_COLOR: '1' })).stdout).toBe('/a  1\n')
  })

  // Other systems' script takes other options.
  const onLinux = process.platform === 'linux' ? it : it.skip
  onLinux('is what a terminal gets', async () => {
    const url = await newStore()
    await ok(runCli(['put', url, '/a', '1']))
    const line = `script -qec 'datasync ls ${url} --values' /dev/null`
    const { stdout } = await ok(runShell(line, { NO_COLOR: '1', SHELL: '/bin/bash' }))
    expect(stdout.trim()).toBe('/a  1')
  })
})

async function newStore(): Promise<string> {
  return `lmdb:${join(await tempDir('cli'), 'store')}`
}

async function ok(run: Promise<CliOutcome>): Promise<CliOutcome> {
  const outcome = await run
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  return outcome
}
