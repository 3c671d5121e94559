import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { chdir, cwd } from 'node:process'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { compareKeys } from '../../src/api/key.ts'
import type { Op } from '../../src/api/transport.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { leakCheck } from '../support/leak-check.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { keysUnder, openStore, pairsUnder, watch } from './lmdb-fixture.ts'
import { listOf } from '../../src/kit/list-of.ts'

const STORED = { waitFor: 'stored', timeoutMs: 10_000 } as const

/** Some need care in a shell, a file system, an object, or LMDB's own key encoding. */
const ODD_KEYS = [
  '*',
  '?',
  '[a-z]',
  '\\',
  ' ',
  'a b',
  '..',
  '../..',
  '/',
  '//',
  '//a//',
  '.',
  '__proto__',
  'constructor',
  '\0',
  '\0\0',
  'a\0b',
  '\u0001',
  '\u0004',
  '\u0005',
  '1',
  '10',
  '2',
  'é',
  'e\u0301',
  'ß',
  '\uff5e',
  '\uffff',
  '\u{1f600}',
  '\u{10ffff}',
  'k'.repeat(1_024),
  '\u{1f600}'.repeat(256),
]

describe('lmdb: keys and values', () => {
  it('keeps odd keys as they are, in the order of UTF-8', async () => {
    const store = await openStore()
    await Promise.all(ODD_KEYS.map((key) => commitTo(store, put(key, `value of ${key}`))))
    const sorted = [...ODD_KEYS].sort(compareKeys)
    const pairs = await pairsUnder(store)
    expect(pairs.map(({ key }) => key)).toEqual(sorted)
    for (const { key, value } of pairs)
      expect(Buffer.from(value).toString()).toBe(`value of ${key}`)
    const got = await store.get(ODD_KEYS, realIo())
    expect(got.map(({ key }) => key)).toEqual(ODD_KEYS)
    const seen = watch(store, [''])
    await seen.until('listed')
    expect(seen.lines[0]).toBe(`pairs ${sorted.join(' ')}`)
    for (const key of ODD_KEYS) {
      expect(await commitTo(store, { type: 'delete', key })).toMatchObject({ deleted: 1 })
    }
    expect(await keysUnder(store)).toEqual([])
  })

  it('finds what is under a prefix, whatever the keys', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 6 })
    const store = await openStore()
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(text, { maxLength: 12 }), text, async (keys, prefix) => {
        await commitTo(store, { type: 'delete-prefix', prefix: '' })
        if (keys.length > 0) await commitTo(store, ...keys.map((key) => put(key, key)))
        const under = keys.filter((key) => key.startsWith(prefix)).sort(compareKeys)
        expect(await keysUnder(store, prefix)).toEqual(under)
        const { deleted } = await commitTo(store, { type: 'delete-prefix', prefix })
        expect(deleted).toBe(under.length)
        expect((await keysUnder(store)).length).toBe(keys.length - under.length)
      }),
      { numRuns: 60 },
    )
  })

  it.each([
    ['empty', ''],
    ['too long', 'k'.repeat(1_025)],
    ['too long in bytes', '\u{1f600}'.repeat(257)],
    ['with a lone surrogate', 'a\ud800'],
  ])('refuses a key that is %s, and writes nothing of its transaction', async (_what, key) => {
    const store = await openStore()
    const write = commitTo(store, put('good', '1'), put(key, '2'))
    await expect(write).rejects.toMatchObject({ code: 'SYNC_INVALID_KEY', key })
    expect(await keysUnder(store)).toEqual([])
  })

  it('keeps bytes as they are: none, all of them, 1 MiB, the limit', async () => {
    const store = await openStore({ maxValueBytes: 20 * 1024 * 1024 })
    const values = {
      none: new Uint8Array(),
      all: Uint8Array.from({ length: 256 }, (_, i) => i),
      part: new Uint8Array(Buffer.from('a longer text')).subarray(2, 8),
      large: new Uint8Array(1024 * 1024).fill(7),
      largest: new Uint8Array(20 * 1024 * 1024).fill(9),
    }
    for (const [key, value] of Object.entries(values)) {
      await commitTo(store, { type: 'put', key, value })
    }
    const pairs = await pairsUnder(store)
    expect(pairs.map(({ key }) => key)).toEqual(['all', 'large', 'largest', 'none', 'part'])
    for (const { key, value } of [...pairs, ...(await store.get(Object.keys(values), realIo()))]) {
      const expected = values[key as keyof typeof values]
      expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype)
      expect(Buffer.compare(value, expected)).toBe(0)
    }
  })

  it('hands out values that nobody writes to any more', async () => {
    const store = await openStore()
    const sizes = [10, 3_000, 100_000, 1_500_000]
    for (const [i, size] of sizes.entries()) {
      await commitTo(store, { type: 'put', key: `k${i}`, value: new Uint8Array(size).fill(1) })
    }
    const before = [
      ...(await pairsUnder(store)),
      ...(await store.get(['k0', 'k1', 'k2', 'k3'], realIo())),
    ]
    for (let round = 2; round < 6; round++) {
      for (const [i, size] of sizes.entries()) {
        const value = new Uint8Array(size).fill(round)
        await commitTo(store, { type: 'put', key: `k${i}`, value })
      }
      await pairsUnder(store)
    }
    for (const { value } of before) expect(value.every((byte) => byte === 1)).toBe(true)
    await store.close()
    for (const { value } of before) expect(value.every((byte) => byte === 1)).toBe(true)
  })

  it('refuses a value past the limit and goes on', async () => {
    const store = await openStore({ maxValueBytes: 10 })
    const write = commitTo(store, put('a', '1'), put('b', '12345678901'))
    await expect(write).rejects.toMatchObject({
      code: 'SYNC_PAYLOAD_TOO_LARGE',
      size: 11,
      limit: 10,
    })
    await commitTo(store, put('b', '1234567890'))
    expect(await keysUnder(store)).toEqual(['b'])
  })

  it('grows by itself, far past its first map', async () => {
    const store = await openStore({ mapSize: 64 * 1024 })
    const value = new Uint8Array(256 * 1024).fill(3)
    const seen = watch(store, [''])
    for (let i = 0; i < 80; i++) await commitTo(store, { type: 'put', key: `k${i}`, value })
    await seen.until('put k79')
    expect(await pairsUnder(store)).toHaveLength(80)
  })
})

describe('lmdb: commits', () => {
  it('give every key a growing revision and a version that names it', async () => {
    const store = await openStore()
    const first = await commitTo(store, put('a', '1'), put('b', '1'))
    const second = await commitTo(store, put('a', '2'), { type: 'delete', key: 'b' })
    expect(new Set(first.versions).size).toBe(1)
    expect(second).toEqual({ versions: [expect.any(String), undefined], deleted: 1 })
    const [a] = await store.get(['a', 'b'], realIo())
    expect(a).toMatchObject({ key: 'a', revision: 2, version: second.versions[0] })
    const nothing = await commitTo(store, { type: 'delete', key: 'b' })
    expect(nothing).toEqual({ versions: [undefined], deleted: 0 })
    expect(await commitTo(store, put('b', '3'))).toMatchObject({
      versions: [expect.stringMatching(/-3$/u)],
    })
  })

  it('see those before them, also in one batch', async () => {
    const store = await openStore()
    const results = await Promise.allSettled([
      commitTo(store, put('a', '1', { ifAbsent: true })),
      commitTo(store, put('a', '2', { ifAbsent: true })),
      commitTo(store, { type: 'delete', key: 'a' }),
      commitTo(store, { type: 'delete', key: 'a' }),
      commitTo(store, put('a', '3', { ifAbsent: true })),
      commitTo(store, put('b', '1')),
      commitTo(store, { type: 'delete-prefix', prefix: '' }),
      commitTo(store, put('c', '1', { ifVersion: 'no such' })),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
    ])
    expect(results.map((result) => ('value' in result ? result.value.deleted : undefined))).toEqual(
      [0, undefined, 1, 0, 0, 0, 2, undefined],
    )
    expect(await keysUnder(store)).toEqual([])
  })

  it('a condition that does not hold writes nothing and says what is there', async () => {
    const store = await openStore()
    const { versions } = await commitTo(store, put('a', '1'))
    const [version] = versions
    const wrong = commitTo(store, put('b', '1'), put('a', '2', { ifVersion: 'other' }))
    await expect(wrong).rejects.toMatchObject({
      code: 'SYNC_VERSION_CONFLICT',
      key: 'a',
      expected: 'other',
      actual: version,
    })
    const absent = commitTo(store, { type: 'delete', key: 'none', ifVersion: 'other' })
    await expect(absent).rejects.toMatchObject({ key: 'none', actual: undefined })
    expect(await keysUnder(store)).toEqual(['a'])
    await commitTo(store, { type: 'delete', key: 'a', ifVersion: version as string })
    expect(await keysUnder(store)).toEqual([])
  })

  it('of a hundred that want the same version, one wins', async () => {
    const store = await openStore()
    let version = (await commitTo(store, put('a', 'start'))).versions[0] as string
    for (let round = 0; round < 5; round++) {
      const ifVersion = version
      const writes = Array.from({ length: 100 }, (_, i) =>
        commitTo(store, put('a', `${round}/${i}`, { ifVersion })),
      )
      const results = await Promise.allSettled(writes)
      const won = results.filter((result) => result.status === 'fulfilled')
      expect(won).toHaveLength(1)
      version = won[0]?.value.versions[0] as string
      expect((await store.get(['a'], realIo()))[0]?.version).toBe(version)
    }
  })

  it('put back under a deleted prefix in one transaction, a key changes once', async () => {
    const store = await openStore()
    await commitTo(store, put('p/a', '1'), put('p/b', '1'), put('q', '1'))
    const seen = watch(store, [''])
    await seen.until('listed')
    const result = await commitTo(
      store,
      { type: 'delete-prefix', prefix: 'p/' },
      put('p/b', '2'),
      put('p/c', '2'),
    )
    expect(result.deleted).toBe(2)
    await seen.until('put p/c')
    expect(seen.lines.slice(2)).toEqual(['delete p/a', 'put p/b', 'put p/c'])
    expect(await keysUnder(store)).toEqual(['p/b', 'p/c', 'q'])
  })

  it('out of time before its turn, one is not written', async () => {
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    const late = store.commit([put('late', '1')], { waitFor: 'stored', timeoutMs: 50 }, realIo())
    const patient = commitTo(store, put('patient', '1'))
    clock.advance(60)
    await expect(late).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'not-applied' })
    await patient
    expect(await keysUnder(store)).toEqual(['patient'])
  })

  it('are all stored when close resolves, and none after it', async () => {
    const store = await openStore()
    const writes = Array.from({ length: 500 }, (_, i) => commitTo(store, put(`k${i}`, 'v')))
    const closing = store.close()
    await expect(commitTo(store, put('late', '1'))).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await closing
    await Promise.all(writes)
    const again = await openStore({ path: store.path })
    expect(await keysUnder(again)).toHaveLength(500)
  })

  it('one of more bytes than a batch takes is written', async () => {
    const store = await openStore()
    const value = new Uint8Array(8 * 1024 * 1024)
    const ops = Array.from({ length: 6 }, (_, i): Op => ({ type: 'put', key: `k${i}`, value }))
    await Promise.all([commitTo(store, ...ops), ...ops.map((op) => commitTo(store, op))])
    expect(await keysUnder(store)).toHaveLength(6)
  })
})

describe('lmdb: the folder', () => {
  it('is made with its parents, as given, dots and all', async () => {
    const root = await tempDir('lmdb')
    const path = join(root, 'not', 'yet.there', 'a.mdb')
    const store = await openStore({ path })
    await commitTo(store, put('a', '1'))
    expect(readdirSync(path)).toEqual(expect.arrayContaining(['data.mdb', 'lock.mdb']))
    await store.close()
    expect(readdirSync(path).sort()).toEqual(['data.mdb', 'lock.mdb'])
  })

  it('may be relative', async () => {
    const root = await tempDir('lmdb')
    const before = cwd()
    chdir(root)
    try {
      const store = await openStore({ path: './here' })
      await commitTo(store, put('a', '1'))
      await store.close()
      expect(existsSync(join(root, 'here', 'data.mdb'))).toBe(true)
    } finally {
      chdir(before)
    }
  })

  it('may have a path that no socket can have', async () => {
    const root = await tempDir('lmdb')
    const path = join(root, 'long'.repeat(40), 'long'.repeat(40))
    const store = await openStore({ path })
    await commitTo(store, put('a', '1'))
    await expect(openStore({ path })).rejects.toMatchObject({ code: 'SYNC_STORE_LOCKED' })
    await store.close()
    await (await openStore({ path })).close()
  })

  it('is no file', async () => {
    const root = await tempDir('lmdb')
    writeFileSync(join(root, 'file'), 'x')
    for (const path of [join(root, 'file'), join(root, 'file', 'below')]) {
      await expect(openStore({ path })).rejects.toMatchObject({
        code: 'SYNC_INVALID_OPTION',
        option: 'path',
      })
    }
  })

  it('keeps data, revisions and epoch from open to open', async () => {
    const store = await openStore()
    const { versions } = await commitTo(store, put('a', '1'), put('b', '2'))
    await store.close()
    const again = await openStore({ path: store.path })
    const [a] = await again.get(['a'], realIo())
    expect(a).toMatchObject({ key: 'a', revision: 1, version: versions[0] })
    await commitTo(again, put('a', '2', { ifVersion: versions[0] as string }))
    expect((await again.get(['a'], realIo()))[0]?.revision).toBe(2)
    await again.close()
    // Emptied by hand, it is another store.
    const fresh = await openStore()
    const other = await commitTo(fresh, put('a', '1'))
    expect(other.versions[0]).not.toBe(versions[0])
  })
})

describe('lmdb: life cycle', () => {
  it('opens once however often it is asked, and closes likewise', async () => {
    const path = await tempDir('lmdb')
    const store = lmdb({ path })
    await Promise.all([store.open(realIo()), store.open(realIo())])
    await store.open(realIo())
    await commitTo(store, put('a', '1'))
    await Promise.all([store.close(), store.close()])
    await store.close()
    await expect(store.open(realIo())).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })

  it('before open and after close every call says closed', async () => {
    const path = await tempDir('lmdb')
    const store = lmdb({ path })
    const closed = { code: 'SYNC_CLOSED' }
    const everyCall = async (): Promise<void> => {
      await expect(store.get(['a'], realIo())).rejects.toMatchObject(closed)
      await expect(keysUnder(store)).rejects.toMatchObject(closed)
      await expect(commitTo(store, put('a', '1'))).rejects.toMatchObject(closed)
      await expect(store.stream([''], undefined, realIo())[Symbol.asyncIterator]().next())
        .rejects //
        .toMatchObject(closed)
    }
    await everyCall()
    await store.open(realIo())
    await store.close()
    await everyCall()
  })

  it('close while it opens leaves nothing open', async () => {
    const path = await tempDir('lmdb')
    const store = lmdb({ path })
    const opening = store.open(realIo())
    await store.close()
    await expect(opening).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await (await openStore({ path })).close()
  })

  it('close ends lists and streams that nobody reads on', async () => {
    const store = await openStore()
    const value = new Uint8Array(1_000)
    const ops = Array.from({ length: 5_000 }, (_, i): Op => ({ type: 'put', key: `k${i}`, value }))
    await commitTo(store, ...ops)
    const list = listOf(store, '', realIo())[Symbol.asyncIterator]()
    await list.next()
    const stream = store.stream([''], undefined, realIo())[Symbol.asyncIterator]()
    await stream.next()
    const live = watch(store, [''])
    await live.until('listed')
    await store.close()
    await live.ended()
    expect(live.error).toMatchObject({ code: 'SYNC_CLOSED' })
    await expect(list.next()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await expect(stream.next()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })

  it('leaves no handle and no timer', async () => {
    const leaks = await leakCheck()
    const clock = new FakeClock()
    const store = await openStore({}, { clock })
    await commitTo(store, put('a', '1', { ttlMs: 5_000 }), put('b', '1'))
    const live = watch(store, [''])
    await live.until('listed')
    await store.commit([put('c', '1')], STORED, realIo({ clock }))
    await store.close()
    await live.ended()
    expect(clock.pending).toBe(0)
    await leaks.expectNoLeaks()
  })

  it('lets the process end by itself', async () => {
    const path = await tempDir('lmdb')
    const program = spawnNode('test/integration/lmdb-once.program.ts', { args: [path] })
    expect(await program.nextLine()).toBe('closed')
    expect(await program.exited).toBe(0)
  })
})

describe('lmdb: pages of a list', () => {
  it('are bounded, whatever the store holds', async () => {
    const store = await openStore()
    const small = Array.from({ length: 2_500 }, (_, i) => put(`s/${i}`, 'v'))
    const value = new Uint8Array(400_000)
    const large = Array.from({ length: 10 }, (_, i): Op => ({ type: 'put', key: `l/${i}`, value }))
    await commitTo(store, ...small, ...large)
    const pages: number[] = []
    for await (const page of listOf(store, 's/', realIo())) pages.push(page.length)
    expect(pages).toEqual([1_000, 1_000, 500])
    pages.length = 0
    for await (const page of listOf(store, 'l/', realIo())) pages.push(page.length)
    expect(pages).toEqual([3, 3, 3, 1])
  })

  it('show one moment, whatever is written meanwhile', async () => {
    const store = await openStore()
    const keys = Array.from({ length: 3_000 }, (_, i) => `k${String(i).padStart(4, '0')}`)
    await commitTo(store, ...keys.map((key) => put(key, '1')))
    const seen: string[] = []
    for await (const page of listOf(store, '', realIo())) {
      seen.push(...page.map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`))
      await commitTo(store, { type: 'delete-prefix', prefix: 'k2' }, put(`new${seen.length}`, '1'))
    }
    expect(seen).toEqual(keys.map((key) => `${key}=1`))
  })

  it('let the event loop run', async () => {
    const store = await openStore()
    await commitTo(store, ...Array.from({ length: 5_000 }, (_, i) => put(`k${i}`, 'v')))
    let turns = 0
    let going = true
    const count = (): void => {
      turns++
      if (going) setImmediate(count)
    }
    setImmediate(count)
    await keysUnder(store)
    going = false
    expect(turns).toBeGreaterThanOrEqual(5)
  })

  it('end with the signal', async () => {
    const store = await openStore()
    await commitTo(store, ...Array.from({ length: 3_000 }, (_, i) => put(`k${i}`, 'v')))
    const io = realIo()
    let pages = 0
    for await (const _ of listOf(store, '', io)) {
      pages++
      io.abort()
    }
    expect(pages).toBe(1)
  })
})

it('lmdb: a folder that is not there is not made by a mere look', async () => {
  const root = await tempDir('lmdb')
  mkdirSync(join(root, 'empty'))
  for (const path of [join(root, 'none'), join(root, 'empty')]) {
    await expect(openStore({ path, readOnly: true })).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option: 'path',
    })
  }
  expect(readdirSync(root)).toEqual(['empty'])
  expect(readdirSync(join(root, 'empty'))).toEqual([])
})
