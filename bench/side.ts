import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Answer, Request, Sample } from './harness.ts'
import type { Scenario, Side } from './scenario.ts'

/** The process of one side: `node side.js <url of the scenario> <side> <settings as JSON>`. */
const [url, name, settings] = process.argv.slice(2) as [string, string, string]
const { scenario } = (await import(url)) as { scenario: Scenario }
const create = scenario.sides[name]
if (create === undefined) throw new Error(`${scenario.title} has no side ${name}`)
const side = await create(JSON.parse(settings) as Record<string, string>)

process.on('message', (request: Request) => {
  handle(request).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
answer({ ready: true })

async function handle(request: Request): Promise<void> {
  if (request === 'close') {
    await side.close()
    process.disconnect()
    return
  }
  answer({ sample: await measure(side) })
}

async function measure(measured: Side): Promise<Sample> {
  globalThis.gc?.()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const before = process.cpuUsage()
  const found = await measured.sample()
  const { user, system } = process.cpuUsage(before)
  delay.disable()
  const peakRssMb = process.resourceUsage().maxRSS / 1024
  globalThis.gc?.()
  return {
    ...found,
    cpuMs: (user + system) / 1_000,
    loopDelayMs: delay.percentile(99) / 1e6,
    heapMb: process.memoryUsage().heapUsed / 2 ** 20,
    peakRssMb,
  }
}

function answer(message: Answer): void {
  process.send?.(message)
}
