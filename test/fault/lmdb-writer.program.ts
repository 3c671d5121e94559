import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { realIo } from '../support/transport-stream.ts'

/**
 * Writes without end: transactions of three keys and single puts, many under way. A line for each one that was
 * acknowledged: its group and its version. To be killed.
 */
const [path, round] = process.argv.slice(2) as [string, string]
const store = lmdb({ path })
const io = realIo()
await store.open(io)
process.stdout.write('open\n')

const STORED = { waitFor: 'stored', timeoutMs: 60_000 } as const

async function write(writer: number): Promise<void> {
  for (let i = 0; ; i++) {
    const group = `${round}/${writer}/${i}`
    const names = i % 2 === 0 ? ['a', 'b', 'c'] : ['a']
    const ops = names.map((name) => ({
      type: 'put' as const,
      key: `${group}/${name}`,
      value: Buffer.from(group.repeat(1 + (i % 50))),
    }))
    const { versions } = await store.commit(ops, STORED, io)
    process.stdout.write(`${group} ${names.length} ${versions[0]}\n`)
  }
}

await Promise.all(Array.from({ length: 32 }, (_, writer) => write(writer)))
