import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { open } from 'lmdb'
import { keysUnder, openStore } from '../integration/lmdb-fixture.ts'
import { guardedSpawn } from '../support/guarded-spawn.ts'
import { ROOT } from '../support/repository.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, put } from '../support/transport-stream.ts'

const CORRUPT = { code: 'SYNC_STORE_CORRUPT' }

async function closedStore(): Promise<string> {
  const store = await openStore()
  await commitTo(store, put('a', '1'))
  await store.close()
  return store.path
}

describe('lmdb: a file that is none of ours', () => {
  it.each([
    ['text', 'hello '.repeat(2_000)],
    ['short text', 'hello'],
    ['zeros', '\0'.repeat(16_384)],
  ])('with %s in it is refused, to readers too', async (_what, content) => {
    const path = await tempDir('lmdb')
    writeFileSync(join(path, 'data.mdb'), content)
    for (const readOnly of [false, true]) {
      const opening = openStore({ path, readOnly })
      // Too short to tell from one that is being made, which a reader takes for none.
      const expected = content.length < 100 && readOnly ? { code: 'SYNC_INVALID_OPTION' } : CORRUPT
      await expect(opening).rejects.toMatchObject(expected)
    }
    expect(readFileSync(join(path, 'data.mdb'), 'latin1')).toBe(content)
  })

  it('of another LMDB program is refused and left as it was', async () => {
    const path = await tempDir('lmdb')
    const other = open({ path, noSubdir: false })
    await other.put('theirs', { some: 'thing' })
    await other.close()
    for (const readOnly of [false, true]) {
      await expect(openStore({ path, readOnly })).rejects.toMatchObject(CORRUPT)
    }
    const again = open({ path, noSubdir: false })
    expect([...again.getKeys()]).toEqual(['theirs'])
    await again.close()
  })

  it('with a damaged header or cut off is refused', async () => {
    for (const damage of [
      (file: string) => truncateSync(file, 5_000),
      (file: string) => truncateSync(file, 8_192),
      (file: string) => {
        const bytes = readFileSync(file)
        bytes.fill(0, 24, 28)
        writeFileSync(file, bytes)
      },
    ]) {
      const path = await closedStore()
      damage(join(path, 'data.mdb'))
      await expect(openStore({ path })).rejects.toMatchObject({ ...CORRUPT, path })
    }
  })

  it('that is empty is a new store', async () => {
    const path = await tempDir('lmdb')
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'data.mdb'), '')
    const store = await openStore({ path })
    await commitTo(store, put('a', '1'))
    expect(await keysUnder(store)).toEqual(['a'])
  })
})

describe('lmdb: a full disk', () => {
  it('fails writes, loses nothing, and the store goes on when there is room', async () => {
    const path = await tempDir('lmdb')
    const program = 'test/fault/lmdb-full.program.ts'
    // A limit on the size of files, in blocks of 512 bytes, is met like the end of the disk.
    const command = `ulimit -f 4096; exec "${process.execPath}" --import tsx ${program} "${path}"`
    const child = guardedSpawn('sh', ['-c', command], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      lines.push(line)
    }
    const acknowledged = lines.filter((line) => line.startsWith('k'))
    expect(acknowledged.length).toBeGreaterThan(3)
    expect(lines.slice(acknowledged.length)).toEqual([
      'failed SYNC_UNAVAILABLE not-applied',
      `read ${acknowledged.length}`,
      'deleted 1',
      'put again',
      'closed',
    ])
    const store = await openStore({ path })
    const [first, ...rest] = acknowledged
    expect(await keysUnder(store, 'k')).toEqual([...rest].sort())
    await commitTo(store, put(first as string, '1'))
  })
})
