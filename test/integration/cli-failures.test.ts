import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { runCli, runShell, startCli } from '../support/cli.ts'
import { serveAgent } from '../support/rest.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'

describe('output that cannot be written', () => {
  it('is no failure when its reader has gone', async () => {
    for (const command of ['--help', 'put --help', '--version', 'demo']) {
      const { stdout, stderr } = await runShell(
        `datasync ${command} | true; echo "code \${PIPESTATUS[0]}"`,
      )
      expect({ command, stdout, stderr }).toEqual({ command, stdout: 'code 0\n', stderr: '' })
    }
  })

  it('is a failure when the disk is full', async () => {
    for (const command of ['--help', 'doctor memory:']) {
      const { code, stderr } = await runShell(`datasync ${command} > /dev/full`)
      expect({ command, code }).toEqual({ command, code: 1 })
      expect(stderr).toMatch(/^error\[ENOSPC\]: writing failed: .*\n$/u)
    }
  })
})

describe('errors', () => {
  it('show how a URL is written', async () => {
    for (const url of ['redis://h:99999', 'redis:h', 'redis://h/db', 'nowhere']) {
      const { code, stderr } = await runCli(['get', url, '/a'])
      expect({ url, code }).toEqual({ url, code: 2 })
      expect(stderr).toContain('redis://[user:password@]host[:port][/db]')
    }
  })

  it('have no hint that is about something else', async () => {
    const hint = async (...args: string[]): Promise<string> => (await runCli(args)).stderr
    expect(await hint('put', 'memory:', '/a', '1', '--ttl', '99999999d')).not.toContain('--set')
    expect(await hint('put', 'memory:', '/a', '1', '--if-absent', '--if-version', '1')).toContain(
      'give --if-absent or --if-version',
    )
    expect(await hint('get', 'redis://h:0', '/a')).toContain('`datasync --help` shows')
    expect(await hint('ls', 'memory:', '--set', 'histroyLimit=1')).toContain('docs/adapters')
    expect(await hint('get', 'redis://secret@h', '/a')).toContain('//:password@host')
    const { url } = await serveAgent({ limits: { maxBodyBytes: 4 } })
    expect(await hint('put', url, '/a', '12345')).toContain('--limit maxBodyBytes=')
    // OpenSSL ends its words with a newline.
    const encrypted = await hint('get', url.replace('http:', 'https:'), '/a')
    expect(encrypted).toMatch(/^cause: .*wrong version number.*[^n\n]$/mu)
  })

  it('tell a folder without a store and a file from a store, and make none', async () => {
    const folder = await tempDir('cli')
    const file = join(folder, 'file')
    await writeFile(file, '')
    const empty = join(folder, 'empty')
    await mkdir(empty)
    for (const command of [['get'], ['ls'], ['watch']]) {
      const inEmpty = await runCli([...command, `lmdb:${empty}`, '/a'])
      expect(inEmpty).toMatchObject({ code: 2, stdout: '' })
      expect(inEmpty.stderr).toContain(`there is no store at ${empty}`)
      const inFile = await runCli([...command, `lmdb:${file}`, '/a'])
      expect(inFile).toMatchObject({ code: 2, stdout: '' })
      expect(inFile.stderr).toContain(`${file} is not a folder`)
    }
    const { code, stdout } = await runCli(['doctor', `lmdb:${file}`, '--human'])
    expect(code).toBe(2)
    expect(stdout).toContain('is not a folder')
    expect(stdout).not.toContain('chown')
  })

  it('of a store in use come without a word that it is live', async () => {
    const url = `lmdb:${await tempDir('cli')}`
    await runCli(['put', url, '/a', '1'])
    const holder = startCli(['watch', url, '/'])
    await holder.record(({ event }) => event === 'resynced')
    const { code, stderr } = await runCli(['watch', url, '/'])
    expect(code).toBe(5)
    expect(stderr).toContain('SYNC_STORE_LOCKED')
    expect(stderr).not.toContain('live')
    await holder.kill('SIGINT')
  })
})

describe('Ctrl-C', () => {
  it('ends a command that waits for its input', async () => {
    const { stdout } = await runShell(
      `timeout -k 5 -s INT 3 bash -c 'datasync put memory: /a -; echo "code $?"' < <(exec sleep 10 2> /dev/null)`,
    )
    expect(stdout).toBe('code 130\n')
  })
})

describe('doctor', () => {
  it('ends when its time is over, and asks whether the server speaks TLS', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    onTeardown(() => void silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const startedAt = Date.now()
    const url = `rediss://127.0.0.1:${port}`
    const cut = await runCli(['doctor', url, '--timeout', '300ms'])
    expect(cut).toMatchObject({ code: 6, stdout: '' })
    expect(Date.now() - startedAt).toBeLessThan(8_000)
    const { code, stdout } = await runCli(['doctor', url, '--set', 'connectTimeoutMs=300'])
    expect(code).toBe(5)
    expect(stdout).toContain('Without TLS the URL begins with redis://')
  })
})
