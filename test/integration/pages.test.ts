import { describe, expect, it } from '@jest/globals'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { Agent, cached, compareKeys, memory, prefixed, raw } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { uniquePrefix } from '../support/contract.ts'
import { serveAgent } from '../support/rest.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { realIo } from '../support/transport-stream.ts'

const KEYS = 3_000

/** Writes keys of all kinds under a prefix, some beside it; those under it, in their order. */
async function filled(agent: Agent, prefix: string): Promise<string[]> {
  const names = ['', '/', '//', '..', 'a b', '%', 'ｅ', '😀', '__proto__', '~']
  const keys = names.map((name) => `${prefix}x${name}`)
  for (let i = keys.length; i < KEYS; i++) keys.push(`${prefix}${(i * 7_919) % 1_000_003}`)
  for (let i = 0; i < keys.length; i += 100) {
    const txn = agent.txn()
    for (const key of keys.slice(i, i + 100)) txn.put(key, raw(Buffer.from(key)))
    await txn.commit()
  }
  await agent.put(`${prefix.slice(0, -1)}`, raw(Buffer.from('before')))
  await agent.put(`${prefix.slice(0, -1)}0`, raw(Buffer.from('behind')))
  return keys.toSorted(compareKeys)
}

function suite(open: () => Promise<Transport>): void {
  it('pages one after the other are the list', async () => {
    const agent = new Agent({ transport: await open() })
    onTeardown(() => agent.close())
    await agent.start()
    const prefix = uniquePrefix()
    const keys = await filled(agent, prefix)
    const served = agent.served()
    const seen: string[] = []
    for (let after: string | undefined; ;) {
      const { pairs, more } = await served.page(prefix, { after, limit: 700 })
      expect(pairs.length).toBe(Math.min(700, KEYS - seen.length))
      for (const { key, value } of pairs) {
        expect(Buffer.from(value).toString()).toBe(key)
        seen.push(key)
      }
      if (!more) break
      after = seen.at(-1)
    }
    expect(seen).toEqual(keys)
    for (const after of ['', '/', prefix, `${prefix}x`, `${prefix}zzz`, '~~']) {
      const wanted = keys.filter((key) => compareKeys(key, after) > 0).slice(0, 5)
      const { pairs } = await served.page(prefix, { after: after || undefined, limit: 5 })
      expect(pairs.map(({ key }) => key)).toEqual(wanted)
    }
  }, 60_000)
}

/** Of a store that is sorted. */
function readsLittle(open: () => Promise<Transport>): void {
  it('a page reads little more than itself', async () => {
    const transport = await open()
    const agent = new Agent({ transport })
    onTeardown(() => agent.close())
    await agent.start()
    const prefix = uniquePrefix()
    const keys = await filled(agent, prefix)
    let read = 0
    const part = { after: keys[1_000], limit: 10 }
    for await (const pairs of transport.list?.(prefix, realIo(), part) ?? []) read += pairs.length
    expect(read).toBeGreaterThanOrEqual(10)
    expect(read).toBeLessThan(1_500)
  })
}

describe('pages on memory', () => {
  suite(async () => memory())
})
describe('pages on lmdb', () => {
  const open = async (): Promise<Transport> => lmdb({ path: await tempDir('pages') })
  suite(open)
  readsLittle(open)
})
describe('pages on cached, prefixed lmdb', () => {
  const open = async (): Promise<Transport> =>
    cached(prefixed(lmdb({ path: await tempDir('pages') }), '/in/'))
  suite(open)
  readsLittle(open)
})
describe('pages on rest', () => {
  const open = async (): Promise<Transport> => {
    const { url } = await serveAgent({}, { transport: lmdb({ path: await tempDir('pages') }) })
    return rest({ url })
  }
  suite(open)
  readsLittle(open)
})
describeWithRedisUrl('pages on redis', (url) => suite(async () => redis({ url: url() })))
describeWithEtcdUrl('pages on etcd', (url) => {
  suite(async () => etcd({ url: url() }))
  readsLittle(async () => etcd({ url: url() }))
})
