import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { freePort } from '../../support/free-port.ts'
import { activeResources, leakCheck } from '../../support/leak-check.ts'
import { spawnNode } from '../../support/spawn-node.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { waitFor } from '../../support/wait-for.ts'

describe('waitFor', () => {
  it('gives the first truthy value', async () => {
    let calls = 0
    const value = await waitFor(() => (++calls < 30 ? undefined : `call ${calls}`))
    expect(value).toBe('call 30')
  })

  it('waits for conditions that are promises, and through those that throw', async () => {
    let calls = 0
    const value = await waitFor(async () => {
      if (++calls < 3) throw new Error('not yet')
      return calls
    })
    expect(value).toBe(3)
  })

  it('tells the last value or error', async () => {
    const options = { timeoutMs: 10, describe: 'the end' }
    await expect(waitFor(() => 0, options)).rejects.toThrow(
      'timed out after 10 ms waiting for the end; last value: 0',
    )
    const failing = waitFor(
      () => {
        throw new Error('broken')
      },
      { timeoutMs: 10, describe: () => 'what is said at the end' },
    )
    await expect(failing).rejects.toThrow('what is said at the end; last error: broken')
  })
})

describe('freePort', () => {
  it('gives ports that can be listened on', async () => {
    const port = await freePort()
    const server = createServer()
    await new Promise<void>((resolve) => {
      server.listen(port, '127.0.0.1', resolve)
    })
    const others = await Promise.all(Array.from({ length: 20 }, freePort))
    expect(others).not.toContain(port)
    server.close()
  })
})

describe('leakCheck', () => {
  it('finds a server and a timer until they are gone', async () => {
    const check = await leakCheck()
    await check.expectNoLeaks()
    const server = createServer().listen(0, '127.0.0.1')
    await waitFor(() => server.listening)
    const timer = setTimeout(() => {}, 60_000)
    expect(activeResources().get('TCPServerWrap')).toBeGreaterThan(0)
    await expect(check.expectNoLeaks(20)).rejects.toThrow(/1 TCPServerWrap/u)
    server.close()
    await expect(check.expectNoLeaks(20)).rejects.toThrow(/1 Timeout/u)
    clearTimeout(timer)
    await check.expectNoLeaks()
  })
})

describe('spawnNode', () => {
  async function program(source: string, ...args: string[]) {
    const file = join(await tempDir('program'), 'main.mts')
    await writeFile(file, source)
    return { file, start: () => spawnNode(file, { args, env: { GREETING: 'hello' } }) }
  }

  it('runs TypeScript, gives its lines and its exit code', async () => {
    const { start } = await program(
      `const words: readonly string[] = [process.env.GREETING!, ...process.argv.slice(2)]
      for (const word of words) console.log(word satisfies string)
      console.error('to stderr')
      process.exitCode = 3`,
      'a b',
      'c',
    )
    const child = start()
    const lines: string[] = []
    for await (const line of child.lines) lines.push(line)
    expect(lines).toEqual(['hello', 'a b', 'c'])
    expect(await child.exited).toBe(3)
    expect(child.errors).toContain('to stderr')
    await expect(child.nextLine()).rejects.toThrow(/ended \(3\) .*to stderr/u)
  })

  it('is killed by SIGKILL', async () => {
    const { start } = await program(`console.log('up'); setInterval(() => {}, 1000)`)
    const child = start()
    expect(await child.nextLine()).toBe('up')
    await child.kill()
    expect(await child.exited).toBe('SIGKILL')
    expect(existsSync(`/proc/${child.pid}`)).toBe(false)
  })

  it('what it starts dies with it, also by SIGKILL', async () => {
    const { file } = await program('')
    const guard = join(import.meta.dirname, '../../support/guarded-spawn.ts')
    await writeFile(
      file,
      `import { guardedSpawn } from ${JSON.stringify(guard)}
      console.log(guardedSpawn('sleep', ['600'], { cwd: '/' }).pid)
      setInterval(() => {}, 1000)`,
    )
    const child = spawnNode(file)
    const grandchild = Number(await child.nextLine())
    await waitFor(async () => (await commandOf(grandchild)) === 'sleep')
    await child.kill('SIGKILL')
    await waitFor(async () => (await commandOf(grandchild)) === '')
  })
})

describe('onTeardown', () => {
  it('runs backwards, all of it, and at once when it is too late', async () => {
    const file = join(await tempDir('program'), 'main.mts')
    const teardown = join(import.meta.dirname, '../../support/teardown.ts')
    await writeFile(
      file,
      `import { onTeardown, tearDown } from ${JSON.stringify(teardown)}
      onTeardown(() => console.log('first'))
      onTeardown(() => { throw new Error('broken') })
      const takeBack = onTeardown(() => console.log('taken back'))
      onTeardown(async () => console.log('last'))
      takeBack()
      await tearDown().catch((error) => console.log(error.errors[0].message))
      try { onTeardown(() => console.log('late')) } catch (error) { console.log(error.message) }`,
    )
    const lines: string[] = []
    for await (const line of spawnNode(file).lines) lines.push(line)
    expect(lines).toEqual(['last', 'first', 'broken', 'late', 'the test file is over'])
  })
})

/** The name of a running process; empty when it has ended. */
async function commandOf(pid: number): Promise<string> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')[0] ?? ''
  } catch {
    return ''
  }
}
