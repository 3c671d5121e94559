import { describe, expect, it } from '@jest/globals'
import { raw, UnsupportedOptionError } from '../../../src/index.ts'
import type { DelOptions, Message, PutOptions } from '../../../src/index.ts'
import { text } from '../../../src/testing/text.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

const ALL = {
  ttl: true,
  conditionalPut: true,
  transactions: true,
  prefixDelete: true,
  waitForApplied: true,
} as const

describe('options at the door', () => {
  it.each<[PutOptions, string]>([
    [{ unknown: 1 } as PutOptions, 'unknown'],
    [{ waitFor: 'written' as 'stored' }, 'waitFor'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: Infinity }, 'timeoutMs'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs'],
    [{ timeoutMs: '5' as unknown as number }, 'timeoutMs'],
    [{ ttlMs: 0 }, 'ttlMs'],
    [{ ttlMs: -1 }, 'ttlMs'],
    [{ ifVersion: 7 as unknown as string }, 'ifVersion'],
    [{ ifAbsent: 'yes' as unknown as boolean }, 'ifAbsent'],
    [{ ifVersion: 'v', ifAbsent: true }, 'ifAbsent'],
    [null as unknown as PutOptions, 'options'],
    ['put' as unknown as PutOptions, 'options'],
  ])('put %j names %s', async (options, option) => {
    const s = new ScriptedAgent({ transport: { capabilities: ALL } })
    await expect(s.agent.put('/a', text('1'), options)).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option,
    })
    expect(s.transport.script.commits).toEqual([])
  })

  it.each<[DelOptions, string]>([
    [{ ttlMs: 5 } as DelOptions, 'ttlMs'],
    [{ prefix: 'yes' as unknown as boolean }, 'prefix'],
    [{ prefix: true, ifVersion: 'v' }, 'ifVersion'],
  ])('delete %j names %s', async (options, option) => {
    const s = new ScriptedAgent({ transport: { capabilities: ALL } })
    await expect(s.agent.delete('/a', options)).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option,
    })
    expect(s.transport.script.commits).toEqual([])
  })

  it('undefined counts as absent', async () => {
    const s = new ScriptedAgent()
    const options = {
      ttlMs: undefined,
      ifVersion: undefined,
      waitFor: undefined,
      timeoutMs: undefined,
    }
    await s.agent.put('/a', text('1'), options as unknown as PutOptions)
    expect(s.transport.script.commits[0]?.ops).toEqual([
      { type: 'put', key: '/a', value: new TextEncoder().encode('1') },
    ])
  })

  it.each<[string, (s: ScriptedAgent) => Promise<unknown>, string]>([
    ['ttlMs', (s) => s.agent.put('/a', text('1'), { ttlMs: 5 }), 'ttlMs'],
    ['ifVersion', (s) => s.agent.put('/a', text('1'), { ifVersion: 'v' }), 'ifVersion'],
    ['ifAbsent', (s) => s.agent.put('/a', text('1'), { ifAbsent: true }), 'ifAbsent'],
    ['ifVersion of delete', (s) => s.agent.delete('/a', { ifVersion: 'v' }), 'ifVersion'],
    ['applied', (s) => s.agent.put('/a', text('1'), { waitFor: 'applied' }), "waitFor: 'applied'"],
    ['txn', (s) => s.agent.txn().put('/a', text('1')).delete('/b').commit(), 'txn'],
  ])('%s on a transport that cannot', async (_, write, option) => {
    const s = new ScriptedAgent()
    const error: unknown = await write(s).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(UnsupportedOptionError)
    expect(error).toMatchObject({ option, transport: 'scripted' })
    expect(s.transport.script.commits).toEqual([])
  })

  it('ifAbsent: false asks for nothing', async () => {
    const s = new ScriptedAgent()
    await s.agent.put('/a', text('1'), { ifAbsent: false })
    expect(s.transport.script.commits).toHaveLength(1)
  })

  it('a transaction of one is no transaction; an empty one is nothing', async () => {
    const s = new ScriptedAgent()
    await s.agent.txn().put('/a', text('1')).commit()
    expect(s.transport.script.commits).toHaveLength(1)
    await expect(s.agent.txn().commit()).resolves.toMatchObject({ deleted: 0 })
    expect(s.transport.script.commits).toHaveLength(1)
  })
})

describe('messages', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['bytes that are not wrapped', new Uint8Array()],
    [
      'one that throws',
      {
        serializeBinary: () => {
          throw new Error('no')
        },
      },
    ],
    ['one that gives no bytes', { serializeBinary: () => 'text' }],
  ])('%s is a wrong option', async (_, message) => {
    const s = new ScriptedAgent()
    await expect(s.agent.put('/a', message as Message)).rejects.toMatchObject({
      code: 'SYNC_INVALID_OPTION',
      option: 'message',
    })
  })

  it('a Buffer is bytes; zero bytes are a value', async () => {
    const s = new ScriptedAgent()
    await s.agent.put('/a', { serializeBinary: () => Buffer.from('1') })
    await s.agent.put('/b', raw(new Uint8Array()))
    expect(s.transport.script.commits.map(({ ops }) => ops[0])).toMatchObject([
      { type: 'put', key: '/a' },
      { type: 'put', key: '/b', value: new Uint8Array() },
    ])
  })

  it("past the transport's limit it is not sent", async () => {
    const s = new ScriptedAgent({
      transport: { capabilities: { maxValueBytes: 3, maxKeyBytes: 4 } },
    })
    await s.agent.put('/abc', text('123'))
    await expect(s.agent.put('/a', text('1234'))).rejects.toMatchObject({
      code: 'SYNC_PAYLOAD_TOO_LARGE',
      size: 4,
      limit: 3,
    })
    await expect(s.agent.put('/abcd', text('1'))).rejects.toMatchObject({
      code: 'SYNC_INVALID_KEY',
    })
    await expect(s.agent.get('/abcd')).rejects.toMatchObject({ code: 'SYNC_INVALID_KEY' })
    expect(() => s.agent.watch('r', '/abcd')).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_KEY' }),
    )
    expect(s.transport.script.commits).toHaveLength(1)
  })
})

describe('time', () => {
  it('a networked transport that does not answer: TimeoutError, outcome unknown; no timer is left', async () => {
    const s = new ScriptedAgent({ transport: { livenessMs: 1_000 } })
    s.transport.script.onCommit = () => new Promise(() => {})
    const put = s.agent.put('/a', text('1'), { timeoutMs: 500 })
    const settled = put.catch((error: unknown) => error)
    await s.run(499)
    const other = s.agent.put('/b', text('1')).catch((error: unknown) => error)
    await s.run(1)
    expect(await settled).toMatchObject({
      code: 'SYNC_TIMEOUT',
      timeoutMs: 500,
      outcome: 'unknown',
    })
    await s.run(9_999)
    expect(await other).toMatchObject({ code: 'SYNC_TIMEOUT', timeoutMs: 10_000 })
    expect(s.clock.pending).toBe(0)
  })

  it('an answer in time leaves no timer', async () => {
    const s = new ScriptedAgent({ transport: { livenessMs: 1_000 } })
    await s.agent.put('/a', text('1'))
    await s.settle()
    expect(s.clock.pending).toBe(0)
  })

  it('waitFor and timeoutMs reach the transport', async () => {
    const s = new ScriptedAgent({ transport: { capabilities: ALL } })
    s.transport.script.onCommit = () => ({ versions: ['v'], deleted: 0, receivers: 3 })
    await expect(
      s.agent.put('/a', text('1'), { waitFor: 'applied', timeoutMs: 7 }),
    ).resolves.toEqual({
      version: 'v',
      receivers: 3,
    })
    await s.agent.delete('/a')
    expect(s.transport.script.commits.map(({ options }) => options)).toEqual([
      { waitFor: 'applied', timeoutMs: 7 },
      { waitFor: 'stored', timeoutMs: 10_000 },
    ])
  })
})

describe('before open and after close', () => {
  it('writes and reads open the transport, once', async () => {
    const s = new ScriptedAgent()
    await Promise.all([
      s.agent.put('/a', text('1')),
      s.agent.get('/a'),
      s.agent.delete('/b'),
      s.agent.txn().put('/c', text('1')).commit(),
    ])
    expect(s.transport.script.opens).toBe(1)
  })

  it('an open that fails fails them', async () => {
    const s = new ScriptedAgent()
    s.transport.script.onOpen = () => Promise.reject(new Error('no such server'))
    await expect(s.agent.put('/a', text('1'))).rejects.toThrow('no such server')
    await expect(s.agent.start()).rejects.toThrow('no such server')
  })

  it('an open that never ends: reads and writes that wait for it end at close', async () => {
    const s = new ScriptedAgent()
    s.transport.script.onOpen = () => new Promise(() => {})
    const calls = [
      s.agent.put('/a', text('1')),
      s.agent.delete('/a'),
      s.agent.get('/a'),
      s.agent.txn().put('/a', text('1')).commit(),
      (async () => {
        for await (const pair of s.agent.list('/')) void pair
      })(),
    ]
    const ended: unknown[] = []
    for (const call of calls)
      call.then(
        () => ended.push('ok'),
        (e: { code: string }) => ended.push(e.code),
      )
    await s.settle()
    await s.agent.close()
    await s.settle()
    expect(ended).toEqual(Array(5).fill('SYNC_CLOSED'))
  })

  it('after close everything is refused, a transaction that was begun before too', async () => {
    const s = new ScriptedAgent()
    const txn = s.agent.txn().put('/a', text('1'))
    await s.agent.close()
    const closed = { code: 'SYNC_CLOSED' }
    await expect(s.agent.put('/a', text('1'))).rejects.toMatchObject(closed)
    await expect(s.agent.delete('/a')).rejects.toMatchObject(closed)
    await expect(s.agent.get('/a')).rejects.toMatchObject(closed)
    await expect(txn.commit()).rejects.toMatchObject(closed)
    expect(() => s.agent.txn()).toThrow(expect.objectContaining(closed))
    expect(s.transport.script.commits).toEqual([])
  })
})
