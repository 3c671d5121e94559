import { describe, expect, it } from '@jest/globals'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { Agent, compareKeys, raw } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { HubProcess } from '../support/hub-process.ts'
import { onTeardown } from '../support/teardown.ts'
import { waitFor } from '../support/wait-for.ts'

const WATCHERS = 1_000

/** An agent that only follows `/load/`; what its events add up to. */
class Follower {
  readonly fold = new Map<string, string>()
  readonly agent: Agent
  resyncs = 0
  /** Puts that came as changes. */
  changes = 0

  constructor(transport: Transport) {
    this.agent = new Agent({ transport })
    this.agent.watch('load', '/load/').handle({
      resync: ({ values }) => {
        this.resyncs++
        this.fold.clear()
        for (const pair of values.get('/load/') ?? []) this.fold.set(pair.key, textOf(pair))
      },
      change: (event) => {
        this.changes++
        if (event.changeType === 'put') this.fold.set(event.key, textOf(event))
        else this.fold.delete(event.key)
      },
    })
  }
}

const textOf = ({ bytes }: { bytes: Uint8Array }): string => Buffer.from(bytes).toString()
const text = (value: string): ReturnType<typeof raw> => raw(Buffer.from(value))

describe('1 000 watchers over REST and 1 000 over gRPC on one hub', () => {
  it('every change reaches every watcher; killed and back, all are in step again', async () => {
    const limits = ['--limit', 'maxWatchersPerClient=5000']
    const hub = await HubProcess.start({ args: limits })
    const writer = new Agent({ transport: rest({ url: hub.http }) })
    await writer.start()
    const followers: Follower[] = []
    onTeardown(() => Promise.all([...followers.map(({ agent }) => agent.close()), writer.close()]))
    // In groups, as a listen backlog has its size.
    for (let i = 0; i < WATCHERS; i += 100) {
      const group = Array.from({ length: 200 }, (_, j) =>
        j % 2 === 0 ? new Follower(rest({ url: hub.http })) : new Follower(grpc({ url: hub.grpc })),
      )
      followers.push(...group)
      await Promise.all(group.map(({ agent }) => agent.start()))
    }
    const expected = new Map<string, string>()
    const put = async (key: string, value: string): Promise<void> => {
      await writer.put(key, text(value))
      expected.set(key, value)
    }
    for (let i = 0; i < 50; i++) await put(`/load/${i % 10}`, `v${i}`)
    await writer.delete('/load/3')
    expected.delete('/load/3')
    await inStep(followers, expected)
    // None was missed nor came twice.
    expect(new Set(followers.map(({ changes }) => changes))).toEqual(new Set([51]))
    expect(new Set(followers.map(({ resyncs }) => resyncs))).toEqual(new Set([1]))

    await hub.kill()
    await hub.start()
    // It was in memory only: the new hub is empty, and everybody has to hear of it.
    expected.clear()
    await waitFor(() => writer.put('/load/new', text('x')).then(() => true), { timeoutMs: 60_000 })
    expected.set('/load/new', 'x')
    await inStep(followers, expected)
  }, 240_000)
})

function textOfFold(fold: ReadonlyMap<string, string>): string {
  return Array.from(fold, ([key, value]) => `${key}=${value}`)
    .sort(compareKeys)
    .join()
}

async function inStep(
  followers: readonly Follower[],
  expected: ReadonlyMap<string, string>,
): Promise<void> {
  const wanted = textOfFold(expected)
  const behind = (): Follower[] => followers.filter(({ fold }) => textOfFold(fold) !== wanted)
  await waitFor(() => behind().length === 0, {
    timeoutMs: 90_000,
    describe: () => `${behind().length} of ${followers.length} watchers to be in step`,
  })
}
