import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { isSyncError } from '../../src/api/errors.ts'
import { realIo } from '../support/transport-stream.ts'

/** Round by round: waits for a file, opens a store at that moment, says how it went, and waits for the next file. */
const [root, rounds] = process.argv.slice(2) as [string, string]

async function until(file: string): Promise<void> {
  while (!existsSync(join(root, file))) await new Promise((resume) => setImmediate(resume))
}

process.stdout.write('ready\n')
for (let round = 0; round < Number(rounds); round++) {
  const store = lmdb({ path: join(root, `store-${Math.floor(round / 2)}`) })
  await until(`go-${round}`)
  let result = 'open'
  try {
    await store.open(realIo())
  } catch (error) {
    result = isSyncError(error) ? `${error.code} ${error.message}` : String(error)
  }
  process.stdout.write(`${result}\n`)
  await until(`end-${round}`)
  await store.close()
  process.stdout.write('closed\n')
}
