import { randomUUID } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { Agent, cached, composite, memory, raw } from '../../src/index.ts'
import { etcd } from '../../src/adapters/etcd/index.ts'
import { kafka } from '../../src/adapters/kafka/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import type { Transport } from '../../src/api/transport.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithKafkaServer } from '../servers/describe-with-kafka.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { KAFKA_VERSIONS } from '../servers/provision-kafka.ts'
import { recordEvents } from '../support/record-events.ts'
import type { EventRecorder, RecordOptions } from '../support/record-events.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { uniquePrefix } from '../support/contract.ts'
import { waitFor } from '../support/wait-for.ts'

const APPLIED = { waitFor: 'applied', timeoutMs: 10_000 } as const
const STORED = { waitFor: 'stored', timeoutMs: 10_000 } as const

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (text: string): ReturnType<typeof raw> => raw(bytes(text))
const textOf = (value: Uint8Array): string => Buffer.from(value).toString()
const items = (pairs: Record<string, string>): { key: string; value: Uint8Array }[] =>
  Object.entries(pairs).map(([key, value]) => ({ key, value: bytes(value) }))

/** One agent with three registrations, in order: on `a/`, on everything, on `b/`. */
async function world(
  transport: Transport,
  prefix: string,
  options: Record<string, RecordOptions> = {},
): Promise<{ agent: Agent; seen: Record<'a' | 'all' | 'b', EventRecorder>; turns: string[] }> {
  const agent = new Agent({ transport })
  onTeardown(() => agent.close())
  const turns: string[] = []
  const record = (name: string, watched: string): EventRecorder => {
    const { answer, ...rest } = options[name] ?? {}
    return recordEvents(agent.watch(name, watched), {
      ...rest,
      answer: (event, index) => {
        turns.push(`${name} ${event.kind === 'resync' ? event.reason : event.changeType}`)
        return answer?.(event, index)
      },
    })
  }
  const seen = {
    a: record('a', `${prefix}a/`),
    all: record('all', prefix),
    b: record('b', `${prefix}b/`),
  }
  await agent.txn().put(`${prefix}a/1`, text('1')).commit()
  await agent.put(`${prefix}a/2`, text('2'))
  await agent.put(`${prefix}b/1`, text('3'))
  await agent.start()
  turns.splice(0)
  return { agent, seen, turns }
}

function behaves(open: () => Promise<Transport>): void {
  it('replaces everything, and gives one RESYNC each, in order, and no CHANGE', async () => {
    const prefix = uniquePrefix()
    const { agent, seen, turns } = await world(await open(), prefix)
    const before = (await agent.get(`${prefix}a/1`))?.version
    const result = await agent
      .served()
      .replace(
        [prefix],
        items({ [`${prefix}a/1`]: '1', [`${prefix}a/3`]: 'new', [`${prefix}b/1`]: 'changed' }),
        APPLIED,
      )
    expect({ put: result.put, deleted: result.deleted }).toEqual({ put: 2, deleted: 1 })
    expect(result.turns.map(({ registration, outcome }) => [registration, outcome])).toEqual([
      ['a', 'acked'],
      ['all', 'acked'],
      ['b', 'acked'],
    ])
    expect(turns).toEqual(['a requested', 'all requested', 'b requested'])
    const state = { [`${prefix}a/1`]: '1', [`${prefix}a/3`]: 'new', [`${prefix}b/1`]: 'changed' }
    await seen.all.untilFold(state)
    await seen.a.untilFold({ [`${prefix}a/1`]: '1', [`${prefix}a/3`]: 'new' })
    // What is the same was not written.
    expect(result.versions.get(`${prefix}a/1`)).toBe(before)
    expect(new Set(result.versions.keys())).toEqual(new Set(Object.keys(state)))
    // Afterwards changes come as ever.
    await agent.put(`${prefix}b/2`, text('later'))
    await seen.b.untilLine(`put ${prefix}b/2=later`)
    for (const recorder of Object.values(seen)) recorder.expectClean()
  })

  it('leaves registrations elsewhere, and keys outside, alone', async () => {
    const prefix = uniquePrefix()
    const { agent, seen, turns } = await world(await open(), prefix)
    await agent.served().replace([`${prefix}a/`], [], APPLIED)
    expect(turns).toEqual(['a requested', 'all requested'])
    await seen.all.untilFold({ [`${prefix}b/1`]: '3' })
    await seen.a.untilFold({})
  })

  it('tells who refused, and why', async () => {
    const prefix = uniquePrefix()
    const { agent } = await world(await open(), prefix, {
      all: {
        answer: (event, index) => {
          if (index === 1) throw new Error(`no ${event.kind} today`)
        },
      },
    })
    const { turns } = await agent
      .served()
      .replace([prefix], items({ [`${prefix}b/9`]: 'x' }), APPLIED)
    expect(turns.map(({ outcome }) => outcome)).toEqual(['acked', 'refused', 'acked'])
    expect(turns[1]?.error).toMatchObject({ message: 'no resync today' })
    expect(turns[1]?.prefixes).toEqual([prefix])
  })

  it('writes nothing when nothing differs, and still resyncs', async () => {
    const prefix = uniquePrefix()
    const { agent, turns } = await world(await open(), prefix)
    const same = items({ [`${prefix}a/1`]: '1', [`${prefix}a/2`]: '2', [`${prefix}b/1`]: '3' })
    const result = await agent.served().replace([prefix], same, APPLIED)
    expect([result.put, result.deleted, result.versions.size]).toEqual([0, 0, 3])
    expect(turns).toEqual(['a requested', 'all requested', 'b requested'])
  })
}

/** Where writes can have conditions, and a time to live. */
function behavesAmongWriters(open: () => Promise<Transport>): void {
  it('writes a time to live anew, and does not wait for changes that nobody is told', async () => {
    const prefix = uniquePrefix()
    const { agent, seen } = await world(await open(), prefix)
    const item = { key: `${prefix}a/1`, value: bytes('1'), ttlMs: 600_000 }
    const startedAt = performance.now()
    for (let round = 0; round < 2; round++) {
      const result = await agent.served().replace([prefix], [item], APPLIED)
      expect(result.put).toBe(1)
    }
    expect(performance.now() - startedAt).toBeLessThan(APPLIED.timeoutMs / 2)
    await seen.all.untilFold({ [`${prefix}a/1`]: '1' })
  })

  it('wins over writers of the same keys without mixing with them', async () => {
    const prefix = uniquePrefix()
    const { agent, seen } = await world(await open(), prefix)
    const served = agent.served()
    let writing = true
    const writer = (async () => {
      for (let i = 0; writing; i++) {
        await agent
          .txn()
          .put(`${prefix}a/x`, text(`w${i}`))
          .put(`${prefix}a/y`, text(`w${i}`))
          .commit()
        await new Promise((resolve) => setTimeout(resolve, i % 7))
      }
    })()
    for (let round = 0; round < 10; round++) {
      const value = `r${round}`
      await served.replace(
        [`${prefix}a/`],
        items({ [`${prefix}a/x`]: value, [`${prefix}a/y`]: value }),
        STORED,
      )
      const x = (await agent.get(`${prefix}a/x`))?.bytes
      expect(x).toBeDefined()
    }
    writing = false
    await writer
    const final = async (): Promise<string[]> => {
      const pairs = await served.get([`${prefix}a/x`, `${prefix}a/y`])
      return pairs.map(({ value }) => Buffer.from(value).toString())
    }
    const [x, y] = await final()
    expect(x).toBe(y)
    await seen.a.untilFold({ [`${prefix}a/x`]: x as string, [`${prefix}a/y`]: y as string })
    seen.all.expectClean()
  })
}

function suite(open: () => Promise<Transport>): void {
  behaves(open)
  behavesAmongWriters(open)
}

describe('replace on memory', () => {
  suite(async () => memory())
})
describe('replace on lmdb', () => {
  suite(async () => lmdb({ path: await tempDir('lmdb') }))
})
describe('replace on cached memory', () => {
  suite(async () => cached(memory()))
})
describeWithRedisUrl('replace on cached redis', (url) => {
  suite(async () => cached(redis({ url: url() })))
})
describeWithRedisUrl('replace on redis', (url) => suite(async () => redis({ url: url() })))
describeWithEtcdUrl('replace on etcd', (url) => suite(async () => etcd({ url: url() })))
await describeWithKafkaServer('replace on kafka', KAFKA_VERSIONS[1], (server) =>
  behaves(async () => kafka({ url: `kafka://${server()}/replace-${randomUUID()}`, create: true })),
)

describe('replace', () => {
  it('does nothing of the kind without transactions', async () => {
    const agent = new Agent({ transport: composite([memory(), memory()]) })
    onTeardown(() => agent.close())
    await agent.start()
    await expect(agent.served().replace(['/a/'], [], APPLIED)).rejects.toMatchObject({
      code: 'SYNC_UNSUPPORTED_OPTION',
    })
  })

  it('refuses keys outside what is replaced, keys twice, and what is not served', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    await agent.start()
    const served = agent.served({ prefixes: ['/a/'] })
    const [item] = items({ '/a/1': 'x' })
    if (item === undefined) throw new Error('no item')
    await expect(served.replace(['/a/b/'], [item], STORED)).rejects.toMatchObject({
      code: 'SYNC_INVALID_KEY',
    })
    await expect(served.replace(['/a/'], [item, item], STORED)).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
    })
    await expect(served.replace(['/b/'], [], STORED)).rejects.toMatchObject({
      code: 'SYNC_INVALID_KEY',
    })
    await expect(served.replace([''], [], STORED)).rejects.toMatchObject({
      code: 'SYNC_INVALID_KEY',
    })
    await expect(served.get(['/b/1'])).rejects.toMatchObject({ code: 'SYNC_INVALID_KEY' })
    await expect(served.list('/')).rejects.toMatchObject({ code: 'SYNC_INVALID_KEY' })
    await expect(
      served.commit([{ type: 'delete-prefix', prefix: '' }], STORED),
    ).rejects.toMatchObject({ code: 'SYNC_INVALID_KEY' })
    expect(() => served.stream([''], undefined, new AbortController().signal)).toThrow('not served')
  })

  it('holds changes back until the RESYNC of a slow run, then goes on', async () => {
    const prefix = '/s/'
    let release = (): void => {}
    const { agent, seen, turns } = await world(memory(), prefix, {
      a: {
        answer: (event, index) =>
          index === 1 && event.kind === 'resync'
            ? new Promise<void>((resolve) => {
                release = resolve
              })
            : undefined,
      },
    })
    const replaced = agent.served().replace([prefix], items({ [`${prefix}a/1`]: 'new' }), APPLIED)
    await waitFor(() => turns.includes('a requested'))
    // Behind the replacement, before the RESYNC of `all`: part of it.
    await agent.put(`${prefix}b/7`, text('7'))
    release()
    await replaced
    expect(turns.filter((turn) => turn.startsWith('all'))).toEqual(['all requested'])
    await seen.all.untilFold({ [`${prefix}a/1`]: 'new', [`${prefix}b/7`]: '7' })
    seen.all.expectClean()
  })

  it('a receiver that is slow delays nobody else, and nobody beyond their time', async () => {
    let release = (): void => {}
    const { agent, seen, turns } = await world(memory(), '/d/', {
      a: {
        answer: (event, index) =>
          index === 1 && event.kind === 'resync'
            ? new Promise<void>((resolve) => {
                release = resolve
              })
            : undefined,
      },
    })
    const served = agent.served()
    const first = served.replace(['/d/a/'], items({ '/d/a/1': 'new' }), APPLIED)
    await waitFor(() => turns.includes('a requested'))
    // Where nobody watches nobody is waited for.
    const elsewhere = await served.replace(['/e/'], items({ '/e/1': 'x' }), APPLIED)
    expect(elsewhere.put).toBe(1)
    await expect(
      served.replace(['/d/b/'], items({ '/d/b/1': 'newer' }), { ...APPLIED, timeoutMs: 50 }),
    ).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'stored' })
    expect((await served.get(['/d/b/1'])).map(({ value }) => textOf(value))).toEqual(['newer'])
    release()
    expect((await first).turns.map(({ outcome }) => outcome)).toContain('acked')
    await seen.b.untilFold({ '/d/b/1': 'newer' })
    await seen.all.untilFold({ '/d/a/1': 'new', '/d/b/1': 'newer' })
    for (const recorder of Object.values(seen)) recorder.expectClean()
  })

  it('wins in the end over writers that come between all the time', async () => {
    const store = memory()
    const commit = store.commit.bind(store)
    let between = 0
    store.commit = async (ops, options, io) => {
      if (ops.length > 1) {
        between++
        const value = bytes(`other ${between}`)
        await commit([{ type: 'put', key: '/o/a/1', value }], options, io)
        await commit([{ type: 'delete', key: '/o/a/2' }], options, io)
        await commit([{ type: 'put', key: `/o/a/new${between}`, value }], options, io)
      }
      return commit(ops, options, io)
    }
    const { agent, seen } = await world(store, '/o/')
    between = 0
    const startedAt = performance.now()
    const state = { '/o/a/1': '1', '/o/b/1': 'mine', '/o/b/2': 'mine' }
    await agent.served().replace(['/o/'], items(state), APPLIED)
    expect(performance.now() - startedAt).toBeLessThan(APPLIED.timeoutMs / 2)
    expect(between).toBeGreaterThan(2)
    // What came between the last look and the write comes after it.
    await seen.all.untilFold({ ...state, [`/o/a/new${between}`]: `other ${between}` })
    seen.all.expectClean()
  })

  it('one whose turn does not come in time is not applied', async () => {
    const store = memory()
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => {
      go = resolve
    })
    const commit = store.commit.bind(store)
    store.commit = async (...args) => {
      await gone
      return commit(...args)
    }
    const agent = new Agent({ transport: store })
    onTeardown(() => agent.close())
    await agent.start()
    const served = agent.served()
    const first = served.replace(['/t/'], items({ '/t/1': 'first' }), STORED)
    await expect(
      served.replace(['/t/'], items({ '/t/2': 'second' }), { ...STORED, timeoutMs: 50 }),
    ).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'not-applied' })
    go()
    expect((await first).put).toBe(1)
    expect((await served.list('/t/')).map(({ key }) => key)).toEqual(['/t/1'])
  })

  it('gives the changes free again when nothing could be written', async () => {
    const { agent, seen } = await world(memory({ maxValueBytes: 10 }), '/f/')
    await expect(
      agent.served().replace(['/f/'], items({ '/f/a/1': 'longer than ten' }), APPLIED),
    ).rejects.toMatchObject({ code: 'SYNC_PAYLOAD_TOO_LARGE' })
    await agent.put('/f/a/5', text('5'))
    await seen.a.untilLine('put /f/a/5=5')
  })
})
