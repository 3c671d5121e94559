import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { realIo } from '../support/transport-stream.ts'

/** Opens, writes, watches and closes a store; nothing else keeps the process alive. */
const store = lmdb({ path: process.argv[2] as string })
const io = realIo()
await store.open(io)
const put = (key: string, ttlMs: number): Promise<unknown> =>
  store.commit(
    [{ type: 'put', key, value: new Uint8Array(3), ttlMs }],
    { waitFor: 'stored', timeoutMs: 60_000 },
    io,
  )
await put('a', 3_600_000)
const batches = store.stream([''], undefined, io)[Symbol.asyncIterator]()
await batches.next()
await put('b', 3_600_000)
io.abort()
await batches.return?.()
await store.close()
console.log('closed')
