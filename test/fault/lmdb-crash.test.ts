import { describe, expect, it } from '@jest/globals'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { keysUnder, openStore, pairsUnder } from '../integration/lmdb-fixture.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'

interface Acknowledged {
  readonly group: string
  readonly names: number
  readonly revision: number
}

const revisionOf = (version: string): number => Number(version.split('-').at(-1))

/** Lets a writer run until it has so many acknowledgements, kills it, and returns all that it was able to tell. */
async function killedWriter(path: string, round: number, count: number): Promise<Acknowledged[]> {
  const program = spawnNode('test/fault/lmdb-writer.program.ts', { args: [path, String(round)] })
  expect(await program.nextLine()).toBe('open')
  const acknowledged: Acknowledged[] = []
  for await (const line of program.lines) {
    const [group, names, version] = line.split(' ')
    // The kill may have cut the last line.
    if (group === undefined || version === undefined) break
    acknowledged.push({ group, names: Number(names), revision: revisionOf(version) })
    if (acknowledged.length === count) void program.kill('SIGKILL')
  }
  expect(await program.exited).toBe('SIGKILL')
  return acknowledged
}

describe('lmdb: a process killed while it writes', () => {
  it('loses nothing that was acknowledged, and no transaction is there in part', async () => {
    const path = await tempDir('lmdb')
    let before = 0
    for (let round = 0; round < 4; round++) {
      const acknowledged = await killedWriter(path, round, 200 + round * 700)
      const store = lmdb({ path })
      await store.open(realIo())
      const groups = new Map<string, { names: string[]; revisions: Set<number>; value: string }>()
      for (const { key, revision, value } of await pairsUnder(store, `${round}/`)) {
        const at = key.lastIndexOf('/')
        const group = groups.get(key.slice(0, at)) ?? { names: [], revisions: new Set(), value: '' }
        groups.set(key.slice(0, at), group)
        group.names.push(key.slice(at + 1))
        group.revisions.add(revision)
        group.value = Buffer.from(value).toString()
      }
      for (const { group, names, revision } of acknowledged) {
        expect(groups.get(group)).toMatchObject({
          names: names === 3 ? ['a', 'b', 'c'] : ['a'],
          revisions: new Set([revision]),
        })
      }
      let last = 0
      for (const [group, { names, revisions, value }] of groups) {
        const i = Number(group.split('/')[2])
        expect(names).toEqual(i % 2 === 0 ? ['a', 'b', 'c'] : ['a'])
        expect(revisions.size).toBe(1)
        expect(value).toBe(group.repeat(1 + (i % 50)))
        for (const revision of revisions) {
          expect(revision).toBeGreaterThan(before)
          last = Math.max(last, revision)
        }
      }
      // The revisions go on behind everything that is there.
      const { versions } = await commitTo(store, put(`fence/${round}`, '1'))
      expect(revisionOf(versions[0] as string)).toBe(last + 1)
      before = last + 1
      await store.close()
    }
  })

  it('leaves a store that the next process opens at once', async () => {
    const path = await tempDir('lmdb')
    await killedWriter(path, 0, 50)
    const next = spawnNode('test/fault/lmdb-holder.program.ts', { args: [path, 'once'] })
    expect(await next.nextLine()).toBe('open')
    expect(await next.exited).toBe(0)
  })

  it('leaves a store that a reader can read, also beside a living writer', async () => {
    const path = await tempDir('lmdb')
    await killedWriter(path, 0, 50)
    const reader = await openStore({ path, readOnly: true })
    expect((await keysUnder(reader, '0/')).length).toBeGreaterThan(50)
    const program = spawnNode('test/fault/lmdb-writer.program.ts', { args: [path, '1'] })
    for (let i = 0; i < 100; i++) await program.nextLine()
    const acknowledged = (await program.nextLine()).split(' ')[0] as string
    expect(await keysUnder(reader, `${acknowledged}/`)).not.toEqual([])
    await program.kill()
    await reader.close()
  })
})
