import { Redis } from 'ioredis'

/**
 * Another program that writes, in a process of its own: `node redis-writer.js <url> burst <prefix> <count>` or
 * `… paced <prefix> <count> <per ms>`. Says `ready` when it is connected, begins at a message, says `done`. Values begin
 * with the monotonic time at which they were sent, in ns: all processes of a machine share that clock.
 */
const [url, mode, prefix, count, perMs] = process.argv.slice(2) as [
  string,
  'burst' | 'paced',
  string,
  string,
  string?,
]
const client = new Redis(url)
const filling = 'x'.repeat(80)
await client.ping()
process.send?.('ready')
process.once('message', () => {
  const written = mode === 'burst' ? burst(Number(count)) : paced(Number(count), Number(perMs))
  written.then(
    () => {
      process.send?.('done')
      client.disconnect()
      process.disconnect?.()
    },
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})

async function burst(total: number): Promise<void> {
  for (let start = 0; start < total; start += 5_000) {
    const pipeline = client.pipeline()
    for (let i = start; i < Math.min(total, start + 5_000); i++) pipeline.set(prefix + i, value())
    await pipeline.exec()
  }
}

async function paced(total: number, rate: number): Promise<void> {
  const startedAt = performance.now()
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor((performance.now() - startedAt) * rate))
    for (; sent < due; sent++) void client.set(prefix + (sent % 1_000), value())
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  await client.ping()
}

function value(): string {
  return `${process.hrtime.bigint()} ${filling}`
}
