import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { serveAgent as serveGrpcAgent } from '../support/grpc.ts'
import { serveAgent } from '../support/rest.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'

const POINTS = [
  'while it starts',
  'during a RESYNC',
  'during a put',
  'in a handler',
  'in a back-off',
  'with a run waiting',
] as const

/** How long a process may live on once everything is closed. */
const GRACE_MS = 3_000

async function exits(kind: string, where: string, point: string): Promise<void> {
  const program = spawnNode('test/contract/exit.program.ts', { args: [kind, where, point] })
  expect(await program.nextLine()).toBe('closed')
  const late = setTimeout(() => void program.kill(), GRACE_MS)
  expect(await program.exited).toBe(0)
  clearTimeout(late)
}

/** Of a server that accepts connections, reads nothing and says nothing. */
async function silentPort(): Promise<number> {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  onTeardown(() => silent.close())
  await once(silent, 'listening')
  return (silent.address() as AddressInfo).port
}

async function answered(kind: string, where: string): Promise<void> {
  const program = spawnNode('test/contract/one-call.program.ts', { args: [kind, where] })
  expect(await program.nextLine()).toBe('answered')
  expect(await program.exited).toBe(0)
}

describe('case 15, C11: after close the process exits by itself', () => {
  it.each(POINTS)('memory, closed %s', (point) => exits('memory', '', point))

  it.each(POINTS)('lmdb, closed %s', async (point) => exits('lmdb', await tempDir('exit'), point))

  it.each(POINTS)('cached lmdb, closed %s', async (point) =>
    exits('cached lmdb', await tempDir('exit'), point),
  )
})

describe('case 15, C11 on REST: after close the process exits by itself', () => {
  it.each(POINTS)('closed %s', async (point) => {
    const world = await serveAgent()
    await exits('rest', world.url, point)
    await world.close()
  })

  it('closed while nobody answers', () => exits('rest', 'http://127.0.0.1:1', 'while it starts'))

  it('closed while somebody is silent', async () => {
    await exits('rest', `http://127.0.0.1:${await silentPort()}`, 'while it starts')
  })
})

describe('case 15, C11 on gRPC: after close the process exits by itself', () => {
  it.each(POINTS.slice(0, 3))('closed %s', async (point) => {
    const { url } = await serveGrpcAgent()
    await exits('grpc', url, point)
  })

  it('closed while nobody answers', () => exits('grpc', 'grpc://127.0.0.1:1', 'while it starts'))
})

describe('a program that has nothing but one call to wait for is not ended before the answer', () => {
  it('agents on gRPC and REST that are not started, and the client of the Go service', async () => {
    const rest = await serveAgent()
    const grpc = await serveGrpcAgent()
    await Promise.all([answered('rest', rest.url), answered('grpc', grpc.url)])
    await answered('dataMsgClient', grpc.url)
    await rest.close()
  })

  it('also when a server takes the connection and says nothing', async () => {
    const url = `grpc://127.0.0.1:${await silentPort()}`
    const program = spawnNode('test/contract/one-call.program.ts', { args: ['grpc', url, '200'] })
    expect(await program.nextLine()).toBe('SYNC_UNAVAILABLE')
    expect(await program.exited).toBe(0)
  })
})

describeWithEtcdUrl('a program that has nothing but one call to wait for, on etcd', (url) => {
  it('is not ended before the answer', () => answered('etcd', url()))
})

describeWithRedisUrl('case 15, C11 on Redis: after close the process exits by itself', (url) => {
  it.each(POINTS)('closed %s', (point) => exits('redis', url(), point))

  it.each(POINTS)('cached, closed %s', (point) => exits('cached redis', url(), point))
})

describeWithEtcdUrl('case 15, C11 on etcd: after close the process exits by itself', (url) => {
  it.each(POINTS)('closed %s', (point) => exits('etcd', url(), point))

  it('closed while nobody answers', () => exits('etcd', 'etcd://127.0.0.1:1', 'while it starts'))
})
