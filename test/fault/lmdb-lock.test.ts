import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it } from '@jest/globals'
import { keysUnder, openStore, watch } from '../integration/lmdb-fixture.ts'
import { guardedSpawn } from '../support/guarded-spawn.ts'
import { ROOT } from '../support/repository.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, put } from '../support/transport-stream.ts'

const ROUNDS = 20
const HOLDER = 'test/fault/lmdb-holder.program.ts'

const NAMESPACE = ['-fp', '--mount-proc', '--kill-child']
const hasNamespaces = spawnSync('unshare', [...NAMESPACE, 'true']).status === 0
if (!hasNamespaces) console.warn('no container test: unshare needs root on Linux')

/** The holder as process 1 of a namespace, as in a container; its first line of output. */
async function contained(path: string): Promise<{ line: string; kill(): Promise<void> }> {
  const child = guardedSpawn(
    'unshare',
    [...NAMESPACE, process.execPath, '--import', 'tsx', HOLDER, path],
    { cwd: ROOT, env: { ...process.env, NODE_OPTIONS: '' } },
  )
  const exited = once(child, 'close')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  onTeardown(kill)
  const [line] = await once(
    createInterface({ input: child.stdout as NodeJS.ReadableStream }),
    'line',
  )
  return { line: line as string, kill }
}

function socketsIn(path: string): string[] {
  return readdirSync(path).filter((name) => name.endsWith('.sock'))
}

describe('lmdb: one owner among processes', () => {
  it(`of two that start at once exactly one wins, ${ROUNDS} times, in new and old stores`, async () => {
    const root = await tempDir('lmdb')
    const args = [root, String(ROUNDS)]
    const programs = [0, 1].map(() => spawnNode('test/fault/lmdb-rounds.program.ts', { args }))
    for (const program of programs) expect(await program.nextLine()).toBe('ready')
    for (let round = 0; round < ROUNDS; round++) {
      writeFileSync(join(root, `go-${round}`), '')
      const results = await Promise.all(programs.map((program) => program.nextLine()))
      const winner = results.indexOf('open')
      const refused = results[1 - winner]
      expect([...results].sort()[1]).toBe('open')
      expect(refused).toContain('SYNC_STORE_LOCKED')
      expect(refused).toContain(`process ${programs[winner]?.pid}`)
      writeFileSync(join(root, `end-${round}`), '')
      for (const program of programs) expect(await program.nextLine()).toBe('closed')
    }
    for (const program of programs) expect(await program.exited).toBe(0)
  })

  it('the lock dies with its holder', async () => {
    const path = await tempDir('lmdb')
    for (let round = 0; round < 3; round++) {
      const holder = spawnNode(HOLDER, { args: [path] })
      expect(await holder.nextLine()).toBe('open')
      await expect(openStore({ path })).rejects.toMatchObject({
        code: 'SYNC_STORE_LOCKED',
        holder: `process ${holder.pid}`,
      })
      await holder.kill('SIGKILL')
      const store = await openStore({ path })
      await commitTo(store, put(`k${round}`, '1'))
      // What the killed one left is cleared away.
      expect(socketsIn(path)).toHaveLength(1)
      await store.close()
    }
  })

  it('a holder that is stopped is still the holder', async () => {
    const path = await tempDir('lmdb')
    const holder = spawnNode(HOLDER, { args: [path] })
    expect(await holder.nextLine()).toBe('open')
    await holder.kill('SIGSTOP')
    await expect(openStore({ path })).rejects.toMatchObject({ code: 'SYNC_STORE_LOCKED' })
    await holder.kill('SIGKILL')
    await openStore({ path })
  })

  ;(hasNamespaces ? it : it.skip)('containers are told apart, whatever their numbers', async () => {
    const path = await tempDir('lmdb')
    const holder = await contained(path)
    expect(holder.line).toBe('open')
    const second = await contained(path)
    expect(second.line).toContain('SYNC_STORE_LOCKED')
    expect(second.line).toContain('process 1 of another container')
    await second.kill()
    await expect(openStore({ path })).rejects.toMatchObject({ holder: 'process 1' })
    await holder.kill()
    const third = await contained(path)
    expect(third.line).toBe('open')
    await third.kill()
    await openStore({ path })
  })

  it('a holder whose sign of life was removed is shut out when another takes over', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'))
    const seen = watch(store, [''])
    await seen.until('listed')
    for (const name of socketsIn(store.path)) rmSync(join(store.path, name))
    const other = spawnNode(HOLDER, { args: [store.path] })
    expect(await other.nextLine()).toBe('open')
    const locked = { code: 'SYNC_STORE_LOCKED', holder: `process ${other.pid}` }
    await expect(commitTo(store, put('b', '1'))).rejects.toMatchObject(locked)
    await expect(commitTo(store, put('c', '1'))).rejects.toMatchObject(locked)
    await seen.ended()
    expect(seen.error).toMatchObject(locked)
    expect(await keysUnder(store)).toEqual(['a'])
    await store.close()
    // The one that was shut out has not given away what is not its own.
    await expect(openStore({ path: store.path })).rejects.toMatchObject(locked)
    await other.kill()
    const next = await openStore({ path: store.path })
    expect(await keysUnder(next)).toEqual(['a'])
  })
})
