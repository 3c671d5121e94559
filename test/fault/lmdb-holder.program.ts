import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { isSyncError } from '../../src/api/errors.ts'
import { realIo } from '../support/transport-stream.ts'

/** Opens a store, says how that went, and stays; with `once` it closes and ends. */
const [path, once] = process.argv.slice(2) as [string, string | undefined]
const store = lmdb({ path })
try {
  await store.open(realIo())
  process.stdout.write('open\n')
} catch (error) {
  process.stdout.write(`${isSyncError(error) ? `${error.code} ${error.message}` : String(error)}\n`)
}
if (once === undefined) setInterval(() => undefined, 60_000)
else await store.close()
