import { ETCD_RATE, ETCD_SECONDS, LATENCY_PREFIX } from './scenario/etcd-latency.ts'
import { etcdClient } from './etcd-server.ts'

/** `node etcd-pacer.js <url>`: puts keys at a steady pace, each with the time at which it is sent, in ms since the epoch. */
const client = etcdClient(process.argv[2] as string)
await client.maintenance.status()
const total = ETCD_RATE * ETCD_SECONDS
const startedAt = performance.now()
let sent = 0
const puts: Promise<unknown>[] = []
await new Promise<void>((resolve) => {
  const tick = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) * ETCD_RATE) / 1_000))
    while (sent < due) {
      const key = Buffer.from(`${LATENCY_PREFIX}${sent++}`)
      const value = Buffer.from(String(performance.timeOrigin + performance.now()))
      puts.push(client.kv.put({ key, value }))
    }
    if (sent < total) return
    clearInterval(tick)
    resolve()
  }, 1)
})
await Promise.all(puts)
client.close()
