import { describe, expect, it } from '@jest/globals'
import { from, Subject } from 'rxjs'
import type { Observable } from 'rxjs'
import type { CommitResult, Publication, PublishResult } from '../../../src/index.ts'
import { text } from '../../../src/testing/text.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

interface Publishing {
  readonly s: ScriptedAgent
  readonly results: PublishResult[]
  /** Ends the write number `index`, in the order of the commits. */
  end(index: number, error?: Error): void
  readonly state: { completed: boolean; error: unknown }
  start(changes: Observable<Publication> | AsyncIterable<Publication>): { unsubscribe(): void }
}

/** Writes end when the test says so. */
function publishing(): Publishing {
  const s = new ScriptedAgent()
  const ends: ((error?: Error) => void)[] = []
  s.transport.script.onCommit = ({ ops }) =>
    new Promise<CommitResult>((resolve, reject) => {
      const version = `v${ends.length}`
      ends.push((error) => {
        if (error !== undefined) reject(error)
        else
          resolve({
            versions: ops.map((op) => (op.type === 'put' ? version : undefined)),
            deleted: 1,
          })
      })
    })
  const results: PublishResult[] = []
  const state = { completed: false, error: undefined as unknown }
  return {
    s,
    results,
    state,
    end: (index, error) => ends[index]?.(error),
    start: (changes) =>
      s.agent.publish(changes).subscribe({
        next: (result) => results.push(result),
        complete: () => {
          state.completed = true
        },
        error: (error: unknown) => {
          state.error = error
        },
      }),
  }
}

const put = (key: string): Publication => ({ key, message: text('1') })
const remove = (key: string): Publication => ({ key, delete: true })

async function* generate(count: number, pulled?: { count: number }): AsyncGenerator<Publication> {
  for (let i = 0; i < count; i++) {
    if (pulled !== undefined) pulled.count++
    yield put(`/${i}`)
  }
}

describe('publish', () => {
  it('is cold: nothing is written before the subscription', async () => {
    const p = publishing()
    p.s.agent.publish(from([put('/a')]))
    await p.s.settle()
    expect(p.s.transport.script.commits).toHaveLength(0)
  })

  it('results come in the order of the inputs, whatever order the writes end in', async () => {
    const p = publishing()
    p.start(from([put('/a'), remove('/b'), put('/c')]))
    await p.s.settle()
    p.end(2)
    p.end(1)
    await p.s.settle()
    expect(p.results).toEqual([])
    p.end(0)
    await p.s.settle()
    expect(p.results).toEqual([
      { ok: true, key: '/a', version: 'v0' },
      { ok: true, key: '/b', deleted: 1 },
      { ok: true, key: '/c', version: 'v2' },
    ])
    expect(p.state.completed).toBe(true)
  })

  it('an input given from inside a result comes after the results that are ready already', async () => {
    const p = publishing()
    const inputs = new Subject<Publication>()
    const keys: string[] = []
    p.s.agent.publish(inputs).subscribe((result) => {
      keys.push(result.key)
      // Fails at once.
      if (result.key === '/a') inputs.next(null as unknown as Publication)
    })
    for (const key of ['/a', '/b', '/c']) inputs.next(put(key))
    await p.s.settle()
    p.end(2)
    p.end(1)
    await p.s.settle()
    expect(keys).toEqual([])
    p.end(0)
    await p.s.settle()
    expect(keys).toEqual(['/a', '/b', '/c', ''])
  })

  it('a failed input is a result, not the end: wrong key, wrong message, refused write, no input at all', async () => {
    const p = publishing()
    p.start(
      from([
        { key: '', message: text('1') },
        { key: '/a', message: {} },
        put('/b'),
        null,
        { key: 7, message: text('1') },
        put('/c'),
      ] as Publication[]),
    )
    await p.s.settle()
    p.end(0, new Error('no'))
    p.end(1)
    await p.s.settle()
    expect(p.results).toMatchObject([
      { ok: false, key: '', error: { code: 'SYNC_INVALID_KEY' } },
      { ok: false, key: '/a', error: { code: 'SYNC_INVALID_OPTION' } },
      { ok: false, key: '/b', error: { message: 'no' } },
      { ok: false },
      { ok: false, error: { code: 'SYNC_INVALID_KEY' } },
      { ok: true, key: '/c' },
    ])
    expect(p.state).toEqual({ completed: true, error: undefined })
  })

  it('at most 256 writes are under way; an AsyncIterable is pulled no faster', async () => {
    const p = publishing()
    const pulled = { count: 0 }
    p.start(generate(1_000, pulled))
    await p.s.settle()
    await p.s.settle()
    expect(p.s.transport.script.commits).toHaveLength(256)
    expect(pulled.count).toBeLessThanOrEqual(257)
    p.end(0)
    await p.s.settle()
    expect(p.s.transport.script.commits).toHaveLength(257)
    for (let i = 1; i < 1_000; i++) {
      p.end(i)
      if (i % 100 === 0) await p.s.settle()
    }
    await p.s.settle()
    expect(p.results).toHaveLength(1_000)
    expect(p.state.completed).toBe(true)
  })

  it('an Observable is queued up to 10 000; further inputs fail, in their place', async () => {
    const p = publishing()
    const source = new Subject<Publication>()
    p.start(source)
    for (let i = 0; i < 256 + 10_000 + 3; i++) source.next(put(`/${i}`))
    source.complete()
    await p.s.settle()
    for (let i = 0; i < 256 + 10_000; i++) {
      p.end(i)
      if (i % 200 === 0) await p.s.settle()
    }
    await p.s.settle()
    expect(p.results).toHaveLength(256 + 10_000 + 3)
    const failed = p.results.filter((result) => !result.ok)
    expect(failed.map((result) => result.key)).toEqual(['/10256', '/10257', '/10258'])
    expect(failed).toMatchObject([{ error: { code: 'SYNC_OVERFLOW' } }, {}, {}])
    expect(p.results.at(-1)?.key).toBe('/10258')
  })

  it('writes of one key go one after the other', async () => {
    const p = publishing()
    p.start(from([put('/a'), put('/b'), put('/a'), remove('/a')]))
    await p.s.settle()
    const keys = (): unknown[] =>
      p.s.transport.script.commits.map(({ ops }) =>
        ops[0]?.type === 'delete-prefix' ? '' : ops[0]?.key,
      )
    expect(keys()).toEqual(['/a', '/b'])
    p.end(0, new Error('a failed one does not hold the next'))
    await p.s.settle()
    expect(keys()).toEqual(['/a', '/b', '/a'])
    p.end(2)
    await p.s.settle()
    expect(keys()).toEqual(['/a', '/b', '/a', '/a'])
  })

  it('unsubscribe: no result, no further write, the iterable is ended', async () => {
    const p = publishing()
    let ended = false
    const source = async function* (): AsyncGenerator<Publication> {
      try {
        for (let i = 0; ; i++) yield put(`/${i % 2}`)
      } finally {
        ended = true
      }
    }
    const subscription = p.start(source())
    await p.s.settle()
    const before = p.s.transport.script.commits.length
    subscription.unsubscribe()
    for (let i = 0; i < before; i++) p.end(i)
    await p.s.settle()
    expect(p.s.transport.script.commits).toHaveLength(before)
    expect(p.results).toEqual([])
    expect(ended).toBe(true)
  })

  it('an error of the source comes after the results of what it gave before', async () => {
    const p = publishing()
    const source = new Subject<Publication>()
    p.start(source)
    source.next(put('/a'))
    source.error(new Error('the source broke'))
    await p.s.settle()
    expect(p.state.error).toBeUndefined()
    p.end(0)
    await p.s.settle()
    expect(p.results).toHaveLength(1)
    expect(p.state.error).toMatchObject({ message: 'the source broke' })
    const q = publishing()
    q.start(
      (async function* (): AsyncGenerator<Publication> {
        yield put('/a')
        throw new Error('the generator broke')
      })(),
    )
    await q.s.settle()
    q.end(0)
    await q.s.settle()
    expect(q.results).toHaveLength(1)
    expect(q.state.error).toMatchObject({ message: 'the generator broke' })
  })

  it('after close every input fails', async () => {
    const p = publishing()
    await p.s.agent.close()
    p.start(from([put('/a'), put('/b')]))
    await p.s.settle()
    expect(p.results).toMatchObject([
      { ok: false, error: { code: 'SYNC_CLOSED' } },
      { ok: false, error: { code: 'SYNC_CLOSED' } },
    ])
    expect(p.state.completed).toBe(true)
  })

  it('what is no source is refused at the door', () => {
    const s = new ScriptedAgent()
    const results: unknown[] = []
    try {
      s.agent
        .publish([put('/a')] as never)
        .subscribe({ error: (error: unknown) => results.push(error) })
    } catch (error) {
      results.push(error)
    }
    expect(results).toMatchObject([{ code: 'SYNC_INVALID_OPTION' }])
  })
})
