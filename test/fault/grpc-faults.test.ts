import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { dataMsgClient, grpc } from '../../src/adapters/grpc/index.ts'
import type { DataResult, GrpcOptions } from '../../src/adapters/grpc/index.ts'
import { watchRequest } from '../../src/adapters/grpc/watch-schema.ts'
import { raw } from '../../src/index.ts'
import type { Agent } from '../../src/index.ts'
import { Follower } from '../support/follower.ts'
import { Followers } from '../support/followers.ts'
import { freePort } from '../support/free-port.ts'
import { frame, rawCall, rawSession } from '../support/grpc-frames.ts'
import { serveAgent } from '../support/grpc.ts'
import type { ServedAgent } from '../support/grpc.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { spawnNode } from '../support/spawn-node.ts'
import type { NodeProgram } from '../support/spawn-node.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, probeStream, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

const LIVENESS_MS = 900
const FAST = {
  livenessMs: LIVENESS_MS,
  connectTimeoutMs: LIVENESS_MS,
  commandTimeoutMs: LIVENESS_MS,
} as const

const PROGRAM = 'test/fault/grpc-agent.program.ts'
const value = (text: string) => raw(Buffer.from(text))

async function stored(agent: Agent, prefix: string): Promise<Record<string, string>> {
  const pairs: Record<string, string> = {}
  for await (const pair of agent.list(prefix)) {
    pairs[pair.key] = Buffer.from(pair.bytes).toString()
  }
  return pairs
}

describe('the link', () => {
  let served: ServedAgent
  let link: Link
  let url: string
  const followers = new Followers()

  function follow(options: GrpcOptions = {}): Promise<Follower> {
    return followers.follow(grpc({ url, ...FAST, ...options }))
  }

  beforeEach(async () => {
    served = await serveAgent()
    link = await openLink({ port: served.server.port })
    url = link.url('grpc')
  })
  afterEach(async () => {
    await followers.close()
    await link.close()
    await served.close()
  })

  it('cut in the list: listed again, nothing partial is seen', async () => {
    const { agent } = served
    for (let i = 0; i < 3_000; i++) await agent.put(`/f/${i}`, value(`old ${'x'.repeat(200)}`))
    const hook = link.onDownstream('/f/2', async () => {
      await link.cut()
      await agent.put('/f/0', value('new'))
      await agent.delete('/f/1')
      await link.restore()
    })
    const follower = await follow()
    await hook.matched
    await follower.converges(await stored(agent, '/f/'))
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('W1, W2: dropped again and again while a writer goes on: every change once', async () => {
    const { agent } = served
    const follower = await follow()
    for (let round = 0; round < 200; round++) {
      await agent.put(`/f/${round}`, value(`${round}`))
      if (round % 10 === 0) link.drop()
    }
    await follower.converges(await stored(agent, '/f/'))
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.changes).toHaveLength(200)
  })

  it('W9: a transaction larger than a message arrives in one piece, also over a cut', async () => {
    const { agent } = served
    const follower = await follow()
    const body = 'v'.repeat(200_000)
    const hook = link.onDownstream('/f/7', () => link.drop())
    const txn = agent.txn()
    for (let i = 0; i < 10; i++) txn.put(`/f/${i}`, value(`${i} ${body}`))
    await txn.commit()
    await hook.matched
    await follower.converges(await stored(agent, '/f/'))
    expect(follower.changes).toHaveLength(10)
    expect(new Set(follower.revisions).size).toBe(1)
  })

  it('half-open: noticed within 2 × livenessMs, and what was missed arrives without a RESYNC', async () => {
    const { agent } = served
    const follower = await follow()
    await agent.put('/f/0', value('seen'))
    await follower.converges({ '/f/0': 'seen' })
    link.hold()
    const heldAt = performance.now()
    await agent.put('/f/0', value('missed'))
    await follower.becomes('stale')
    expect(performance.now() - heldAt).toBeLessThan(2 * LIVENESS_MS + 300)
    await link.cut()
    await link.restore()
    link.release()
    await follower.converges({ '/f/0': 'missed' })
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('quiet for many times the liveness bound: the watch stays', async () => {
    const transport = grpc({ url, ...FAST, livenessMs: 150 })
    onTeardown(() => transport.close())
    const probe = probeStream(transport, ['/f/'])
    await probe.untilListed()
    const before = link.totalConnections
    await waitFor(() => probe.progress > 30)
    expect(probe.ended).toBe(false)
    expect(link.totalConnections).toBe(before)
    await probe.stop()
  })

  it('a slow link: a large list takes long, nobody gives up', async () => {
    const { agent } = served
    for (let i = 0; i < 200; i++) await agent.put(`/f/${i}`, value('x'.repeat(500)))
    link.trickle(4_096, 60, 'down')
    const startedAt = performance.now()
    const follower = await follow()
    await follower.converges(await stored(agent, '/f/'))
    expect(performance.now() - startedAt).toBeGreaterThan(LIVENESS_MS)
    expect(follower.resyncs).toEqual(['startup'])
    expect(follower.agent.health().transports[0]?.reconnects).toBe(0)
  })

  it('a write whose answer is lost: outcome unknown, and it is made once', async () => {
    const { agent } = served
    const writes: string[] = []
    agent.watch('counter', '/once/').handle({ change: ({ key }) => void writes.push(key) })
    const transport = grpc({ url, ...FAST })
    onTeardown(() => transport.close())
    await commitTo(transport, put('/once/before', 'x'))
    const hook = link.onUpstream('/once/lost', () => link.drop())
    await expect(commitTo(transport, put('/once/lost', 'x'))).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'unknown',
    })
    await hook.matched
    await waitFor(() => commitTo(transport, put('/once/after', 'x')))
    await waitFor(() => writes.includes('/once/after'))
    expect(writes.filter((key) => key === '/once/lost').length).toBeLessThanOrEqual(1)
    expect(writes.filter((key) => key === '/once/before')).toHaveLength(1)
  })

  it('the answer itself is cut off: applied once, outcome unknown', async () => {
    const { agent } = served
    let writes = 0
    agent.watch('counter', '/once/').handle({ change: () => void writes++ })
    const transport = grpc({ url, ...FAST })
    onTeardown(() => transport.close())
    await transport.open(realIo())
    link.hold('down')
    const written = commitTo(transport, put('/once/x', 'x'))
    written.catch(() => {})
    await waitFor(async () => (await agent.get('/once/x')) !== undefined)
    link.drop()
    link.release()
    await expect(written).rejects.toMatchObject({ outcome: 'unknown' })
    await waitFor(() => commitTo(transport, put('/other', 'x')))
    expect(writes).toBe(1)
  })

  it('a server that is not there: not-applied, at once in the back-off; open is no error', async () => {
    await link.cut()
    const transport = grpc({ url, ...FAST })
    onTeardown(() => transport.close())
    await transport.open(realIo())
    await expect(commitTo(transport, put('/x', 'x'))).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'not-applied',
    })
    await link.restore()
    await waitFor(() => commitTo(transport, put('/x', 'x')))
  })

  it('a held link: a write ends by its time, outcome unknown; close leaves nothing', async () => {
    const transport = grpc({ url, ...FAST, commandTimeoutMs: 60_000 })
    await transport.open(realIo())
    link.hold()
    const written = transport.commit(
      [put('/x', 'x')],
      { waitFor: 'stored', timeoutMs: 200 },
      realIo(),
    )
    await expect(written).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'unknown' })
    await transport.close()
    await waitFor(() => link.connections === 0)
  })

  it('dataChanges: what was replied to is known, the rest is unknown', async () => {
    const go = dataMsgClient({ url, commandTimeoutMs: LIVENESS_MS })
    onTeardown(() => go.close())
    const replies: DataResult[] = []
    const changes = Array.from({ length: 5_000 }, (_, i) => ({
      key: `/d/${i}`,
      content: Buffer.from('x'),
    }))
    const hook = link.onUpstream('/d/2500', () => link.drop())
    const finished = (async () => {
      for await (const reply of go.dataChanges(changes)) replies.push(reply)
    })()
    await expect(finished).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'unknown' })
    await hook.matched
    expect(replies).toEqual(changes.slice(0, replies.length).map(({ key }) => ({ key, result: 0 })))
    expect(replies.length).toBeLessThan(2_502)
    const there = await stored(served.agent, '/d/')
    for (const { key } of replies) expect(there[key]).toBe('x')
  })

  it('dataChanges on a held link: given up after commandTimeoutMs, also when only the end is owed', async () => {
    const go = dataMsgClient({ url, commandTimeoutMs: 200 })
    onTeardown(() => go.close())
    await go.ping()
    link.hold()
    const change = { key: '/d/held', content: Buffer.from('x') }
    await expect(go.dataChanges([change]).next()).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'unknown',
    })
    link.release()
    await waitFor(() => go.ping())
    link.hold()
    await expect(go.dataChanges([]).next()).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
  })

  it('dataChanges to a receiver that takes long, and from a source that pauses: nobody gives up', async () => {
    let finish = (): void => {}
    const receiver = served.agent.watch('slow', '/slow/')
    receiver.handle({ change: () => new Promise<void>((resolve) => (finish = resolve)) })
    await waitFor(() => served.agent.health().registrations[0]?.state === 'live')
    const go = dataMsgClient({ url, commandTimeoutMs: 100 })
    onTeardown(() => go.close())
    // Signs of life of a watch tell that the time of a command is over, several times.
    const transport = grpc({ url, ...FAST, livenessMs: 150 })
    onTeardown(() => transport.close())
    const probe = probeStream(transport, ['/f/'])
    await probe.untilListed()
    async function pause(): Promise<void> {
      const enough = probe.progress + 10
      await waitFor(() => probe.progress > enough)
    }
    async function* changes() {
      yield { key: '/slow/1', content: Buffer.from('x') }
      await pause()
      finish()
      await pause()
      yield { key: '/d/2', content: Buffer.from('x') }
    }
    const replies: DataResult[] = []
    for await (const reply of go.dataChanges(changes())) replies.push(reply)
    expect(replies.map(({ key, result }) => [key, result])).toEqual([
      ['/slow/1', 0],
      ['/d/2', 0],
    ])
    await probe.stop()
  })
})

describe('a watcher that never reads', () => {
  it('is cut after writeTimeoutMs; what waits for it is bounded; others see everything', async () => {
    const { agent, server, url } = await serveAgent({}, { writeTimeoutMs: 300 })
    const session = rawSession(server.port)
    const closed = new Promise<void>((resolve) => session.on('close', () => resolve()))
    const call = rawCall(session, '/rxdatasync.v1.DataSync/Watch')
    call.stream.pause()
    const request = { prefixes: ['/f/'], position: '', heartbeatMs: 0 }
    call.stream.end(frame(watchRequest.encode(request)))
    await waitFor(() => server.watches === 1)
    const follower = new Follower(grpc({ url }))
    onTeardown(() => follower.agent.close())
    await follower.agent.start()
    const body = 'v'.repeat(100_000)
    let written = 0
    await waitFor(async () => {
      await agent.put(`/f/${written % 10}`, value(`${written++} ${body}`))
      return server.watches === 1 && written > 50
    })
    await closed
    await follower.converges(await stored(agent, '/f/'))
    expect(follower.resyncs).toEqual(['startup'])
  })

  it('the same with replies that nobody takes', async () => {
    const { agent, server } = await serveAgent({}, { writeTimeoutMs: 300 })
    const session = rawSession(server.port)
    const closed = new Promise<void>((resolve) => session.on('close', () => resolve()))
    const call = rawCall(session, '/msg.DataMsgService/dataChanges')
    call.stream.pause()
    const key = `/k/${'x'.repeat(1_000)}`
    let sent = 0
    const send = (): void => {
      while (sent < 20_000 && call.stream.writable) {
        sent++
        if (!call.stream.write(frame(JSON.stringify({ key: `${key}${sent % 20}` })))) return
      }
    }
    call.stream.on('drain', send)
    send()
    await closed
    expect(sent).toBeLessThan(20_000)
    expect(Object.keys(await stored(agent, '/k/')).length).toBeGreaterThan(0)
    await waitFor(() => server.connections === 0)
  })
})

describe('the server is killed', () => {
  async function start(port: number, path = ''): Promise<NodeProgram> {
    const program = spawnNode(PROGRAM, { args: [String(port), path] })
    await program.nextLine()
    return program
  }

  it('during a watch, on LMDB: the data is there again, and what changed meanwhile', async () => {
    const port = await freePort()
    const path = await tempDir('grpc-lmdb')
    const url = `grpc://127.0.0.1:${port}`
    let program = await start(port, path)
    const writer = grpc({ url, ...FAST })
    onTeardown(() => writer.close())
    const expected: Record<string, string> = {}
    const write = async (key: string, text: string): Promise<void> => {
      await waitFor(() => commitTo(writer, put(key, text)))
      expected[key] = text
    }
    for (let i = 0; i < 50; i++) await write(`/f/${i}`, 'old')
    const follower = new Follower(grpc({ url, ...FAST }))
    onTeardown(() => follower.agent.close())
    await follower.agent.start()
    await follower.converges(expected)
    await program.kill()
    await follower.becomes('stale')
    program = await start(port, path)
    await write('/f/0', 'new')
    await follower.converges(expected)
  })

  it('in memory: another epoch, RESYNC (reconnected), also when it is further than before', async () => {
    const port = await freePort()
    const url = `grpc://127.0.0.1:${port}`
    const first = await start(port)
    const writer = grpc({ url, ...FAST })
    onTeardown(() => writer.close())
    for (let i = 0; i < 5; i++) await commitTo(writer, put(`/f/${i}`, 'old'))
    const follower = new Follower(grpc({ url, ...FAST }))
    onTeardown(() => follower.agent.close())
    await follower.agent.start()
    await first.kill()
    await follower.becomes('stale')
    await start(port)
    for (let i = 0; i < 20; i++) await waitFor(() => commitTo(writer, put('/f/new', `${i}`)))
    await follower.converges({ '/f/new': '19' })
    expect(follower.resyncs).toContain('reconnected')
  })

  it('during dataChanges: replies are a beginning of what was sent, each once', async () => {
    const port = await freePort()
    const path = await tempDir('grpc-lmdb')
    const program = await start(port, path)
    const go = dataMsgClient({ url: `grpc://127.0.0.1:${port}` })
    onTeardown(() => go.close())
    const changes = Array.from({ length: 2_000 }, (_, i) => ({
      key: `/slow/${i}`,
      content: Buffer.from(`${i}`),
    }))
    const replies: DataResult[] = []
    const finished = (async () => {
      for await (const reply of go.dataChanges(changes)) {
        replies.push(reply)
        if (replies.length === 20) void program.kill()
      }
    })()
    await expect(finished).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'unknown' })
    expect(replies.map(({ key }) => key)).toEqual(
      changes.slice(0, replies.length).map(({ key }) => key),
    )
    await program.exited
    await start(port, path)
    const reader = grpc({ url: `grpc://127.0.0.1:${port}` })
    onTeardown(() => reader.close())
    const keys = replies.map(({ key }) => key)
    const found = await waitFor(() => reader.get(keys, realIo()))
    expect(found).toHaveLength(keys.length)
  })
})
