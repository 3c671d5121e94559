import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
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
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    onTeardown(() => silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    await exits('rest', `http://127.0.0.1:${port}`, 'while it starts')
  })
})

describeWithRedisUrl('case 15, C11 on Redis: after close the process exits by itself', (url) => {
  it.each(POINTS)('closed %s', (point) => exits('redis', url(), point))

  it.each(POINTS)('cached, closed %s', (point) => exits('cached redis', url(), point))
})

describeWithEtcdUrl('case 15, C11 on etcd: after close the process exits by itself', (url) => {
  it.each(POINTS)('closed %s', (point) => exits('etcd', url(), point))

  it('closed while nobody answers', () => exits('etcd', 'etcd://127.0.0.1:1', 'while it starts'))
})
