import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { TransportUnavailableError } from '../../src/api/errors.ts'
import type { Op } from '../../src/api/transport.ts'
import { realIo } from '../support/transport-stream.ts'
import { listOf } from '../../src/kit/list-of.ts'

/** Writes until there is no room, and then tries what still works. */
const store = lmdb({ path: process.argv[2] as string })
const io = realIo()
await store.open(io)

const say = (line: string): unknown => process.stdout.write(`${line}\n`)
const commit = (...ops: Op[]): ReturnType<typeof store.commit> =>
  store.commit(ops, { waitFor: 'stored', timeoutMs: 60_000 }, io)
const value = new Uint8Array(100_000).fill(1)

for (let i = 0; ; i++) {
  const key = `k${i}`
  try {
    await commit({ type: 'put', key, value })
    say(key)
  } catch (error) {
    if (!(error instanceof TransportUnavailableError)) throw error
    say(`failed ${error.code} ${error.outcome}`)
    break
  }
}
let count = 0
for await (const page of listOf(store, '', io)) count += page.length
say(`read ${count}`)
say(`deleted ${(await commit({ type: 'delete', key: 'k0' })).deleted}`)
await commit({ type: 'put', key: 'small', value: value.subarray(0, 100) })
say('put again')
await store.close()
say('closed')
