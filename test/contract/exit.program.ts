import { etcd } from '../../src/adapters/etcd/index.ts'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { Agent, cached, memory } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { text } from '../../src/testing/text.ts'

/** Closes an agent at some point, says so, and has nothing left to do. */
const [kind, where = '', point] = process.argv.slice(2)

function transport(): Transport {
  if (kind === 'cached lmdb') return cached(lmdb({ path: where }))
  if (kind === 'cached redis') return cached(redis({ url: where }))
  if (kind === 'etcd') return etcd({ url: where })
  if (kind === 'grpc') return grpc({ url: where })
  if (kind === 'rest') return rest({ url: where })
  if (kind === 'redis') return redis({ url: where })
  return kind === 'lmdb' ? lmdb({ path: where }) : memory()
}

const agent = new Agent({ transport: transport() })
const never = new Promise<void>(() => {})
let reached = (): void => {}
const there = new Promise<void>((resolve) => {
  reached = resolve
})

agent.watch('receiver', '/exit/').handle({
  resync: async () => {
    if (point !== 'during a RESYNC') return
    reached()
    await never
  },
  change: async () => {
    if (point !== 'in a handler') return
    await agent.close()
    reached()
    await never
  },
})
const started = agent.start()
started.catch(() => {})
if (point === 'during a RESYNC') await there
else if (point !== 'while it starts') await started
const put = agent.put('/exit/key', text(String(process.pid)), { ttlMs: 3_600_000 })
put.catch(() => {})
if (point === 'in a handler') await there
if (point === 'in a back-off') agent.reportError('receiver', new Error('on purpose'))
if (point === 'with a run waiting') agent.resync().catch(() => {})
await Promise.all([agent.close(), agent.close()])
process.stdout.write('closed\n')
