import { Redis } from 'ioredis'
import { LATENCY_PREFIX, RATE, SECONDS } from './scenario/redis-latency.ts'

/** `node redis-pacer.js <url>`: sets keys at a steady pace, each to the time at which it is sent, in ms since the epoch. */
const client = new Redis(process.argv[2] as string)
await client.ping()
const total = RATE * SECONDS
const startedAt = performance.now()
let sent = 0
await new Promise<void>((resolve) => {
  const tick = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) * RATE) / 1_000))
    while (sent < due) {
      const key = `${LATENCY_PREFIX}${sent++}`
      void client.set(key, String(performance.timeOrigin + performance.now()))
    }
    if (sent < total) return
    clearInterval(tick)
    resolve()
  }, 1)
})
await client.quit()
