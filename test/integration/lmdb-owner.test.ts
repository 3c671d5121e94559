import { readdirSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'
import { keysUnder, openStore, watch } from './lmdb-fixture.ts'

const ME = `this process (pid ${process.pid})`

describe('lmdb: one owner in this process', () => {
  it('a second open is refused and says who is there; it harms nothing', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'))
    for (let i = 0; i < 3; i++) {
      await expect(openStore({ path: store.path })).rejects.toMatchObject({
        code: 'SYNC_STORE_LOCKED',
        path: store.path,
        holder: ME,
      })
    }
    await commitTo(store, put('b', '1'))
    expect(await keysUnder(store)).toEqual(['a', 'b'])
    const sockets = readdirSync(store.path).filter((name) => name.endsWith('.sock'))
    expect(sockets.length).toBeLessThanOrEqual(1)
    await store.close()
    const next = await openStore({ path: store.path })
    expect(await keysUnder(next)).toEqual(['a', 'b'])
  })

  it('is refused while writes are under way, and does not stop them', async () => {
    const store = await openStore()
    let writing = true
    const writer = (async () => {
      for (let i = 0; writing; i++) await commitTo(store, put(`k${i % 100}`, String(i)))
    })()
    for (let i = 0; i < 20; i++) {
      await expect(openStore({ path: store.path })).rejects.toMatchObject({ holder: ME })
    }
    writing = false
    await writer
  })

  it('of ten that start at once, one wins', async () => {
    for (let round = 0; round < 5; round++) {
      const path = await tempDir('lmdb')
      const stores = Array.from({ length: 10 }, () => lmdb({ path }))
      const results = await Promise.allSettled(stores.map((store) => store.open(realIo())))
      const won = stores.filter((_, i) => results[i]?.status === 'fulfilled')
      expect(won).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected') {
          expect(result.reason).toMatchObject({ code: 'SYNC_STORE_LOCKED', holder: ME })
        }
      }
      await commitTo(won[0] as (typeof stores)[0], put('a', '1'))
      await Promise.all(stores.map((store) => store.close()))
      expect(readdirSync(path).sort()).toEqual(['data.mdb', 'lock.mdb'])
    }
  })

  it('a refused open may be tried again', async () => {
    const store = await openStore()
    const second = lmdb({ path: store.path })
    onTeardown(() => second.close())
    await expect(second.open(realIo())).rejects.toMatchObject({ code: 'SYNC_STORE_LOCKED' })
    await store.close()
    await second.open(realIo())
    await commitTo(second, put('a', '1'))
  })
})

describe('lmdb: readOnly', () => {
  it('lists and reads beside the owner, what is new as well', async () => {
    const store = await openStore()
    await commitTo(store, put('/a/1', '1'), put('/b/1', '1'))
    const reader = await openStore({ path: store.path, readOnly: true })
    expect(await keysUnder(reader, '/a/')).toEqual(['/a/1'])
    const { versions } = await commitTo(store, put('/a/2', '2'))
    expect(await keysUnder(reader)).toEqual(['/a/1', '/a/2', '/b/1'])
    const [pair] = await reader.get(['/a/2', 'none'], realIo())
    expect(pair).toMatchObject({ key: '/a/2', revision: 2, version: versions[0] })
    await reader.close()
    await commitTo(store, put('/a/3', '3'))
    expect(await keysUnder(store, '/a/')).toHaveLength(3)
  })

  it('does not stand in an owner’s way', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'))
    await store.close()
    const reader = await openStore({ path: store.path, readOnly: true })
    expect(await keysUnder(reader)).toEqual(['a'])
    await reader.close()
    const next = await openStore({ path: store.path })
    await commitTo(next, put('b', '1'))
  })

  it('open in the same process, keeps an owner out, who could only read as well', async () => {
    const store = await openStore()
    await commitTo(store, put('a', '1'))
    await store.close()
    const reader = await openStore({ path: store.path, readOnly: true })
    await expect(openStore({ path: store.path })).rejects.toMatchObject({
      code: 'SYNC_STORE_LOCKED',
      holder: 'a readOnly open of this process',
    })
    expect(await keysUnder(reader)).toEqual(['a'])
  })

  it('neither watches nor writes', async () => {
    const store = await openStore()
    await store.close()
    const reader = await openStore({ path: store.path, readOnly: true })
    await expect(commitTo(reader, put('a', '1'))).rejects.toMatchObject({
      code: 'SYNC_UNSUPPORTED_OPTION',
    })
    const seen = watch(reader, [''])
    await seen.ended()
    expect(seen.error).toMatchObject({ code: 'SYNC_UNSUPPORTED_OPTION', option: 'watch' })
  })

  it('closed, says so', async () => {
    const store = await openStore()
    await store.close()
    const reader = await openStore({ path: store.path, readOnly: true })
    await reader.open(realIo())
    await reader.close()
    await reader.close()
    await expect(reader.get(['a'], realIo())).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
    await expect(reader.open(realIo())).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })
})
